"""What LXAlgo keeps over a restart."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from pydantic import Field

from alpha.bot import Holding, Protection, StrategyState
from alpha.domain.ids import Symbol
from strategies.lxalgo.account_rules import AccountRules
from strategies.lxalgo.eight_rules import EightRules
from strategies.lxalgo.pump_momentum import PumpMomentum


class LXAlgoState(StrategyState):
    """`eight_rules` by symbol and hours of the bar, `entered_at` when a symbol's last entry was decided, `break_even`
    the entry price of a position that has reached its break-even profit, `universe` as of `universe_at`."""

    eight_rules: dict[Symbol, dict[int, EightRules]] = Field(default_factory=dict)
    pumps: dict[Symbol, PumpMomentum] = Field(default_factory=dict)
    universe: list[Symbol] = Field(default_factory=list)
    universe_at: datetime | None = None
    account: AccountRules = Field(default_factory=AccountRules)
    holdings: dict[Symbol, Holding] = Field(default_factory=dict)
    protections: dict[Symbol, Protection] = Field(default_factory=dict)
    break_even: dict[Symbol, Decimal] = Field(default_factory=dict)
    entered_at: dict[Symbol, datetime] = Field(default_factory=dict)
