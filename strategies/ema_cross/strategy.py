"""Long while a fast average of closes is above a slow one."""

from __future__ import annotations

from datetime import timedelta

from alpha.bot import Broker, Ema, Environment, Strategy
from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from strategies.ema_cross.parameters import EmaCrossParams
from strategies.ema_cross.state import Cross, EmaCrossState


class EmaCross(Strategy[EmaCrossParams, EmaCrossState]):
    Params = EmaCrossParams
    State = EmaCrossState

    def __init__(
        self,
        *,
        params: EmaCrossParams,
        state: EmaCrossState,
        symbols: tuple[Symbol, ...],
        broker: Broker,
        environment: Environment,
    ) -> None:
        super().__init__(params=params, state=state, symbols=symbols, broker=broker, environment=environment)
        self._crosses = state.crosses

    @property
    def interval(self) -> timedelta:
        return timedelta(minutes=self.params.bar_minutes)

    @property
    def warm_up_bars(self) -> int:
        return 10 * self.params.slow_bars

    def knows(self, symbol: Symbol) -> bool:
        cross = self._crosses.get(symbol)
        if cross and (cross.fast.length, cross.slow.length) != (self.params.fast_bars, self.params.slow_bars):
            del self._crosses[symbol]
        return symbol in self._crosses

    def observe(self, bar: Bar) -> None:
        cross = self._crosses.get(bar.symbol)
        if cross is None:
            cross = Cross(Ema(self.params.fast_bars), Ema(self.params.slow_bars))
            self._crosses[bar.symbol] = cross
        close = bar.close_as_float
        cross.fast.update(close)
        cross.slow.update(close)

    def on_bar(self, bar: Bar) -> None:
        cross = self._crosses[bar.symbol]
        above = cross.fast.value > cross.slow.value
        if cross.above == above:
            return
        held = self.broker.position(bar.symbol)
        if held is None:  # not known, which is not flat: look again on the next bar
            return
        has_crossed, cross.above = cross.above is not None, above
        if above and held.is_flat and has_crossed:
            self._enter(bar)
        elif not above and not held.is_flat:
            self.broker.close(bar.symbol, Reason.REGIME_EXIT)

    def _enter(self, bar: Bar) -> None:
        equity, stop_percent = self.broker.equity(), self.params.stop_percent
        if equity is not None:
            stop = None if stop_percent is None else bar.close * (1 - stop_percent / 100)
            quantity = equity * self.params.size_percent / 100 / bar.close
            self.broker.market(bar.symbol, Side.BUY, quantity, stop_loss=stop)
