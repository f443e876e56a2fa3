"""The three strategies at an exchange that takes no stop: what protects an unprotected position is all they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

from alpha.bot import BotFill, Broker, HeldPosition, Outcome, OutcomeStatus, Strategy
from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from strategies.lxalgo import LXAlgo
from strategies.momentum import Momentum
from strategies.shortseller import ShortSeller

_REFUSED = Outcome(status=OutcomeStatus.REFUSED, code="10001", text="no stops are taken")


class _StoplessBroker:
    """A broker whose entries arrive without their stops, and whose stops are refused afterwards."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    def market(
        self, symbol: Symbol, side: Side, quantity: Decimal, *, reason: Reason = Reason.ENTRY, **_stops: Any
    ) -> Outcome:
        return self._broker.market(symbol, side, quantity, reason=reason)

    def stop_loss(self, *_asked: Any) -> Outcome:
        return _REFUSED

    def take_profit(self, *_asked: Any) -> Outcome:
        return _REFUSED

    def trailing_stop(self, *_asked: Any, **_more: Any) -> Outcome:
        return _REFUSED


class _Stopless(Strategy[Any, Any]):
    """Whatever a hook is told, the strategy inside is told."""

    inside: ClassVar[type[Strategy[Any, Any]]]

    def __init__(self, *, broker: Broker, **given: Any) -> None:
        super().__init__(broker=broker, **given)
        stopless: Any = _StoplessBroker(broker)
        self._inside = self.inside(broker=stopless, **given)

    @property
    def interval(self) -> timedelta:
        return self._inside.interval

    @property
    def larger_intervals(self) -> Mapping[timedelta, int]:
        return self._inside.larger_intervals

    @property
    def warm_up_bars(self) -> int:
        return self._inside.warm_up_bars

    @property
    def minimum_history(self) -> timedelta:
        return self._inside.minimum_history

    def knows(self, symbol: Symbol) -> bool:
        return self._inside.knows(symbol)

    def on_start(self) -> None:
        self._inside.on_start()

    def observe(self, bar: Bar) -> None:
        self._inside.observe(bar)

    def on_round(self, bars: Sequence[Bar]) -> None:
        self._inside.on_round(bars)

    def on_fill(self, fill: BotFill) -> None:
        self._inside.on_fill(fill)

    def on_position(self, position: HeldPosition) -> None:
        self._inside.on_position(position)


class StoplessShortSeller(_Stopless):
    inside, Params, State = ShortSeller, ShortSeller.Params, ShortSeller.State


class StoplessMomentum(_Stopless):
    inside, Params, State = Momentum, Momentum.Params, Momentum.State


class StoplessLXAlgo(_Stopless):
    inside, Params, State = LXAlgo, LXAlgo.Params, LXAlgo.State
