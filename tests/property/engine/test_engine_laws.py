from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alpha.domain.fill import ExecType, Fill
from alpha.domain.ids import AccountName, BotId
from alpha.domain.order import OrderStatus, OrderType
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.domain.trade import BookKey
from alpha.domain.trade_book import TradeBook
from paper_exchange.engine import Execution, OrderState
from tests.property.engine.script import SYMBOLS, UIDS, Life, Turn, live, scripts
from tests.unit.engine.scene import FIVE_MINUTES, START

# Each example is the life of an exchange over many bars, so fewer of them.
laws = settings(
    max_examples=settings().max_examples // 3,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def all_executions(life: Life) -> list[Execution]:
    return [event for event in life.events if isinstance(event, Execution)]


@laws
@given(scripts())
def test_opening_balance_and_every_row_of_the_log_make_the_balance(script: list[Turn]):
    engine = live(script).engine
    for uid in UIDS:
        balance = engine.opening_balance(uid)
        for row in engine.transactions(uid):
            assert row.change == row.cash_flow + row.funding - row.fee
            balance += row.change
            assert row.balance == balance
        assert engine.wallet(uid).balance == balance
        assert len(engine.transactions(uid)) == len(engine.executions(uid))


@laws
@given(scripts())
def test_the_position_is_the_signed_sum_of_executions(script: list[Turn]):
    engine = live(script).engine
    for uid in UIDS:
        for symbol in SYMBOLS:
            moves = [
                fill.side.sign * fill.quantity
                for fill in engine.executions(uid)
                if fill.symbol == symbol and fill.exec_type is not ExecType.FUNDING
            ]
            position = engine.position(uid, symbol)
            assert sum(moves) == (position.side.sign * position.size if position.side else 0)


@laws
@given(scripts())
def test_the_ledgers_fold_of_the_executions_gives_the_same_position_and_pnl(script: list[Turn]):
    engine = live(script).engine
    account = AccountName("a")
    for uid in UIDS:
        for symbol in SYMBOLS:
            book = TradeBook(key=BookKey(bot=BotId("b"), account=account, symbol=symbol))
            fills = [fill_of(account, execution) for execution in engine.executions(uid) if execution.symbol == symbol]
            # the engine made them in the order in which the ledger folds them
            assert fills == sorted(fills, key=lambda fill: fill.execution_order)
            for fill in fills:
                book, _ = book.apply(fill, Reason.UNKNOWN)
            position = engine.position(uid, symbol)
            assert (book.position.size, book.position.entry_price) == (position.size, position.entry_price)
            # the engine rounds each P&L to 1e-8, the fold does not
            assert abs(book.net_pnl - position.cumulative_realized_pnl) <= len(fills) * Decimal("0.00000001")


@laws
@given(scripts())
def test_no_order_overfills_or_fills_beyond_its_limit(script: list[Turn]):
    life = live(script)
    orders = {order.order_id: order for uid in UIDS for order in life.engine.orders(uid, open_only=False)}
    filled: dict[str, Decimal] = defaultdict(Decimal)
    for fill in all_executions(life):
        if fill.exec_type is ExecType.FUNDING:
            continue
        order = orders[fill.order_id]
        filled[order.order_id] += fill.quantity
        assert fill.quantity > 0
        assert 0 <= fill.closed_size <= fill.quantity
        if order.reduce_only:
            assert fill.closed_size == fill.quantity
        if fill.order_type == OrderType.LIMIT:
            limit = fill.order_price
            assert fill.price <= limit if fill.side is Side.BUY else fill.price >= limit
        assert fill.leaves_quantity == fill.order_quantity - filled[order.order_id]
    for order_id, order in orders.items():
        assert filled[order_id] == order.filled_quantity <= order.quantity
        assert (order.status is OrderStatus.FILLED) == (order.filled_quantity == order.quantity)


@laws
@given(scripts())
def test_executions_lie_inside_their_bar_and_run_forward(script: list[Turn]):
    life = live(script)
    last: dict[str, tuple[object, int]] = {}
    seen: set[str] = set()
    for number, told in enumerate(life.told_by_turn):
        start = START + number * FIVE_MINUTES
        for fill in (event for event in told if isinstance(event, Execution)):
            assert start <= fill.exec_time < start + FIVE_MINUTES
            assert fill.exec_time.microsecond % 1000 == 0
            assert last.get(fill.symbol, (fill.exec_time, 0)) <= (fill.exec_time, fill.seq)
            last[fill.symbol] = (fill.exec_time, fill.seq)
            assert fill.exec_id not in seen
            seen.add(fill.exec_id)


@laws
@given(scripts())
def test_an_order_moves_as_its_state_machine_says_and_never_after_its_end(script: list[Turn]):
    latest: dict[str, OrderState] = {}
    for event in live(script).events:
        if isinstance(event, OrderState):
            before = latest.get(event.order_id)
            if before is not None:
                assert before.status.can_become(event.status)
                assert event.filled_quantity >= before.filled_quantity
                assert event.updated_at >= before.updated_at
            latest[event.order_id] = event


@laws
@given(scripts())
def test_the_last_word_about_an_order_is_what_a_query_gives(script: list[Turn]):
    life = live(script)
    latest = {event.order_id: event for event in life.events if isinstance(event, OrderState)}
    asked = {order.order_id: order for uid in UIDS for order in life.engine.orders(uid, open_only=False)}
    assert latest == asked
    open_ids = {order.order_id for uid in UIDS for order in life.engine.orders(uid)}
    assert open_ids == {order_id for order_id, order in asked.items() if not order.status.is_terminal}


@laws
@given(scripts())
def test_the_arrival_order_of_orders_between_two_bars_changes_nothing(script: list[Turn]):
    one, two = live(script), live(script, reverse_orders=True)
    for uid in UIDS:
        assert one.engine.executions(uid) == two.engine.executions(uid)
        assert one.engine.transactions(uid) == two.engine.transactions(uid)
        assert one.engine.positions(uid) == two.engine.positions(uid)
        assert one.engine.wallet(uid) == two.engine.wallet(uid)
        orders = [{order.order_id: order for order in life.engine.orders(uid, open_only=False)} for life in (one, two)]
        assert orders[0] == orders[1]


@laws
@given(scripts(), st.integers(0, 3))
def test_the_same_seed_tells_the_same_story_and_another_seed_other_ids(script: list[Turn], seed: int):
    one, two, other = live(script, seed=seed), live(script, seed=seed), live(script, seed=seed + 1)
    assert one.events == two.events
    ids = {fill.exec_id for fill in all_executions(one)}
    assert ids.isdisjoint(fill.exec_id for fill in all_executions(other))


@laws
@given(scripts(), st.sampled_from(["150", "500"]))
def test_nobody_owes_the_exchange_after_a_bar(script: list[Turn], balance: str):
    engine = live(script, balance=balance).engine
    for uid in UIDS:
        wallet = engine.wallet(uid)
        assert wallet.equity >= 0
        assert wallet.equity > wallet.maintenance_margin or wallet.maintenance_margin == 0


def fill_of(account: AccountName, execution: Execution) -> Fill:
    return Fill(
        account=account,
        category="linear",
        symbol=execution.symbol,
        exec_id=execution.exec_id,
        exec_time=execution.exec_time,
        seq=execution.seq,
        exec_type=execution.exec_type,
        side=execution.side,
        price=execution.price,
        quantity=execution.quantity,
        notional=execution.value,
        fee=execution.fee,
        fee_rate=execution.fee_rate,
        fee_currency=execution.fee_currency,
        is_maker=execution.is_maker,
        closed_quantity=execution.closed_size,
        leaves_quantity=execution.leaves_quantity,
        order_id=execution.order_id,
        order_link_id=execution.order_link_id,
        order_type=execution.order_type,
        create_type=execution.create_type,
        stop_order_type=execution.stop_order_type,
        mark_price=execution.mark_price,
    )
