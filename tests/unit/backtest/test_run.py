from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alpha.bot import Strategy, StrategyParams, StrategyState
from alpha.bot.limits import Limits
from alpha.domain.bar import Bar
from alpha.domain.clock import to_ms
from alpha.domain.fill import ExecType
from alpha.domain.ids import Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from backtest.errors import BacktestRefused
from backtest.outcome import Outcome
from backtest.run import backtest_on
from paper_exchange.engine.risk_tiers import RiskTiers
from tests.unit.backtest.markets import BTC, ETH, FIVE_MINUTES, START, Everything, a_plan, a_series, recordings


class BuyOnce(Strategy[StrategyParams, StrategyState]):
    """One market order on its first bar, and nothing more."""

    quantity: ClassVar = Decimal("0.1")

    def on_bar(self, bar: Bar) -> None:
        held = self.broker.position(bar.symbol)
        if held is not None and held.is_flat:
            self.broker.market(bar.symbol, Side.BUY, self.quantity)


def decisions(outcome: Outcome) -> list[tuple[str, str]]:
    return [(each.order_link_id, str(each.intent)) for each in outcome.asked]


@settings(max_examples=12)
@given(
    seed=st.integers(0, 10_000),
    wild=st.sampled_from([0.0005, 0.002, 0.01]),
    basis=st.sampled_from([0.0, 0.001]),
    gap=st.sampled_from([(), ((60, 75),)]),
)
def test_leaving_out_the_bars_that_change_nothing_changes_nothing(
    seed: int, wild: float, basis: float, gap: tuple[tuple[int, int], ...]
):
    funding = {BTC: {to_ms(START + timedelta(hours=8)): Decimal("0.0003")}}
    data = recordings(
        a_series(160, seed=seed, wild=wild, gaps=gap),
        a_series(150, seed=seed + 1, wild=wild, symbol=ETH),
        funding=funding,
        basis=basis,
    )
    plan = a_plan(Everything, BTC, ETH)
    quick, whole = backtest_on(plan, data), backtest_on(plan, data, every_bar=True)
    assert decisions(quick) == decisions(whole)
    assert quick.fills == whole.fills
    assert quick.trades == whole.trades
    assert (quick.balance, quick.equity) == (whole.balance, whole.equity)
    np.testing.assert_allclose(quick.curve.equity, whole.curve.equity, rtol=1e-12)


def test_hundreds_of_symbols_are_decided_on_in_every_round():
    symbols = [Symbol(f"S{number:03}USDT") for number in range(300)]
    data = recordings(*(a_series(24, symbol=symbol, seed=number) for number, symbol in enumerate(symbols)))
    limits = Limits(max_entries_per_hour=1000, max_bot_notional_usdt=Decimal(100_000))
    outcome = backtest_on(a_plan(BuyOnce, *symbols, limits=limits, balance=Decimal(100_000)), data)
    assert {fill.symbol for fill in outcome.fills} == set(symbols)
    # All of them at the open of one bar, in the order of the bot's symbols.
    assert {fill.at for fill in outcome.fills} == {START + FIVE_MINUTES}
    assert [each.intent.symbol for each in outcome.asked] == symbols


def test_the_money_adds_up():
    data = recordings(a_series(600, seed=3), a_series(600, seed=4, symbol=ETH), basis=0.0005)
    outcome = backtest_on(a_plan(Everything, BTC, ETH), data)
    assert len(outcome.trades) > 40
    assert {trade.exit_reason for trade in outcome.trades} >= {
        Reason.TIME_EXIT,
        Reason.STOP_LOSS,
        Reason.TAKE_PROFIT,
        Reason.TRAILING_STOP,
    }
    closed = sum((trade.net_pnl for trade in outcome.trades), Decimal(0))
    entered = {each.symbol: each for each in outcome.open}
    open_fees = sum(
        (each.fee for each in outcome.fills if each.symbol in entered and each.at > last_exit(outcome, each.symbol)),
        Decimal(0),
    )
    # The engine rounds each P&L to eight decimals and the books do not.
    assert abs(outcome.balance - (10_000 + closed - open_fees)) < Decimal("0.00001")
    assert float(outcome.equity) == pytest.approx(outcome.curve.equity[-1], abs=1e-6)


def last_exit(outcome: Outcome, symbol: str):  # type: ignore[no-untyped-def]
    return max((trade.closed_at for trade in outcome.trades if trade.key.symbol == symbol), default=START)


def test_an_order_of_a_bar_is_filled_at_the_open_of_the_next():
    series = a_series(6)
    outcome = backtest_on(a_plan(BuyOnce), recordings(series))
    (fill,) = outcome.fills
    # Decided at the close of the first bar; half a spread of 0.005 % above the second open, on the tick above.
    assert fill.at == START + FIVE_MINUTES
    ask = Decimal(str(round(float(series.open[1]), 1))) * Decimal("1.00005")
    assert Decimal(0) <= fill.price - ask < Decimal("0.1")
    assert fill.fee == fill.price * Decimal("0.1") * Decimal("0.0005")


class BuyMuch(BuyOnce):
    """The same for two with all the leverage there is."""

    quantity = Decimal(2)

    def on_start(self) -> None:
        assert self.broker.set_leverage(BTC, Decimal(100)).accepted


