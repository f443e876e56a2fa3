"""The floor: one row of the shape of `trading.fills`, one INSERT, one commit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from alpha.domain.clock import from_ms
from alpha.ledger.connection import Connection, transaction
from alpha.ledger.fill_rows import FILL_COLUMNS

TABLE = "bare.fills"
_COLUMNS = (*FILL_COLUMNS, "received_at")
_INSERT = f"INSERT INTO {TABLE} ({', '.join(_COLUMNS)}) VALUES ({', '.join(['%s'] * len(_COLUMNS))})"


def make_table(connection: Connection, writer: str) -> None:
    """As the owner of the database; `writer` may insert."""
    with transaction(connection) as cursor:
        cursor.execute("CREATE SCHEMA bare")
        cursor.execute(f"CREATE TABLE {TABLE} (LIKE trading.fills INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        for column in ("reason", "attribution", "position_idx", "source", "recorded_at"):
            cursor.execute(f"ALTER TABLE {TABLE} ALTER COLUMN {column} DROP NOT NULL")
        cursor.execute(f"ALTER TABLE {TABLE} DROP CONSTRAINT fills_owner")
        cursor.execute(f"ALTER TABLE {TABLE} ADD PRIMARY KEY (account, category, symbol, exec_id, exec_time)")
        cursor.execute(f'GRANT USAGE ON SCHEMA bare TO "{writer}"')
        cursor.execute(f'GRANT INSERT, SELECT ON {TABLE} TO "{writer}"')


class BareInsert:
    """Inserts executions as Bybit's stream tells them, each in a transaction of its own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def commit(self, account: str, row: Mapping[str, Any]) -> float:
        """Answers how long it took, in seconds."""
        began = time.perf_counter()
        with transaction(self._connection) as cursor:
            cursor.execute(_INSERT, _values(account, row))
        return time.perf_counter() - began


def _values(account: str, row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        account,
        row["category"],
        row["symbol"],
        row["execId"],
        from_ms(int(row["execTime"])),
        row["seq"],
        row["execType"],
        row["side"],
        row["execPrice"],
        row["execQty"],
        row["execValue"],
        row["execFee"],
        row["feeRate"],
        row["feeCurrency"],
        row["isMaker"],
        row["closedSize"],
        row["leavesQty"],
        row["orderId"],
        row["orderLinkId"],
        row["orderType"],
        row["createType"],
        row["stopOrderType"],
        row["markPrice"],
        datetime.now(UTC),
    )
