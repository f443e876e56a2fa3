from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alpha.domain.order import OrderStatus
from alpha.domain.side import Side
from paper_exchange.engine import Engine, Execution, OrderState
from paper_exchange.engine.requests import PositionMode
from tests.property.engine.script import SYMBOLS, UIDS, Turn, live, scripts, tenths
from tests.unit.engine.scene import Scene

laws = settings(
    max_examples=settings().max_examples // 3,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
modes: st.SearchStrategy[PositionMode] = st.sampled_from(["one_way", "hedge"])

ACTIVE = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


def check_stops(engine: Engine) -> None:
    """What protects a position is there only with it: of each kind one for all of it, or some for no more than it."""
    for uid in UIDS:
        for symbol in SYMBOLS:
            stops = [order for order in engine.orders(uid, symbol) if order.stop_order_type not in ("", "Stop")]
            sizes = {idx: abs(engine.signed_position(uid, symbol, idx)) for idx in (0, 1, 2)}
            for order in stops:
                size = sizes[order.position_idx]
                assert size > 0
                assert order.reduce_only
                if order.tpsl_mode == "Partial":
                    assert 0 < order.quantity <= size or order.status in ACTIVE
                else:
                    assert (order.quantity, order.status) == (size, OrderStatus.UNTRIGGERED)
            full = Counter((order.position_idx, order.stop_order_type) for order in stops if order.tpsl_mode == "Full")
            assert all(count == 1 for count in full.values())


@laws
@given(scripts(), modes)
def test_no_stop_outlives_its_position(script: list[Turn], mode: PositionMode):
    live(script, position_mode=mode, balance="5000", each_turn=check_stops)


def check_reducing(engine: Engine) -> None:
    """Once an order that only reduces has met the market, it is over when there is nothing more to reduce. One that
    waits for its trigger may outlive the position, one that has arrived or was amended since the last bar is told at
    the next."""
    for uid in UIDS:
        for order in engine.orders(uid):
            if order.reduce_only and order.status in ACTIVE and order.updated_at < engine.now:
                held = engine.signed_position(uid, order.symbol, order.position_idx)
                assert held * order.side.sign < 0


@laws
@given(scripts(), modes)
def test_no_active_order_that_only_reduces_is_left_on_a_flat_position(script: list[Turn], mode: PositionMode):
    live(script, position_mode=mode, balance="5000", each_turn=check_reducing)


@laws
@given(
    held=tenths(1, 30),
    asked=tenths(1, 30),
    sold=tenths(1, 30),
    side=st.sampled_from(Side),
    volume=st.sampled_from([500, 1000]),
)
def test_an_order_that_only_reduces_does_not_outlive_a_position_that_shrank_before_it(
    held: Decimal, asked: Decimal, sold: Decimal, side: Side, volume: int
):
    scene = Scene(balance="5000")
    scene.market(side, str(held))
    scene.bar(volume="100000")
    close = scene.limit(side.opposite, str(asked), "101" if side is Side.BUY else "99", reduce_only=True)
    scene.market(side.opposite, str(sold))
    scene.bar(volume="100000")
    for _ in range(4):
        scene.bar("100", high="102", low="98", volume=str(volume))
        assert scene.order(close).status not in ACTIVE or scene.position().quantity * side.sign > 0


def check_book(engine: Engine) -> None:
    for symbol in SYMBOLS:
        bids, asks, _, _ = engine.order_book(symbol)
        last = engine.last_price(symbol)
        assert last is not None
        assert bids[0].price < asks[0].price
        assert bids[0].price <= last <= asks[0].price
        assert list(bids) == sorted(bids, reverse=True)
        assert list(asks) == sorted(asks)
        assert all(level.quantity > 0 for level in (*bids, *asks))


@laws
@given(scripts())
def test_the_book_is_never_crossed(script: list[Turn]):
    live(script, balance="5000", each_turn=check_book)


@laws
@given(scripts(), modes)
def test_what_an_order_says_it_filled_is_what_was_executed(script: list[Turn], mode: PositionMode):
    life = live(script, position_mode=mode)
    filled: dict[str, Decimal] = defaultdict(Decimal)
    value: dict[str, Decimal] = defaultdict(Decimal)
    for event in life.events:
        if isinstance(event, Execution) and event.order_type != "UNKNOWN":
            filled[event.order_id] += event.quantity
            value[event.order_id] += event.value
        elif isinstance(event, OrderState):
            assert (event.filled_quantity, event.filled_value) == (filled[event.order_id], value[event.order_id])
            assert event.leaves_quantity == (0 if event.status.is_terminal else event.quantity - event.filled_quantity)


@laws
@given(scripts(), modes)
def test_nothing_fills_before_it_was_triggered(script: list[Turn], mode: PositionMode):
    status: dict[str, OrderStatus] = {}
    for event in live(script, position_mode=mode, balance="5000").events:
        if isinstance(event, OrderState):
            if event.trigger_price is not None and event.status in ACTIVE:
                assert status[event.order_id] in (OrderStatus.TRIGGERED, *ACTIVE)
            status[event.order_id] = event.status
        elif isinstance(event, Execution) and event.stop_order_type:
            assert status[event.order_id] in ACTIVE


@laws
@given(scripts(), modes)
def test_a_terminal_order_never_changes_again(script: list[Turn], mode: PositionMode):
    ended: dict[str, OrderState] = {}
    life = live(script, position_mode=mode)
    for event in life.events:
        if isinstance(event, OrderState):
            assert event.order_id not in ended
            if event.status.is_terminal:
                ended[event.order_id] = event
    for uid in UIDS:
        for order in life.engine.orders(uid, open_only=False):
            assert ended.get(order.order_id, order) == order
            assert order.status.is_terminal == (order.order_id in ended)
