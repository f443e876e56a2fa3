"""Every indicator of every strategy, in floats and updated in constant time.

They live in a strategy's state: JSON keeps a float exactly, so they continue over a restart bit for bit. Each is told
one closed bar at a time and never sees a later one. `tests/property/bot/test_indicators.py` holds them against TA-Lib
and pandas over random series.
"""

from alpha.bot.indicators.bollinger import Bollinger
from alpha.bot.indicators.ema import Ema, Macd
from alpha.bot.indicators.recent import RecentValues
from alpha.bot.indicators.wilder import Adx, Atr, Rsi

__all__ = ["Adx", "Atr", "Bollinger", "Ema", "Macd", "RecentValues", "Rsi"]
