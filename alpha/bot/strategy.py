"""The base of every strategy: the hooks the runner calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Generic, TypeVar

from mypy_extensions import mypyc_attr

from alpha.bot.broker import Broker, HeldPosition
from alpha.bot.environment import Environment
from alpha.bot.fill import BotFill
from alpha.bot.strategy_models import StrategyParams, StrategyState
from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol

__all__ = ["Strategy", "StrategyParams", "StrategyState"]


P = TypeVar("P", bound=StrategyParams)
S = TypeVar("S", bound=StrategyState)


@mypyc_attr(allow_interpreted_subclasses=True)
class Strategy(Generic[P, S]):
    """Subclass it, name `Params` and `State`, and override the hooks needed.

    A strategy talks to its `broker` only: no network, no clock (use `broker.now` and the times of bars and fills), no
    file, no database, no random numbers, so that the same input always gives the same decisions.

    What a hook returns is not looked at, so it may end with `return self.broker.close(...)`.

    Indicators belong into `state` (or are computed from bars kept there): they then continue over a restart.
    """

    Params: ClassVar[type[StrategyParams]] = StrategyParams
    State: ClassVar[type[StrategyState]] = StrategyState

    def __init__(
        self, *, params: P, state: S, symbols: tuple[Symbol, ...], broker: Broker, environment: Environment
    ) -> None:
        self.params = params
        self.state = state
        self.symbols = symbols
        self.broker = broker
        self.environment = environment

    @property
    def interval(self) -> timedelta:
        """Length of the bars that are fed; live these are the feed's 5 minutes."""
        return timedelta(minutes=5)

    @property
    def larger_intervals(self) -> Mapping[timedelta, int]:
        """Longer bars to be observed and decided on as well, each with how many of them the warm-up needs. They are
        built from those fed (alpha.bot.larger_bars), aligned to 00:00 UTC, and exist only when complete."""
        return {}

    @property
    def warm_up_bars(self) -> int:
        """Closed bars per symbol to be observed before the first decision."""
        return 0

    @property
    def history(self) -> timedelta:
        """How far back the warm-up of a new symbol reaches."""
        return max(
            [
                self.warm_up_bars * self.interval,
                *[bars * interval for interval, bars in self.larger_intervals.items()],
            ]
        )

    @property
    def minimum_history(self) -> timedelta:
        """Without how much of it nothing is entered; by default all of it."""
        return self.history

    def knows(self, symbol: Symbol) -> bool:  # noqa: ARG002
        """Whether the state just restored continues the symbol's indicators. If not, they are warmed up from history
        again: answer False when the state is new or was made under other parameters (and drop what does not fit)."""
        return True

    def on_start(self) -> Any:
        """Once per start, after the warm-up and after missed fills: set leverage, protect what is open.

        Raise StrategyRefused when the strategy must not run as configured.
        """

    def observe(self, bar: Bar) -> Any:
        """Every closed bar once, in time order, also during warm-up and after an outage: update indicators here.

        Never trade here. Bars of several symbols with the same end come in the order of `symbols`; a longer bar comes
        right after the fed one that completes it.
        """

    def on_round(self, bars: Sequence[Bar]) -> Any:
        """The bars of one interval that have just closed, in the order of `symbols`. Override it to decide over all
        symbols at once; by default each is decided on by itself. Fed bars first, then longer ones."""
        for bar in bars:
            self.on_bar(bar)

    def on_bar(self, bar: Bar) -> Any:
        """A bar that has just closed, after all symbols' bars of that end were observed: decide here.

        While bars before it could not be had it is not observed yet: exits are decided on all the same, entries denied.
        Not called for old bars: what was missed is observed and not traded on.
        """

    def on_fill(self, fill: BotFill) -> Any:
        """Every fill of the bot exactly once in order of its number, also those that happened while it was down."""

    def on_position(self, position: HeldPosition) -> Any:
        """The position or its stops changed as the platform sees it. A hint that may come late, twice or not at all:
        keep here only what can be done again."""

    def on_stop(self) -> Any:
        """The bot is being stopped. Its resting entries are cancelled afterwards; positions stay under their stops."""
