from __future__ import annotations

from enum import StrEnum, unique


@unique
class Environment(StrEnum):
    """Where a strategy runs. Only `LIVE` moves real money."""

    LIVE = "live"
    DEMO = "demo"
    TESTNET = "testnet"
    PAPER = "paper"
    BACKTEST = "backtest"
