"""Fills spread over days, and what of the sums is asked again and again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from alpha.domain.fill import ExecType, Fill
from alpha.domain.ids import ExecId, Symbol
from alpha.domain.side import Side
from alpha.ledger.connection import Connection, transaction
from tests.unit.domain.fills import BTCUSDT, a_fill

FIRST = date(2025, 10, 1)
LAST = date(2025, 10, 31)
_BEGIN = datetime(2025, 10, 1, tzinfo=UTC)


def at_hour(
    hour: float,
    side: Side,
    quantity: str | Decimal,
    *,
    at: str | Decimal,
    fee: str | Decimal = "0",
    symbol: Symbol = BTCUSDT,
    exec_type: ExecType = ExecType.TRADE,
    is_maker: bool = False,
) -> Fill:
    """A fill so many hours after the beginning of October 1st, UTC; its id is of hour and symbol."""
    fill = a_fill(side, quantity, at=at, n=round(hour * 3600), fee=fee, exec_type=exec_type)
    return replace(
        fill,
        exec_time=_BEGIN + timedelta(hours=hour),
        symbol=symbol,
        exec_id=ExecId(f"{symbol}-{hour}"),
        is_maker=is_maker,
    )


def rows(connection: Connection, statement: str) -> list[dict[str, object]]:
    with transaction(connection) as cursor:
        cursor.execute(statement)
        columns = [column.name for column in cursor.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def a_week_later(owner: Connection, year: int = 2025) -> None:
    """What was recorded of the year was a week ago."""
    with transaction(owner) as cursor:
        cursor.execute("ALTER TABLE trading.fills DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE trading.fills SET recorded_at = recorded_at - interval '7 days 1 second'"
            " WHERE exec_time >= make_timestamptz(%s, 1, 1, 0, 0, 0)"
            " AND exec_time < make_timestamptz(%s, 1, 1, 0, 0, 0)",
            (year, year + 1),
        )
        cursor.execute("ALTER TABLE trading.fills ENABLE TRIGGER USER")
