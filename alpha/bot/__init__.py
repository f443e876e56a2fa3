"""The bot SDK: a Strategy decides, a Broker acts, a Gate stands between, a runner connects them to the world.

Strategies import from here, `alpha.domain` and pydantic, and nothing else: the same class runs live and in a backtest.
"""

from alpha.bot.broker import Broker, HeldPosition, Outcome, OutcomeStatus
from alpha.bot.environment import Environment
from alpha.bot.errors import StrategyRefused
from alpha.bot.fill import BotFill
from alpha.bot.indicators import Ema, RecentValues
from alpha.bot.strategy import Strategy, StrategyParams, StrategyState

__all__ = [
    "BotFill",
    "Broker",
    "Ema",
    "Environment",
    "HeldPosition",
    "Outcome",
    "OutcomeStatus",
    "RecentValues",
    "Strategy",
    "StrategyParams",
    "StrategyRefused",
    "StrategyState",
]
