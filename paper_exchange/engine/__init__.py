"""Deterministic matching, margin and funding of linear USDT perpetuals, without I/O and without a clock of its own."""

from paper_exchange.engine import events
from paper_exchange.engine.engine import Engine
from paper_exchange.engine.events import Event, Execution, OrderState, PositionState, Transaction, Wallet
from paper_exchange.engine.liquidity import Liquidity
from paper_exchange.engine.refusal import Refused
from paper_exchange.engine.requests import EngineAccount, FeeRates, OrderRequest, TradingStop

__all__ = [
    "Engine",
    "EngineAccount",
    "Event",
    "Execution",
    "FeeRates",
    "Liquidity",
    "OrderRequest",
    "OrderState",
    "PositionState",
    "Refused",
    "TradingStop",
    "Transaction",
    "Wallet",
    "events",
]