@pytest.mark.parametrize(("limit", "is_taken"), [("1500", False), ("2500", True), (None, True)])
def test_a_position_is_as_large_as_its_leverage_allows(limit: str | None, is_taken: bool):
    # two at about 1,000 are worth 2,000
    tiers = None if limit is None else RiskTiers.graded(Decimal(100), Decimal(limit))
    plan = a_plan(BuyMuch)
    plan = replace(plan, markets={BTC: replace(plan.markets[BTC], risk_tiers=tiers)})
    outcome = backtest_on(plan, recordings(a_series(3)))
    answers = {None if each.answer is None else each.answer.code for each in outcome.asked}
    assert (outcome.fills != [], answers) == (is_taken, {""} if is_taken else {"110090"})


def test_funding_is_paid_at_the_mark_price_of_the_bar_before():
    rate, at = Decimal("0.001"), START + 3 * FIVE_MINUTES
    series = a_series(6)
    outcome = backtest_on(a_plan(BuyOnce), recordings(series, funding={BTC: {to_ms(at): rate}}))
    _, funding = outcome.fills
    mark = Decimal(str(round(float(series.close[2]), 1)))
    assert (funding.fill.exec_type, funding.reason, funding.at) == (ExecType.FUNDING, Reason.FUNDING, at)
    assert funding.fee == mark * Decimal("0.1") * rate


def test_the_future_cannot_be_told_from_a_past_decision():
    data = recordings(a_series(400, seed=9))
    whole = backtest_on(a_plan(), data)
    for bars in (50, 123, 240, 391):
        cut = backtest_on(a_plan(), recordings(cut_to(bars)))
        assert decisions(cut)
        assert decisions(whole)[: len(decisions(cut))] == decisions(cut)


class Peeking(Everything):
    """Looks one row ahead, as a strategy that is given a whole table can."""

    def on_bar(self, bar: Bar) -> None:
        tape, row = bar._tape, bar._row  # type: ignore[attr-defined]
        if row + 1 < len(tape.close) and tape.close[row + 1] > tape.close[row]:
            super().on_bar(bar)


def test_a_strategy_that_looks_ahead_is_found_out_by_taking_the_future_away():
    whole = backtest_on(a_plan(Peeking), recordings(a_series(400, seed=9)))
    told = []
    for bars in range(50, 90):
        cut = decisions(backtest_on(a_plan(Peeking), recordings(cut_to(bars))))
        upto = START + bars * FIVE_MINUTES
        past = [d for d, each in zip(decisions(whole), whole.asked, strict=True) if each.intent.decided_at <= upto]
        told.append(cut == past)
    assert not all(told)


def cut_to(bars: int):  # type: ignore[no-untyped-def]
    return a_series(400, seed=9)[slice(0, bars)]


def test_after_a_hole_nothing_is_entered_until_enough_bars_were_seen_again():
    data = recordings(a_series(120, gaps=((40, 52),)))
    outcome = backtest_on(a_plan(), data)
    (gap,) = outcome.gaps
    assert (gap.symbol, gap.bars) == (BTC, 12)
    ready = gap.end + 3 * FIVE_MINUTES
    during = [each for each in outcome.asked if gap.start < each.intent.decided_at < ready and each.intent.opens_risk]
    assert not during
    assert outcome.denials.get("warming_up")


def test_the_first_tradable_bar_is_where_the_warm_up_ends():
    late = a_series(60, symbol=ETH)[slice(20, 60)]
    outcome = backtest_on(a_plan(Everything, BTC, ETH), recordings(a_series(60), late))
    # Three bars of warm-up: the third has closed fifteen minutes after the first opened.
    assert outcome.first_tradable == {BTC: START + 3 * FIVE_MINUTES, ETH: START + 23 * FIVE_MINUTES}


def test_a_period_is_cut_out_of_longer_recordings():
    data = recordings(a_series(200))
    plan = replace(a_plan(), start=START + 50 * FIVE_MINUTES, end=START + 100 * FIVE_MINUTES)
    outcome = backtest_on(plan, data)
    assert (outcome.start, outcome.end, outcome.bars) == (plan.start, plan.end, 50)
    assert all(plan.start <= each.intent.decided_at <= plan.end for each in outcome.asked)  # type: ignore[operator]


def test_too_little_history_is_said_in_one_sentence():
    with pytest.raises(BacktestRefused, match="too little history: Everything looks back"):
        backtest_on(a_plan(), recordings(a_series(3)))


@pytest.mark.parametrize("others", [(), (ETH, Symbol("SOLUSDT"))])
def test_fills_are_numbered_without_a_gap_and_in_order(others: tuple[Symbol, ...]):
    # each symbol has a running number of its own, and some trade more than others
    data = recordings(a_series(300), *(a_series(200 + n, symbol=each, seed=n) for n, each in enumerate(others)))
    outcome = backtest_on(a_plan(Everything, BTC, *others), data)
    assert [each.seq for each in outcome.fills] == list(range(1, len(outcome.fills) + 1))
    assert all(one.fill.execution_order < two.fill.execution_order for one, two in pairwise(outcome.fills))
