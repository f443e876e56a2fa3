"""Smallest size in and out every few bars, so that an operator sees that the whole chain works."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from pydantic import Field

from alpha.bot import BotFill, Environment, Strategy, StrategyParams, StrategyRefused, StrategyState
from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side


class CanaryParams(StrategyParams):
    bar_minutes: int = Field(gt=0)
    hold_bars: int = Field(gt=0)
    rest_bars: int = Field(gt=0)
    stop_percent: Decimal = Field(gt=0, lt=100)
    size_multiple: int = Field(gt=0)
    allow_live: bool
    fee_budget_usdt: Decimal | None = Field(gt=0)


class CanaryState(StrategyState):
    """Market times at which the next step is due, the sides' alternation, and the fees paid so far."""

    exit_due: dict[Symbol, datetime] = Field(default_factory=dict)
    entry_due: dict[Symbol, datetime] = Field(default_factory=dict)
    entries: dict[Symbol, int] = Field(default_factory=dict)
    fees_usdt: Decimal = Decimal(0)


class Canary(Strategy[CanaryParams, CanaryState]):
    Params = CanaryParams
    State = CanaryState

    @property
    def interval(self) -> timedelta:
        return timedelta(minutes=self.params.bar_minutes)

    @property
    def warm_up_bars(self) -> int:
        return 1

    def on_start(self) -> None:
        if self.environment is not Environment.LIVE:
            return
        if not self.params.allow_live:
            raise StrategyRefused(
                "the canary pays fees to test the chain and does not run on a live account: set params.allow_live and "
                "params.fee_budget_usdt of the bot in bots.yaml if you want that"
            )
        if self.params.fee_budget_usdt is None:
            raise StrategyRefused("the canary on a live account needs params.fee_budget_usdt in bots.yaml")

    def on_bar(self, bar: Bar) -> None:
        held = self.broker.position(bar.symbol)
        if held is None:
            return
        if held.is_flat:
            self._enter(bar)
        elif bar.end >= self.state.exit_due.setdefault(bar.symbol, self._after(bar, self.params.hold_bars)):
            self.broker.close(bar.symbol, Reason.TIME_EXIT)

    def on_fill(self, fill: BotFill) -> None:
        self.state.fees_usdt += fill.fee

    def _enter(self, bar: Bar) -> None:
        symbol, state = bar.symbol, self.state
        state.exit_due.pop(symbol, None)
        budget = self.params.fee_budget_usdt
        if symbol in state.entry_due and bar.end < state.entry_due[symbol]:
            return
        if budget is not None and state.fees_usdt >= budget:
            return
        side = Side.BUY if state.entries.get(symbol, 0) % 2 == 0 else Side.SELL
        quantity = self.broker.instrument(symbol).min_order_quantity(bar.close) * self.params.size_multiple
        stop_loss = bar.close * (1 - side.sign * self.params.stop_percent / 100)
        if self.broker.market(symbol, side, quantity, stop_loss=stop_loss).accepted:
            state.entries[symbol] = state.entries.get(symbol, 0) + 1
            state.exit_due[symbol] = self._after(bar, self.params.hold_bars)
            state.entry_due[symbol] = self._after(bar, self.params.hold_bars + self.params.rest_bars)

    def _after(self, bar: Bar, bars: int) -> datetime:
        return bar.end + bars * self.interval
