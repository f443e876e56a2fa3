from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

from alpha.ledger.connection import connect, transaction
from tests.support import Database

PAGE = Path(__file__).parents[3] / "database/README.md"


def test_every_table_is_on_the_page_and_no_other(database: Database) -> None:
    with closing(connect(database.dsn("reader"), "tests")) as reader, transaction(reader) as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE nspname = 'trading' AND relkind IN ('r', 'p') AND NOT relispartition"
        )
        tables = {name for (name,) in cursor.fetchall()}
    rows = re.findall(r"^\| (`.+?) \|", PAGE.read_text(), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]

    assert set(named) == tables
    assert len(named) == len(set(named)), "each once"
