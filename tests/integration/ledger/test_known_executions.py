"""Looking for an execution that the ledger may have costs the same in a full month as in an empty one."""

from __future__ import annotations

import re
from contextlib import closing

from alpha.ledger.connection import Dsn, connect, transaction
from alpha.ledger.repeats import SAME_EXECUTION
from database.migrate import migrate

_MONTH = re.compile(r"on fills_(\d{4}_\d\d)")


def test_an_execution_is_looked_for_by_its_id_alone_and_in_months_near_its_time(empty: Dsn) -> None:
    migrate(empty)
    with closing(connect(empty, "tests")) as connection, transaction(connection) as cursor:
        for start in ("2025-01-01", "2025-02-01", "2025-06-01"):
            cursor.execute("SELECT trading.ensure_fills_partition(%s)", (start,))
        cursor.execute(
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*)"
            " FROM unnest(ARRAY['a'], ARRAY['l'], ARRAY['S'], ARRAY['id'], ARRAY[timestamptz '2025-01-20'])"
            " AS k (account, category, symbol, exec_id, exec_time)"
            f" CROSS JOIN LATERAL (SELECT FROM trading.fills AS f WHERE {SAME_EXECUTION} LIMIT 1) AS f"
        )
        plan = [line for (line,) in cursor.fetchall()]
    # A condition on the time that an index takes is one for which all entries of a month may be read.
    conditions = {line.split(":", 1)[1].strip() for line in plan if "Index Cond" in line}
    assert conditions == {"(exec_id = k.exec_id)"}
    scans = [(month[1], "never executed" in line) for line in plan if (month := _MONTH.search(line))]
    assert sorted(scans) == [("2025_01", False), ("2025_02", False), ("2025_06", True)]
