"""What holds of every account, in every mode: one-way and hedge positions, cross and isolated margin, with an insurance
fund that bears everything and with an empty one, so that positions are deleveraged."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alpha.domain.fill import ExecType
from alpha.domain.side import Side
from paper_exchange.engine import Engine, EngineAccount, Execution, PositionState, Refused
from paper_exchange.engine.requests import MarginMode
from tests.property.engine.script import SYMBOLS, UIDS, Life, Turn, live, scripts, tenths
from tests.property.engine.test_engine_laws import laws
from tests.unit.engine.scene import COIN, Scene

modes = st.fixed_dictionaries(
    {
        "position_mode": st.sampled_from(["one_way", "hedge"]),
        "margin_mode": st.sampled_from(["cross", "isolated"]),
        "insurance": st.sampled_from([None, Decimal(0)]),
        "balance": st.sampled_from(["30", "150", "500"]),
    }
)


@laws
@given(scripts(), modes)
def test_opening_balance_and_every_row_of_the_log_make_the_balance(script: list[Turn], mode: dict[str, Any]):
    life = live(script, **mode)
    for uid in UIDS:
        balance = life.engine.opening_balance(uid)
        rows, executions = life.engine.transactions(uid), life.engine.executions(uid)
        assert [row.trade_id for row in rows] == [execution.exec_id for execution in executions]
        assert len({row.id for row in rows}) == len(rows)
        for row in rows:
            assert row.change == row.cash_flow + row.funding - row.fee
            balance += row.change
            assert row.balance == balance
        assert life.engine.balance(uid) == balance


def check_debts(engine: Engine) -> None:
    """A balance may fall below 0 only while profits of other positions stand against it, so never in isolated margin
    and never without a position."""
    for uid in UIDS:
        wallet = engine.wallet(uid)
        assert wallet.equity >= 0
        if wallet.is_isolated or not any(position.side for position in engine.positions(uid)):
            assert wallet.balance >= 0


@laws
@given(scripts(), modes)
def test_nobody_owes_the_exchange_after_any_turn(script: list[Turn], mode: dict[str, Any]):
    engine = live(script, **mode, each_turn=check_debts).engine
    for uid in UIDS:
        wallet = engine.wallet(uid)
        held = [position for position in engine.positions(uid) if position.side]
        if mode["margin_mode"] == "isolated":
            for position in held:
                own_margin = position.own_margin
                assert own_margin is not None
                assert own_margin + position.unrealized_pnl > position.maintenance_margin
        elif held:
            assert wallet.equity > wallet.maintenance_margin


@laws
@given(
    sizes=st.lists(tenths(1, 60), min_size=4, max_size=4),
    gap=tenths(40, 160),
    margin_mode=st.sampled_from(["cross", "isolated"]),
    balance=st.sampled_from(["700", "2000"]),
)
def test_a_gap_that_ruins_who_holds_both_sides_leaves_nobody_owing(
    sizes: list[Decimal], gap: Decimal, margin_mode: MarginMode, balance: str
):
    # given two accounts that each hold a long and a short as far as their margin went
    scene = Scene(uids=(), insurance=Decimal(0))
    for uid in UIDS:
        account = EngineAccount(uid=uid, balance=Decimal(balance), position_mode="hedge", margin_mode=margin_mode)
        scene.engine.open_account(account)
    for number, (uid, position_idx) in enumerate((uid, idx) for uid in UIDS for idx in (1, 2)):
        side = Side.BUY if position_idx == 1 else Side.SELL
        with suppress(Refused):
            scene.place(side, str(sizes[number]), uid=uid, position_idx=position_idx)
    scene.bar(volume="100000")
    # when the market gaps
    scene.bar(str(gap))
    # then what was due is gone
    for uid in UIDS:
        ruined = {fill.position_idx for fill in scene.engine.executions(uid) if fill.exec_type is ExecType.BUST}
        assert all(scene.engine.signed_position(uid, COIN, idx) == 0 for idx in ruined)
    check_debts(scene.engine)


@laws
@given(scripts(), modes)
def test_a_position_is_the_signed_sum_of_its_executions_and_never_on_the_other_side(
    script: list[Turn], mode: dict[str, Any]
):
    engine = live(script, **mode).engine
    for uid in UIDS:
        sizes: dict[tuple[str, int], Decimal] = defaultdict(Decimal)
        for row, fill in zip(engine.transactions(uid), engine.executions(uid), strict=True):
            key = (fill.symbol, fill.position_idx)
            if fill.exec_type is not ExecType.FUNDING:
                sizes[key] += fill.side.sign * fill.quantity
            assert row.size == sizes[key]
            assert fill.position_idx != 1 or sizes[key] >= 0
            assert fill.position_idx != 2 or sizes[key] <= 0
        for position in engine.positions(uid):
            signed = position.side.sign * position.size if position.side else Decimal(0)
            assert sizes[position.symbol, position.position_idx] == signed == position.quantity


@laws
@given(scripts(), modes)
def test_what_positions_and_closed_pnl_tell_is_what_the_log_says(script: list[Turn], mode: dict[str, Any]):
    engine = live(script, **mode).engine
    for uid in UIDS:
        fills = engine.executions(uid)
        orders = {order.order_id: order for order in engine.orders(uid, open_only=False)}
        realized = sum((position.cumulative_realized_pnl for position in engine.positions(uid)), Decimal(0))
        assert realized == engine.balance(uid) - engine.opening_balance(uid)
        rows = engine.closed_pnl(uid)
        assert {row.order_id for row in rows} == {fill.order_id for fill in fills if fill.closed_size}
        for row in rows:
            closing = [fill for fill in fills if fill.order_id == row.order_id and fill.closed_size]
            assert row.closed_size == sum(fill.closed_size for fill in closing)
            assert row.closed_pnl == orders[row.order_id].closed_pnl
            gain = row.exit_value - row.entry_value if row.side is Side.SELL else row.entry_value - row.exit_value
            assert abs(gain - sum(fill.exec_pnl for fill in closing)) <= len(closing) * Decimal("0.00000001")
            assert row.fill_count == len(closing)


@laws
@given(scripts(), modes)
def test_an_execution_and_the_position_after_it_share_their_seq(script: list[Turn], mode: dict[str, Any]):
    life = live(script, **mode)
    last: dict[tuple[int, str, int], int] = {}
    for event in life.events:
        if isinstance(event, Execution):
            assert event.seq >= last.get((event.uid, event.symbol, event.position_idx), 0)
            last[event.uid, event.symbol, event.position_idx] = event.seq
        elif isinstance(event, PositionState):
            assert event.seq == last.get((event.uid, event.symbol, event.position_idx), -1)


@laws
@given(scripts(), modes)
def test_sums_of_margin_are_those_of_the_positions(script: list[Turn], mode: dict[str, Any]):
    engine = live(script, **mode).engine
    for uid in UIDS:
        wallet, positions = engine.wallet(uid), engine.positions(uid)
        assert wallet.unrealized_pnl == sum(position.unrealized_pnl for position in positions)
        assert wallet.maintenance_margin == sum(position.maintenance_margin for position in positions)
        assert wallet.position_margin == sum(position.initial_margin for position in positions if position.side)
        if not engine.orders(uid):
            assert wallet.order_margin == 0


@laws
@given(scripts(), modes)
def test_the_arrival_order_of_orders_between_two_bars_changes_nothing(script: list[Turn], mode: dict[str, Any]):
    one, two = live(script, **mode), live(script, **mode, reverse_orders=True)
    assert told(one) == told(two)


def told(life: Life) -> list[Any]:
    engine = life.engine
    return [
        (engine.executions(uid), engine.transactions(uid), engine.closed_pnl(uid), engine.positions(uid),
         engine.wallet(uid), [engine.position(uid, symbol, 1 if engine.is_hedge(uid, symbol) else 0)
                              for symbol in SYMBOLS])
        for uid in UIDS
    ]  # fmt: skip
