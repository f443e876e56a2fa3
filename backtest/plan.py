"""What one backtest is made of, complete before anything is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from alpha.bot.host import AnyStrategy
from alpha.bot.limits import Limits
from alpha.bot.strategy import StrategyParams
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.domain.instrument import Instrument
from paper_exchange.engine import FeeRates, Liquidity
from paper_exchange.engine.risk_tiers import RiskTiers

ACCOUNT = AccountName("backtest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """One symbol: its rules and what trading it costs. Without risk tiers it may be held in any size with its highest
    leverage."""

    instrument: Instrument
    fees: FeeRates
    risk_tiers: RiskTiers | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`start` and `end` bound the bars that are traded on, [start, end); None: as far as the recordings go. The symbols
    are the bot's, in its order, for they are decided on in that order. `capital` is what the bot sizes by instead of
    its equity."""

    strategy: type[AnyStrategy]
    params: StrategyParams
    limits: Limits
    symbols: tuple[Symbol, ...]
    markets: Mapping[Symbol, Market]
    bot: BotId
    code: str
    account: AccountName = ACCOUNT
    run: str = "backtest"
    balance: Decimal = Decimal(10_000)
    capital: Decimal | None = None
    start: datetime | None = None
    end: datetime | None = None
    liquidity: Liquidity = field(default_factory=Liquidity)
    seed: int = 1
    left_out: tuple[str, ...] = ()
    """Of a bot that trades all symbols: what is recorded and not traded, in sentences."""
