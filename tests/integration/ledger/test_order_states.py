"""Which report of an order stands: the table's rule and the domain's are the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import product

from alpha.domain.ids import BotId, OrderId
from alpha.domain.order import Order, OrderStatus
from alpha.ledger.connection import Connection, transaction
from alpha.ledger.orders import bots_of_orders, upsert_orders
from tests.integration.ledger.heard import MAIN
from tests.integration.ledger.test_tables import AN_ORDER
from tests.unit.domain.fills import START

REPORTS = [
    replace(
        AN_ORDER,
        account=MAIN,
        status=status,
        filled_quantity=Decimal(filled),
        updated_at=START + timedelta(seconds=after_s),
    )
    for status, filled, after_s in product(OrderStatus, (0, 1), (1, 2))
]
ONE = BotId("bot_001")


def test_every_pair_of_reports_ends_as_the_domain_says(writer: Connection) -> None:
    pairs = {OrderId(f"order-{n}"): pair for n, pair in enumerate(product(REPORTS, REPORTS))}
    upsert_orders(writer, [(named(before, order_id), None) for order_id, (before, _) in pairs.items()])
    changed = upsert_orders(writer, [(named(after, order_id), None) for order_id, (_, after) in pairs.items()])
    expected = {
        order_id: named(after if named(before, order_id).superseded_by(named(after, order_id)) else before, order_id)
        for order_id, (before, after) in pairs.items()
    }
    assert changed == sum(1 for before, after in pairs.values() if before.superseded_by(after))
    with transaction(writer) as cursor:
        cursor.execute("SELECT order_id, status, filled_quantity, updated_at FROM trading.orders")
        stored = {order_id: tuple(state) for order_id, *state in cursor.fetchall()}
    assert stored == {
        order_id: (order.status.value, order.filled_quantity, order.updated_at) for order_id, order in expected.items()
    }


def test_an_owner_is_learned_late_and_stays(writer: Connection) -> None:
    done = named(replace(REPORTS[0], status=OrderStatus.FILLED), OrderId("done"))
    upsert_orders(writer, [(done, None)])
    assert upsert_orders(writer, [(done, ONE)]) == 1
    assert upsert_orders(writer, [(done, BotId("bot_002")), (done, None)]) == 0
    assert bots_of_orders(writer, MAIN, [OrderId("done")]) == {"done": ONE}


def named(order: Order, order_id: OrderId) -> Order:
    return replace(order, order_id=order_id)
