"""What the broker needs of the outside, so that live trading, a backtest and a test differ in these only."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Protocol

from alpha.bot.broker import HeldPosition, Outcome
from alpha.bot.intent import Intent
from alpha.domain.ids import OrderId, Symbol
from alpha.domain.instrument import Instrument
from alpha.domain.order import Order
from alpha.exchange.new_order import NewOrder, TradingStop


class OrderPort(Protocol):
    """The exchange as the bot's account sees it. Every method raises ExchangeRefused, ExchangeUnknown or
    ExchangeUnreachable (`alpha.exchange.errors`)."""

    def place_order(self, order: NewOrder) -> OrderId: ...

    def find_order(self, symbol: Symbol, order_link_id: str) -> Order | None:
        """The order whatever its state, or None when the exchange does not know it."""
        ...

    def cancel_order(self, symbol: Symbol, order_link_id: str) -> None: ...

    def set_trading_stop(self, stop: TradingStop) -> None: ...

    def position(self, symbol: Symbol) -> HeldPosition: ...

    def set_leverage(self, symbol: Symbol, leverage: Decimal) -> None: ...


class IntentJournal(Protocol):
    def record(self, order_link_id: str, intent: Intent) -> None:
        """Store durably what is about to be sent; storing it again changes nothing. Raises JournalUnavailable."""
        ...

    def settle(self, order_link_id: str, outcome: Outcome) -> None:
        """Note what became of it. Does not raise: what stays open is asked for at the next start."""
        ...


class MarketView(Protocol):
    """What is known now, without asking the exchange."""

    def instrument(self, symbol: Symbol) -> Instrument: ...

    def position(self, symbol: Symbol) -> HeldPosition | None: ...

    def equity(self) -> Decimal | None: ...

    def mark_price(self, symbol: Symbol) -> Decimal | None: ...


class AlertPort(Protocol):
    def alert(self, kind: str, text: str, *, symbol: Symbol | None, market_time: datetime) -> None: ...
