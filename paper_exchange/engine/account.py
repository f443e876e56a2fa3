from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from alpha.domain.ids import Symbol
from paper_exchange.engine.events import Execution, Transaction
from paper_exchange.engine.holding import Holding
from paper_exchange.engine.market import Market
from paper_exchange.engine.money import ZERO
from paper_exchange.engine.reservations import Reservations
from paper_exchange.engine.working_order import WorkingOrder

DEFAULT_LEVERAGE = Decimal(10)


class Account:
    """One account: its balance and log, positions, orders and executions. Margin is cross over all its positions."""

    __slots__ = (
        "balance",
        "by_link_id",
        "executions",
        "holdings",
        "open_orders",
        "opened_at",
        "opening_balance",
        "orders",
        "reservations",
        "transactions",
        "uid",
    )

    def __init__(self, *, uid: int, balance: Decimal, at: datetime) -> None:
        self.uid = uid
        self.opening_balance = balance
        self.balance = balance
        self.opened_at = at
        self.holdings: dict[Symbol, Holding] = {}
        self.reservations: dict[Symbol, Reservations] = {}
        self.orders: dict[str, WorkingOrder] = {}
        self.by_link_id: dict[str, WorkingOrder] = {}
        self.open_orders: dict[Symbol, dict[str, WorkingOrder]] = {}
        self.executions: list[Execution] = []
        self.transactions: list[Transaction] = []

    def holding(self, market: Market) -> Holding:
        """The position in the market, made flat when there was none yet. Default leverage 10, within the limit."""
        symbol = market.instrument.symbol
        found = self.holdings.get(symbol)
        if found is None:
            leverage = min(DEFAULT_LEVERAGE, market.instrument.max_leverage)
            found = Holding(uid=self.uid, market=market, leverage=leverage, at=self.opened_at)
            # sorted, so that sums over positions do not depend, in their last digit, on which symbol came first
            self.reservations[symbol] = Reservations()
            self.holdings = dict(sorted((self.holdings | {symbol: found}).items()))
        return found

    def keep(self, order: WorkingOrder) -> None:
        """Remember a new order for ever and as open until `drop`."""
        self.orders[order.order_id] = order
        if order.order_link_id:
            self.by_link_id[order.order_link_id] = order
        self.open_orders.setdefault(order.symbol, {})[order.order_id] = order
        self.reserve(order)

    def drop(self, order: WorkingOrder) -> None:
        """The order is over; it stays among `orders`."""
        self.open_orders[order.symbol].pop(order.order_id, None)
        self.reserve(order)

    @property
    def unrealized_pnl(self) -> Decimal:
        return sum((holding.unrealized_pnl for holding in self.holdings.values()), ZERO)

    @property
    def equity(self) -> Decimal:
        return self.balance + self.unrealized_pnl

    @property
    def position_margin(self) -> Decimal:
        return sum((holding.initial_margin for holding in self.holdings.values()), ZERO)

    @property
    def maintenance_margin(self) -> Decimal:
        return sum((holding.maintenance_margin for holding in self.holdings.values()), ZERO)

    def order_margin(self, *, with_pending: bool = True) -> Decimal:
        """Margin that open orders occupy; stops and reduce-only orders occupy none."""
        return sum(
            (
                self.reservations[symbol].margin(holding, with_pending=with_pending)
                for symbol, holding in self.holdings.items()
            ),
            ZERO,
        )

    def reserve(self, order: WorkingOrder) -> None:
        """Bring the margin that an order occupies in line with its state. Called after whatever changes the order."""
        self.reservations[order.symbol].update(order, self.holdings[order.symbol])

    def available(self, *, with_pending: bool = True) -> Decimal:
        """Equity less initial margin of positions and orders; below 0 when the market has gone against the account."""
        return self.equity - self.position_margin - self.order_margin(with_pending=with_pending)

    def can_carry(self, order: WorkingOrder, holding: Holding) -> bool:
        """Whether the margin suffices for a pending order on top of what rests. What opens nothing is always carried.

        Other pending orders do not count: whether an order is accepted must not depend on which of those that arrived
        between two bars came first. When they are matched, in their fixed order, each is asked again.
        """
        reserved = self.reservations[holding.symbol]
        without = reserved.margin(holding, with_pending=False)
        added = reserved.margin(holding, with_pending=False, extra=order) - without
        return added <= 0 or added <= self.available(with_pending=False)
