"""There is one definition of P&L, and page, code and database name the same version of it."""

from __future__ import annotations

import re

from alpha.domain.trade_book import PNL_VERSION
from database.migrate import read_migrations
from tests.exchange_process import PROJECT_ROOT


def test_page_code_and_view_name_the_same_version() -> None:
    page = (PROJECT_ROOT / "docs/accounting.md").read_text()
    assert re.findall(r"\*\*Definition (\d+)\*\*", page) == [str(PNL_VERSION)]
    views = re.findall(r"(\d+) AS pnl_version", "".join(migration.text for migration in read_migrations()))
    assert views[-1] == str(PNL_VERSION)
