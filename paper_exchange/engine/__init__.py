"""Deterministic matching, margin and funding of linear USDT perpetuals, without I/O and without a clock of its own."""

from paper_exchange.engine import events
from paper_exchange.engine.closed_pnl import ClosedPnl
from paper_exchange.engine.engine import Engine
from paper_exchange.engine.events import Event, Execution, OrderState, PositionState, Transaction, Wallet
from paper_exchange.engine.liquidity import Liquidity
from paper_exchange.engine.order_book import OrderBook
from paper_exchange.engine.outcome import Outcome
from paper_exchange.engine.refusal import Refused
from paper_exchange.engine.requests import (
    EngineAccount,
    FeeRates,
    OrderAmendment,
    OrderRequest,
    TpslMode,
    TradingStop,
    TriggerBy,
)

__all__ = [
    "ClosedPnl",
    "Engine",
    "EngineAccount",
    "Event",
    "Execution",
    "FeeRates",
    "Liquidity",
    "OrderAmendment",
    "OrderBook",
    "OrderRequest",
    "OrderState",
    "Outcome",
    "PositionState",
    "Refused",
    "TpslMode",
    "TradingStop",
    "Transaction",
    "TriggerBy",
    "Wallet",
    "events",
]
