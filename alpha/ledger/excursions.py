"""How far the price went for and against each round trip, beside the trips themselves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from psycopg2.extras import execute_values

from alpha.domain.excursion import PriceRange
from alpha.domain.ids import AccountName, ExecId, Symbol
from alpha.domain.trade import BookKey
from alpha.ledger.connection import Connection, transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmeasured:
    """A round trip whose excursions are not known, with the prices it was entered and exited at. Times are the
    market's."""

    key: BookKey
    first_exec_id: ExecId
    opened_at: datetime
    closed_at: datetime
    prices: tuple[Decimal, ...]


def unmeasured_trades(
    connection: Connection, accounts: Collection[AccountName], *, since: datetime, limit: int = 200
) -> list[Unmeasured]:
    """Round trips of the accounts that closed at or after `since`, oldest first, that were not measured as they are
    now."""
    with transaction(connection) as cursor:
        cursor.execute(
            """
            SELECT t.account, t.bot, t.symbol, t.position_idx, t.first_exec_id, t.opened_at, t.closed_at,
                   coalesce(
                       (SELECT array_agg(DISTINCT f.price) FROM trading.trade_fills AS f
                        WHERE f.first_exec_id = t.first_exec_id AND f.symbol = t.symbol AND f.account = t.account
                            AND f.bot = t.bot AND f.position_idx = t.position_idx AND f.closed_at = t.closed_at
                            AND f.role <> 'funding'),
                       ARRAY[t.entry_price, t.exit_price])
            FROM trading.trades AS t
            WHERE t.bot IN (SELECT bot FROM trading.bots WHERE account = ANY(%s)) AND t.account = ANY(%s)
                AND t.closed_at >= %s
                AND NOT EXISTS (
                    SELECT FROM trading.trade_excursions AS e
                    WHERE e.first_exec_id = t.first_exec_id AND e.symbol = t.symbol AND e.account = t.account
                        AND e.bot = t.bot AND e.position_idx = t.position_idx
                        AND e.opened_at = t.opened_at AND e.closed_at = t.closed_at)
            ORDER BY t.closed_at LIMIT %s
            """,
            (sorted(accounts), sorted(accounts), since, limit),
        )
        return [
            Unmeasured(
                key=BookKey(account=account, bot=bot, symbol=symbol, position_idx=position_idx),
                first_exec_id=first_exec_id,
                opened_at=opened_at,
                closed_at=closed_at,
                prices=tuple(prices),
            )
            for account, bot, symbol, position_idx, first_exec_id, opened_at, closed_at, prices in cursor.fetchall()
        ]


def traded_symbols(connection: Connection, accounts: Collection[AccountName]) -> set[Symbol]:
    """What the bots of the accounts trade."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT DISTINCT unnest(symbols) FROM trading.bots WHERE account = ANY(%s)", (sorted(accounts),))
        return {symbol for (symbol,) in cursor.fetchall()}


def save_excursions(connection: Connection, measured: Sequence[tuple[Unmeasured, PriceRange]]) -> None:
    """What was measured; takes the place of what was measured of the trip before it changed."""
    if not measured:
        return
    with transaction(connection) as cursor:
        execute_values(
            cursor,
            """
            INSERT INTO trading.trade_excursions (
                first_exec_id, symbol, account, bot, position_idx, opened_at, closed_at, highest, lowest, bar_interval,
                bars
            ) VALUES %s
            ON CONFLICT (first_exec_id, symbol, account, bot, position_idx) DO UPDATE SET
                opened_at = excluded.opened_at, closed_at = excluded.closed_at, highest = excluded.highest,
                lowest = excluded.lowest, bar_interval = excluded.bar_interval, bars = excluded.bars,
                at = clock_timestamp()
            """,
            [
                (
                    trade.first_exec_id,
                    trade.key.symbol,
                    trade.key.account,
                    trade.key.bot,
                    trade.key.position_idx,
                    trade.opened_at,
                    trade.closed_at,
                    found.highest,
                    found.lowest,
                    found.interval,
                    found.bars,
                )
                for trade, found in measured
            ],
        )
