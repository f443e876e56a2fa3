"""Fills, round trips and funding as rows for a file, however many there are."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import Any

from alpha.ledger.connection import Connection, transaction

_BATCH = 5_000
_numbers = itertools.count(1)


@unique
class Exported(StrEnum):
    FILLS = "fills"
    TRADES = "trades"
    FUNDING = "funding"


@dataclass(frozen=True, slots=True)
class Column:
    """`is_money`: an exact number of any scale; `is_time`: an aware time; `is_whole`: a whole number."""

    name: str
    is_money: bool = False
    is_time: bool = False
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class _Source:
    """Where rows come from; `time` is the column that an interval is of and that they are ordered by."""

    text: str
    time: str
    order: str


_SOURCES = {
    Exported.FILLS: _Source(
        text="""
            SELECT exec_time, account, bot, category, symbol, position_idx, side, price, quantity, notional, fee,
                   fee_rate, fee_currency, is_maker, closed_quantity, leaves_quantity, exec_type, reason, attribution,
                   exec_id, order_id, order_link_id, order_type, create_type, stop_order_type, mark_price, seq, bot_seq,
                   source, recorded_at
            FROM trading.owned_fills AS rows
            """,
        time="exec_time",
        order="exec_time, seq, exec_id",
    ),
    Exported.TRADES: _Source(
        text="""
            SELECT opened_at, closed_at, extract(epoch FROM duration)::bigint AS duration_s, account, bot, symbol,
                   position_idx, direction, quantity, entry_price, exit_price, notional, gross_pnl, fees, funding,
                   net_pnl, return_on_notional, entry_reason, exit_reason, entry_decision_price, exit_decision_price,
                   entry_slippage_bps, exit_slippage_bps, mae_bps, mfe_bps, mae, mfe, orders, fill_count, first_exec_id,
                   last_exec_id, pnl_version
            FROM trading.round_trips AS rows
            """,
        time="closed_at",
        order="closed_at, first_exec_id",
    ),
    Exported.FUNDING: _Source(
        text="""
            SELECT exec_time, account, bot, symbol, position_idx, side AS position_side, quantity AS position_size,
                   price AS mark_price, notional AS position_value, fee_rate AS rate, -fee AS received,
                   fee_currency AS currency, exec_id
            FROM trading.owned_fills AS rows
            WHERE exec_type = 'Funding'
            """,
        time="exec_time",
        order="exec_time, exec_id",
    ),
}
_WHOLE, _MONEY, _TIME = frozenset({20, 21, 23}), 1700, 1184
"""Type numbers of PostgreSQL: https://github.com/postgres/postgres/blob/REL_16_STABLE/src/include/catalog/pg_type.dat"""


@contextmanager
def exported_rows(
    connection: Connection,
    what: Exported,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    bot: str | None = None,
    account: str | None = None,
) -> Iterator[tuple[Sequence[Column], Iterator[list[tuple[Any, ...]]]]]:
    """The columns, and the rows with since <= time < until (market clock) in batches, oldest first. Trades are told by
    when they closed. Owners are those that count. A direct connection, as the rows are read through a cursor."""
    source = _SOURCES[what]
    conditions = [
        (f"{source.time} >= %s", since),
        (f"{source.time} < %s", until),
        ("bot = %s", bot),
        ("account = %s", account),
    ]
    given = [(text, value) for text, value in conditions if value is not None]
    where = " AND ".join(["true", *(text for text, _ in given)])
    with transaction(connection) as cursor:
        # Names stay unique within the session; psycopg2 closes each at the end of its transaction.
        name = f"exported_{next(_numbers)}"
        cursor.execute(
            f"DECLARE {name} NO SCROLL CURSOR FOR SELECT * FROM ({source.text}) AS rows WHERE {where}"
            f" ORDER BY {source.order}",
            [value for _, value in given],
        )
        cursor.execute(f"FETCH FORWARD {_BATCH} FROM {name}")
        columns = [
            Column(
                described.name,
                is_money=described.type_code == _MONEY,
                is_time=described.type_code == _TIME,
                is_whole=described.type_code in _WHOLE,
            )
            for described in cursor.description or ()
        ]

        def batches() -> Iterator[list[tuple[Any, ...]]]:
            while rows := cursor.fetchall():
                yield rows
                cursor.execute(f"FETCH FORWARD {_BATCH} FROM {name}")

        yield columns, batches()
