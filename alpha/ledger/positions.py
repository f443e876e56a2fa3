from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from psycopg2.extras import execute_values

from alpha.domain.ids import AccountName
from alpha.domain.position import Position
from alpha.exchange.account_state import ExchangePosition
from alpha.ledger.connection import Connection, transaction

_COLUMNS = (
    "account",
    "category",
    "symbol",
    "position_idx",
    "quantity",
    "entry_price",
    "mark_price",
    "unrealized_pnl",
    "liq_price",
    "take_profit",
    "stop_loss",
    "trailing_stop",
    "leverage",
    "seq",
    "updated_at",
)
_KEY = ("account", "category", "symbol", "position_idx")


def upsert_positions(connection: Connection, reports: Sequence[ExchangePosition]) -> int:
    """Stores what the exchange says of each position and returns how many changed. An older report, by seq and then by
    the exchange's time, changes nothing."""
    latest: dict[tuple[object, ...], ExchangePosition] = {}
    for report in reports:
        key = (report.account, report.category, report.symbol, report.position_idx)
        if key not in latest or age(latest[key]) <= age(report):
            latest[key] = report
    if not latest:
        return 0
    with transaction(connection) as cursor:
        execute_values(
            cursor,
            f"INSERT INTO trading.positions AS p ({', '.join(_COLUMNS)}) VALUES %s"
            f" ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET "
            + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in _KEY)
            + ", recorded_at = clock_timestamp()"
            " WHERE (coalesce(p.seq, -1), p.updated_at) <= (coalesce(excluded.seq, p.seq, -1), excluded.updated_at)",
            [
                (
                    each.account,
                    each.category,
                    each.symbol,
                    each.position_idx,
                    each.position.quantity,
                    each.position.entry_price,
                    each.mark_price,
                    each.unrealized_pnl,
                    each.liq_price,
                    each.take_profit,
                    each.stop_loss,
                    each.trailing_stop,
                    each.leverage,
                    each.seq,
                    each.updated_at,
                )
                for each in latest.values()
            ],
            page_size=max(1000, len(latest)),
        )
        return cursor.rowcount


def positions_of(connection: Connection, account: AccountName) -> list[ExchangePosition]:
    """The exchange's last word on each position of the account, flat ones included."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM trading.positions WHERE account = %s ORDER BY symbol, position_idx",
            (account,),
        )
        return [
            ExchangePosition(
                account=row[0],
                category=row[1],
                symbol=row[2],
                position_idx=row[3],
                position=Position(row[4], row[5]),
                mark_price=row[6],
                unrealized_pnl=row[7],
                liq_price=row[8],
                take_profit=row[9],
                stop_loss=row[10],
                trailing_stop=row[11],
                leverage=row[12],
                seq=row[13],
                updated_at=row[14],
            )
            for row in cursor.fetchall()
        ]


def age(report: ExchangePosition) -> tuple[int, datetime]:
    """Orders reports of one position: the larger is the later one."""
    return (-1 if report.seq is None else report.seq, report.updated_at)
