"""The bot SDK: a Strategy decides, a Broker acts, a Gate stands between, a runner connects them to the world.

Strategies import from here, `alpha.domain` and pydantic, and nothing else: the same class runs live and in a backtest.
"""

from alpha.bot.broker import Broker, HeldPosition, Outcome, OutcomeStatus
from alpha.bot.environment import Environment
from alpha.bot.errors import StrategyRefused
from alpha.bot.fill import BotFill
from alpha.bot.holding import Holding
from alpha.bot.indicators import Adx, Atr, Bollinger, Ema, Macd, RecentValues, Rsi
from alpha.bot.kept_state import CoreSchema, kept
from alpha.bot.protection import Protection, StopPlan
from alpha.bot.reports import next_report, standing
from alpha.bot.result import Performance
from alpha.bot.strategy import Strategy, StrategyParams, StrategyState

__all__ = [
    "Adx",
    "Atr",
    "Bollinger",
    "BotFill",
    "Broker",
    "CoreSchema",
    "Ema",
    "Environment",
    "HeldPosition",
    "Holding",
    "Macd",
    "Outcome",
    "OutcomeStatus",
    "Performance",
    "Protection",
    "RecentValues",
    "Rsi",
    "StopPlan",
    "Strategy",
    "StrategyParams",
    "StrategyRefused",
    "StrategyState",
    "kept",
    "next_report",
    "standing",
]
