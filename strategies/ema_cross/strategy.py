"""Long while a fast average of closes is above a slow one."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from pydantic import Field

from alpha.bot import Ema, Strategy, StrategyParams, StrategyState
from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side


class EmaCrossParams(StrategyParams):
    bar_minutes: int = Field(gt=0)
    fast_bars: int = Field(gt=0)
    slow_bars: int = Field(gt=0)
    size_percent: Decimal = Field(gt=0, le=100)
    stop_percent: Decimal | None = Field(gt=0, lt=100)


class EmaCrossState(StrategyState):
    """`above` is which side the fast average was on when that was last acted on."""

    averages: dict[Symbol, tuple[Ema, Ema]] = Field(default_factory=dict)
    above: dict[Symbol, bool] = Field(default_factory=dict)


class EmaCross(Strategy[EmaCrossParams, EmaCrossState]):
    Params = EmaCrossParams
    State = EmaCrossState

    @property
    def interval(self) -> timedelta:
        return timedelta(minutes=self.params.bar_minutes)

    @property
    def warm_up_bars(self) -> int:
        return 10 * self.params.slow_bars

    def knows(self, symbol: Symbol) -> bool:
        lengths = [average.length for average in self.state.averages.get(symbol, ())]
        if lengths != [self.params.fast_bars, self.params.slow_bars]:
            self.state.averages.pop(symbol, None)
        return symbol in self.state.averages

    def observe(self, bar: Bar) -> None:
        averages = self.state.averages.get(bar.symbol)
        if averages is None:
            averages = Ema(self.params.fast_bars), Ema(self.params.slow_bars)
            self.state.averages[bar.symbol] = averages
        close = bar.close_as_float
        averages[0].update(close)
        averages[1].update(close)

    def on_bar(self, bar: Bar) -> None:
        fast, slow = self.state.averages[bar.symbol]
        above = fast.value > slow.value
        if self.state.above.setdefault(bar.symbol, above) == above:
            return
        held = self.broker.position(bar.symbol)
        if held is None:  # not known, which is not flat: look again on the next bar
            return
        self.state.above[bar.symbol] = above
        if above and held.is_flat:
            self._enter(bar)
        elif not above and not held.is_flat:
            self.broker.close(bar.symbol, Reason.REGIME_EXIT)

    def _enter(self, bar: Bar) -> None:
        equity, stop_percent = self.broker.equity(), self.params.stop_percent
        if equity is not None:
            stop = None if stop_percent is None else bar.close * (1 - stop_percent / 100)
            quantity = equity * self.params.size_percent / 100 / bar.close
            self.broker.market(bar.symbol, Side.BUY, quantity, stop_loss=stop)
