"""What the private stream of the bot's account would carry."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

from alpha.bot.broker import HeldPosition
from alpha.domain.ids import Symbol
from alpha.domain.order import OrderStatus
from alpha.domain.position import FLAT, Position
from paper_exchange.engine import Execution
from paper_exchange.engine.account import Account
from paper_exchange.engine.holding import Holding
from paper_exchange.engine.working_order import WorkingOrder

_NEW: Final = OrderStatus.NEW


class OrderReport:
    """What counts of an order's state."""

    __slots__ = ("filled_quantity", "order_link_id", "status")

    def __init__(self, order_link_id: str, status: OrderStatus, filled_quantity: Decimal) -> None:
        self.order_link_id = order_link_id
        self.status = status
        self.filled_quantity = filled_quantity


class AccountStream:
    """The engine's audience in a backtest: keeps what happens until it is handled (`take`). Orders are the bot's own;
    of a position only the last word counts."""

    __slots__ = ("_executions", "_known", "_positions", "_reports", "has_news")

    def __init__(self) -> None:
        self.has_news = False
        self._reports: list[OrderReport] = []
        self._executions: list[Execution] = []
        self._positions: dict[Symbol, HeldPosition] = {}
        self._known: dict[Symbol, Position] = {}

    def order(self, order: WorkingOrder) -> None:
        # That it is new has been answered to whoever placed it.
        if order.order_link_id and order.status is not _NEW:
            self._reports.append(OrderReport(order.order_link_id, order.status, order.filled_quantity))
            self.has_news = True

    def execution(self, execution: Execution) -> None:
        self._executions.append(execution)
        self.has_news = True

    def position(self, account: Account, holding: Holding, at: datetime) -> None:  # noqa: ARG002
        symbol, quantity, trailing = holding.symbol, holding.quantity, holding.trailing
        known = self._known.get(symbol, FLAT)
        # It stays the same object while it is the same position.
        if known.quantity != quantity or known.entry_price != holding.entry_price:
            known = self._known[symbol] = Position(quantity, holding.entry_price) if quantity else FLAT
        stop_loss = take_profit = None
        if holding.stops:
            stop_loss, take_profit = holding.stop_loss, holding.take_profit
        self._positions[symbol] = HeldPosition(
            symbol,
            known,
            holding.market.mark_price if quantity else None,
            stop_loss,
            take_profit,
            None if trailing is None else trailing.distance,
            holding.seq,
        )
        self.has_news = True

    def wallet(self, account: Account, at: datetime) -> None: ...

    def take(self) -> tuple[list[OrderReport], list[Execution], list[HeldPosition]]:
        """Everything since the last time, each kind in the order in which it happened."""
        taken = self._reports, self._executions, list(self._positions.values())
        self._reports, self._executions, self._positions, self.has_news = [], [], {}, False
        return taken
