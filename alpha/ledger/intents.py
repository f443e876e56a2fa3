from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum, unique

from alpha.domain.ids import AccountName, BotId, OrderId, Symbol
from alpha.domain.order import OrderType
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.ledger.connection import Connection, transaction


@unique
class IntentOutcome(StrEnum):
    """What became of an order we meant to send. PENDING and UNKNOWN are settled by asking for the order link id."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """An order before it is sent. `bar` is the start of the bar decided on (market clock), `decision_price` the price
    the decision saw, `price` the limit (None for market)."""

    order_link_id: str
    bot: BotId
    account: AccountName
    symbol: Symbol
    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None
    reduce_only: bool
    reason: Reason
    bar: datetime
    decision_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredIntent:
    """An intent with its outcome; `code` and `text` are the exchange's when it refused. Times are the database's."""

    intent: OrderIntent
    outcome: IntentOutcome
    code: int | None
    text: str
    order_id: OrderId | None
    created_at: datetime
    updated_at: datetime


_COLUMNS = (
    "order_link_id, bot, account, symbol, side, order_type, quantity, price, reduce_only, reason, bar, decision_price"
)


def save_intent(connection: Connection, intent: OrderIntent) -> bool:
    """Stores the intent before the order goes out. False when it is there already: the same decision, made again. If it
    was settled as refused meanwhile, since the exchange did not know it, it is open again."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"INSERT INTO trading.order_intents ({_COLUMNS})"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (order_link_id) DO NOTHING",
            (
                intent.order_link_id,
                intent.bot,
                intent.account,
                intent.symbol,
                intent.side.value,
                intent.order_type.value,
                intent.quantity,
                intent.price,
                intent.reduce_only,
                intent.reason.value,
                intent.bar,
                intent.decision_price,
            ),
        )
        if cursor.rowcount == 1:
            return True
        cursor.execute(
            "UPDATE trading.order_intents"
            " SET outcome = 'pending', code = NULL, text = '', updated_at = clock_timestamp()"
            " WHERE order_link_id = %s AND outcome = 'refused'",
            (intent.order_link_id,),
        )
        return False


def set_intent_outcome(
    connection: Connection,
    order_link_id: str,
    outcome: IntentOutcome,
    *,
    code: int | None = None,
    text: str = "",
    order_id: OrderId | None = None,
) -> None:
    """Notes what the exchange said. An accepted or refused intent is settled and is not changed again."""
    with transaction(connection) as cursor:
        cursor.execute(
            """
            UPDATE trading.order_intents
            SET outcome = %s, code = %s, text = %s, order_id = %s, updated_at = clock_timestamp()
            WHERE order_link_id = %s AND outcome IN ('pending', 'unknown')
            """,
            (outcome.value, code, text, order_id, order_link_id),
        )


def load_intent(connection: Connection, order_link_id: str) -> StoredIntent | None:
    found = _select(connection, "order_link_id = %s", (order_link_id,))
    return found[0] if found else None


def unsettled_intents(connection: Connection, bot: BotId) -> list[StoredIntent]:
    """Intents whose order may or may not have reached the exchange, oldest first: to be asked for at start."""
    return _select(connection, "bot = %s AND outcome IN ('pending', 'unknown')", (bot,))


def _select(connection: Connection, condition: str, parameters: tuple[object, ...]) -> list[StoredIntent]:
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS}, outcome, code, text, order_id, created_at, updated_at FROM trading.order_intents"
            f" WHERE {condition} ORDER BY created_at, order_link_id",
            parameters,
        )
        return [
            StoredIntent(
                intent=OrderIntent(
                    order_link_id=row[0],
                    bot=row[1],
                    account=row[2],
                    symbol=row[3],
                    side=Side(row[4]),
                    order_type=OrderType(row[5]),
                    quantity=row[6],
                    price=row[7],
                    reduce_only=row[8],
                    reason=Reason(row[9]),
                    bar=row[10],
                    decision_price=row[11],
                ),
                outcome=IntentOutcome(row[12]),
                code=row[13],
                text=row[14],
                order_id=row[15],
                created_at=row[16],
                updated_at=row[17],
            )
            for row in cursor.fetchall()
        ]
