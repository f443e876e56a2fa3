"""What a backtest leaves: facts only, from which every report is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import msgspec
import numpy as np
from numpy.typing import NDArray

from alpha.bot.broker import HeldPosition
from alpha.bot.broker import Outcome as Answer
from alpha.bot.fill import BotFill
from alpha.bot.intent import Intent
from alpha.domain.ids import Symbol
from alpha.domain.trade import Trade
from backtest.plan import Plan
from backtest.recordings import Gap, Recordings
from backtest.told import Told


class Asked(msgspec.Struct, gc=False):
    """An order the bot meant to send, and what was answered; None when it was stopped before."""

    order_link_id: str
    intent: Intent
    answer: Answer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityCurve:
    """Equity at the close of every bar of the period, marked to market, and what was held there as a multiple of it.

    `times_ms` are the closes; the first row is the instant before the first bar. Floats: these are for measuring, the
    money is in fills and trades.
    """

    times_ms: NDArray[np.int64]
    equity: NDArray[np.float64]
    gross_notional: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`start` is when trading began and `end` the close of the last bar. `trades` are round trips that have closed,
    `open` what was still held at the end."""

    plan: Plan
    recordings: Recordings
    start: datetime
    end: datetime
    bars: int
    asked: Sequence[Asked]
    fills: Sequence[BotFill]
    trades: Sequence[Trade]
    open: Sequence[HeldPosition]
    curve: EquityCurve
    balance: Decimal
    equity: Decimal
    first_tradable: Mapping[Symbol, datetime | None]
    denials: Mapping[str, int]
    told: Sequence[Told]

    @property
    def gaps(self) -> list[Gap]:
        """Holes in the recordings within the period."""
        return [gap for gap in self.recordings.gaps if gap.end > self.start and gap.start < self.end]
