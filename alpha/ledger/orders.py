from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from alpha.domain.ids import AccountName, BotId, OrderId
from alpha.domain.order import Order, OrderStatus, OrderType
from alpha.domain.side import Side
from alpha.ledger.connection import Connection, transaction
from alpha.ledger.json_rows import json_rows
from alpha.ledger.prepared import PreparedStatement

_COLUMNS = (
    "account",
    "category",
    "symbol",
    "order_id",
    "order_link_id",
    "side",
    "order_type",
    "time_in_force",
    "status",
    "price",
    "quantity",
    "filled_quantity",
    "average_price",
    "reduce_only",
    "position_idx",
    "create_type",
    "stop_order_type",
    "trigger_price",
    "take_profit",
    "stop_loss",
    "reject_reason",
    "cancel_type",
    "created_at",
    "updated_at",
    "bot",
)
_TERMINAL = [status.value for status in OrderStatus if status.is_terminal]

# `Order.superseded_by`, for the row that is there: states that are not terminal follow each other as listed.
_ALIVE = "ARRAY['Untriggered', 'Triggered', 'New', 'PartiallyFilled']"
_SUPERSEDED = f"""(
    array_position({_ALIVE}, o.status) IS NOT NULL
    AND CASE
        WHEN array_position({_ALIVE}, excluded.status) IS NULL THEN true
        WHEN excluded.filled_quantity <> o.filled_quantity THEN excluded.filled_quantity > o.filled_quantity
        ELSE array_position({_ALIVE}, excluded.status) >= array_position({_ALIVE}, o.status)
            AND excluded.updated_at >= o.updated_at
    END
)"""
_STATE = [name for name in _COLUMNS if name not in ("account", "order_id", "bot")]
_columns = ", ".join(_COLUMNS)
# An owner that is learned later is stored also where the report itself changes nothing.
_UPSERT = PreparedStatement(
    "upsert_orders",
    f"""
    (json) AS
    WITH changed AS (
        INSERT INTO trading.orders AS o ({_columns})
        SELECT {_columns} FROM json_populate_recordset(NULL::trading.orders, $1)
        ON CONFLICT (account, order_id) DO UPDATE SET
            ({", ".join(_STATE)}) = (
                SELECT {", ".join(f"CASE WHEN newer THEN excluded.{name} ELSE o.{name} END" for name in _STATE)}
                FROM (SELECT {_SUPERSEDED}) AS compared (newer)
            ),
            bot = coalesce(excluded.bot, o.bot), recorded_at = clock_timestamp()
        WHERE {_SUPERSEDED} OR (o.bot IS NULL AND excluded.bot IS NOT NULL)
        RETURNING 1
    )
    SELECT count(*) FROM changed
    """,
)

_OrderKey = tuple[AccountName, OrderId]


def upsert_orders(connection: Connection, reports: Sequence[tuple[Order, BotId | None]]) -> int:
    """Stores the latest state of each order and returns how many changed. A report that is older than what is stored
    changes nothing; an owner, once known, stays."""
    latest: dict[_OrderKey, tuple[Order, BotId | None]] = {}
    for order, bot in reports:
        key = _key(order)
        before = latest.get(key)
        if before is None or before[0].superseded_by(order):
            latest[key] = (order, bot if bot is not None or before is None else before[1])
        elif before[1] is None and bot is not None:
            latest[key] = (before[0], bot)
    if not latest:
        return 0
    # In one order, in which two writers cannot wait for each other.
    rows = [_row(order, bot) for _, (order, bot) in sorted(latest.items())]
    with transaction(connection) as cursor:
        _UPSERT.execute(cursor, (json_rows(dict(zip(_COLUMNS, row, strict=True)) for row in rows),))
        ((changed,),) = cursor.fetchall()
    return int(changed)


def bot_of_order(connection: Connection, account: AccountName, order_id: OrderId) -> BotId | None:
    """Whose order it is; None for an order that is unknown or nobody's."""
    return bots_of_orders(connection, account, [order_id]).get(order_id)


