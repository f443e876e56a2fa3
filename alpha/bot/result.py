"""What a bot has made, marked to market: the cash its fills moved and what it holds, whoever shares its account."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict

from alpha.domain.ids import Symbol

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Anchor:
    """The bot's result and equity (USDT) at a market time that later ones are compared with."""

    at: datetime
    result: Decimal
    equity: Decimal

    def percent(self, result: Decimal) -> Decimal:
        """What was made since, in percent of the equity then; a loss is below 0."""
        return (result - self.result) / self.equity * 100


class Halt(BaseModel):
    """The drawdown that stopped the bot: `at` is the wall clock, because a person lifts it there."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    market_time: datetime
    percent: Decimal


class LimitEvent(BaseModel):
    """A limit was reached, an entry denied for one that it alone reached, or a halt lifted (`action`), at a market
    time."""

    model_config = ConfigDict(frozen=True)

    action: Literal["limit_reached", "entry_denied", "halt_lifted"]
    limit: str
    text: str
    market_time: datetime


@dataclass(slots=True)
class ResultState:
    """What of a bot's result outlives a restart.

    `cash` is what all fills handled paid and received, fees and funding included (USDT). `uncosted` is what the
    position holds beyond these fills (a position from before the platform): it enters at the next mark price. `reached`
    names the limits reached, each with when they were, `refused_at` those that an entry was denied for, each with when
    that was told last; `unaudited` is what the audit trail does not have yet.
    """

    cash: Decimal = ZERO
    uncosted: dict[Symbol, Decimal] = field(default_factory=dict)
    day: Anchor | None = None
    week: Anchor | None = None
    month: Anchor | None = None
    peak: Anchor | None = None
    latest: Anchor | None = None
    reached: dict[str, datetime] = field(default_factory=dict)
    refused_at: dict[str, datetime] = field(default_factory=dict)
    halt: Halt | None = None
    unaudited: list[LimitEvent] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """What the bot has made, all in percent of its equity when the period began; a loss is below 0.

    `drawdown_percent` is how far the result is below its highest, at least 0, in percent of the equity at that height;
    `result_usdt` everything since the bot began. Fees and funding are in it, and what is open counts at the mark price.
    """

    at: datetime
    result_usdt: Decimal
    today_percent: Decimal
    week_percent: Decimal
    month_percent: Decimal
    drawdown_percent: Decimal


class LimitStanding(BaseModel):
    """How far one limit is used, for whoever looks: `value` and `bound` are in the unit that `name` says."""

    name: str
    value: Decimal | None
    bound: Decimal
    reached: bool
