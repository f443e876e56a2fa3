"""Orders that carry a bot's tag and were sent by no bot of ours: somebody else has a key of the account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from alpha.domain.ids import AccountName, BotId, OrderId, Symbol
from alpha.ledger.connection import Connection, transaction

_NEWEST = 50
_GRACE_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignOrder:
    account: AccountName
    bot: BotId
    symbol: Symbol
    order_id: OrderId
    order_link_id: str
    side: str
    quantity: Decimal
    created_at: datetime
    """Market clock."""


def foreign_orders(connection: Connection) -> list[ForeignOrder]:
    """Among each bot's newest orders of each of its symbols, entries whose id it never announced.

    A bot stores an intent before it sends; exits are sent also when that is not possible, so they prove nothing. Orders
    of before the bot's first intent are of another life of the account, and what is seconds old may be on its way.
    """
    with transaction(connection) as cursor:
        cursor.execute(
            """
            SELECT o.account, b.bot, o.symbol, o.order_id, o.order_link_id, o.side, o.quantity, o.created_at
            FROM trading.bots AS b
            LEFT JOIN LATERAL (
                SELECT i.bar FROM trading.order_intents AS i WHERE i.bot = b.bot ORDER BY i.created_at LIMIT 1
            ) AS first ON true
            CROSS JOIN LATERAL unnest(b.symbols) AS traded (symbol)
            CROSS JOIN LATERAL (
                SELECT * FROM trading.orders AS n
                WHERE n.bot = b.bot AND n.symbol = traded.symbol ORDER BY n.created_at DESC LIMIT %s
            ) AS o
            WHERE b.active AND NOT o.reduce_only AND starts_with(o.order_link_id, b.code || '-')
                AND o.recorded_at > clock_timestamp() - interval '1 day'
                AND o.recorded_at < clock_timestamp() - %s * interval '1 second'
                AND o.created_at >= coalesce(first.bar, '-infinity')
                AND NOT EXISTS (SELECT FROM trading.order_intents AS i WHERE i.order_link_id = o.order_link_id)
            ORDER BY o.created_at
            """,
            (_NEWEST, _GRACE_S),
        )
        return [
            ForeignOrder(
                account=row[0],
                bot=row[1],
                symbol=row[2],
                order_id=row[3],
                order_link_id=row[4],
                side=row[5],
                quantity=row[6],
                created_at=row[7],
            )
            for row in cursor.fetchall()
        ]