def bots_of_orders(connection: Connection, account: AccountName, order_ids: Iterable[OrderId]) -> dict[OrderId, BotId]:
    """The owners of these orders, as far as they are known."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT order_id, bot FROM trading.orders WHERE account = %s AND order_id = ANY(%s) AND bot IS NOT NULL",
            (account, list(order_ids)),
        )
        return dict(cursor.fetchall())


def open_orders(connection: Connection, account: AccountName) -> list[tuple[Order, BotId | None]]:
    """Orders of the account that are not terminal as far as we heard, oldest first."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM trading.orders"
            " WHERE account = %s AND NOT status = ANY(%s) ORDER BY created_at, order_id",
            (account, _TERMINAL),
        )
        return [(_order_of_row(row), row[-1]) for row in cursor.fetchall()]


def filled_entries_with_stop(connection: Connection, bot: BotId, side: Side) -> int:
    """How many orders of the bot opened a position on this side with a stop at the exchange: carried by the order
    itself or set on the position from then on."""
    with transaction(connection) as cursor:
        cursor.execute(
            """
            SELECT count(*)
            FROM trading.orders AS entry
            WHERE entry.bot = %(bot)s AND entry.side = %(side)s AND entry.filled_quantity > 0
                AND NOT entry.reduce_only AND entry.stop_order_type = ''
                AND (entry.stop_loss > 0 OR EXISTS (
                    SELECT FROM trading.orders AS stop
                    WHERE stop.bot = entry.bot AND stop.symbol = entry.symbol AND stop.side <> entry.side
                        AND stop.stop_order_type IN ('StopLoss', 'PartialStopLoss')
                        AND stop.created_at >= entry.created_at
                ))
            """,
            {"bot": bot, "side": side.value},
        )
        (count,) = cursor.fetchone() or (0,)
    return int(count)


def _key(order: Order) -> _OrderKey:
    return (order.account, order.order_id)


def _row(order: Order, bot: BotId | None) -> tuple[object, ...]:
    return (
        order.account,
        order.category,
        order.symbol,
        order.order_id,
        order.order_link_id,
        order.side.value,
        order.order_type.value,
        order.time_in_force,
        order.status.value,
        order.price,
        order.quantity,
        order.filled_quantity,
        order.average_price,
        order.reduce_only,
        order.position_idx,
        order.create_type,
        order.stop_order_type,
        order.trigger_price,
        order.take_profit,
        order.stop_loss,
        order.reject_reason,
        order.cancel_type,
        order.created_at,
        order.updated_at,
        bot,
    )


def _order_of_row(row: tuple[Any, ...]) -> Order:
    return Order(
        account=row[0],
        category=row[1],
        symbol=row[2],
        order_id=row[3],
        order_link_id=row[4],
        side=Side(row[5]),
        order_type=OrderType(row[6]),
        time_in_force=row[7],
        status=OrderStatus(row[8]),
        price=row[9],
        quantity=row[10],
        filled_quantity=row[11],
        average_price=row[12],
        reduce_only=row[13],
        position_idx=row[14],
        create_type=row[15],
        stop_order_type=row[16],
        trigger_price=row[17],
        take_profit=row[18],
        stop_loss=row[19],
        reject_reason=row[20],
        cancel_type=row[21],
        created_at=row[22],
        updated_at=row[23],
    )


def order_states(
    connection: Connection, account: AccountName, order_ids: Iterable[OrderId]
) -> dict[OrderId, tuple[OrderStatus, Decimal]]:
    """Status and filled quantity of these orders, as last heard; orders that are not stored are left out."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT order_id, status, filled_quantity FROM trading.orders WHERE account = %s AND order_id = ANY(%s)",
            (account, list(order_ids)),
        )
        return {OrderId(order_id): (OrderStatus(status), filled) for order_id, status, filled in cursor.fetchall()}
