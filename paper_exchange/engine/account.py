from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from typing import Final

from alpha.domain.ids import OrderId, Symbol
from paper_exchange.engine.account_log import AccountLog
from paper_exchange.engine.closed_pnl import ClosedPnlList
from paper_exchange.engine.events import OrderState, PositionState, Wallet
from paper_exchange.engine.holding import Holding
from paper_exchange.engine.ids import Ids
from paper_exchange.engine.market import Market, Tape
from paper_exchange.engine.money import ZERO
from paper_exchange.engine.requests import EngineAccount, MarginMode, PositionMode
from paper_exchange.engine.working_order import WorkingOrder

DEFAULT_LEVERAGE: Final = Decimal(10)

HoldingKey = tuple[Symbol, int]
"""Symbol and positionIdx."""

NO_ORDER: Final = OrderId("")
"""The id that no order has."""

_NEVER: Final = -1
_IDXS: Final[dict[PositionMode, tuple[int, ...]]] = {"one_way": (0,), "hedge": (1, 2)}


class Account:
    """One account: its balance and log, positions, orders and executions.

    Margin is cross over all positions, or isolated: then each position has a margin of its own, and no more than that
    to lose. `position_mode` is that of symbols which were never switched on their own; `position_modes` has the others.

    `orders` has every order there ever was by its id, of one that has ended only what was told of it last, and
    `by_link_id` the ids of those that were named. `order_ids` makes the ids of named orders.
    """

    __slots__ = (
        "_added_at",
        "_initial_margin",
        "_maintenance_margin",
        "_recount",
        "_resting_is_stale",
        "_resting_order_margin",
        "_tape",
        "_unrealized_pnl",
        "_whole_order_margin",
        "balance",
        "by_link_id",
        "closed_pnl",
        "held",
        "holdings",
        "is_isolated",
        "log",
        "open_orders",
        "opened_at",
        "opening_balance",
        "order_ids",
        "orders",
        "position_mode",
        "position_modes",
        "uid",
    )

    def __init__(self, opened: EngineAccount, at: datetime, tape: Tape, ids: Ids) -> None:
        self.uid = opened.uid
        self.opening_balance = opened.balance
        self.balance = opened.balance
        self.opened_at = at
        self.is_isolated = opened.margin_mode == "isolated"
        self.position_mode: PositionMode = opened.position_mode
        self.position_modes: dict[Symbol, PositionMode] = {}
        self.holdings: dict[HoldingKey, Holding] = {}
        self.held: dict[HoldingKey, Holding] = {}
        self.orders: dict[str, WorkingOrder | OrderState] = {}
        self.order_ids = ids.under("order", str(opened.uid))
        self.by_link_id: dict[str, OrderId] = {}
        self.open_orders: defaultdict[Symbol, dict[str, WorkingOrder]] = defaultdict(dict)
        self.log = AccountLog()
        self.closed_pnl = ClosedPnlList()
        self._tape = tape
        # sums over the orders, and the positions whose share of them is no more what it was. While only pending orders
        # come and go, that of the resting ones stands.
        self._resting_order_margin = self._whole_order_margin = ZERO
        self._recount: dict[Holding, None] = {}
        self._resting_is_stale = False
        # the tape's count at which the sums over positions were made
        self._added_at = _NEVER
        self._unrealized_pnl = self._initial_margin = self._maintenance_margin = ZERO

    @property
    def margin_mode(self) -> MarginMode:
        return "isolated" if self.is_isolated else "cross"

    def is_hedge(self, symbol: Symbol) -> bool:
        """Whether the symbol has a long and a short position of their own (positionIdx 1 and 2) instead of one (0)."""
        return self.position_modes.get(symbol, self.position_mode) == "hedge"

    def position_idxs(self, symbol: Symbol) -> tuple[int, ...]:
        """The positions that the symbol has in its present mode."""
        return _IDXS[self.position_modes.get(symbol, self.position_mode)]

    def holding(self, market: Market, position_idx: int = 0) -> Holding:
        """A position in the market, made flat when there was none yet. Default leverage 10, within the limit.

        Leverage is one for both sides of a symbol, so a position of the other mode inherits it.
        """
        key = (market.symbol, position_idx)
        found = self.holdings.get(key)
        if found is None:
            leverage = min(DEFAULT_LEVERAGE, market.instrument.max_leverage)
            for other in self.holdings_in(market):
                leverage = other.leverage
            found = Holding(
                uid=self.uid,
                market=market,
                position_idx=position_idx,
                leverage=leverage,
                at=self.opened_at,
                is_isolated=self.is_isolated,
            )
            self.holdings = dict(sorted((self.holdings | {key: found}).items()))
        return found

    def holdings_in(self, market: Market) -> list[Holding]:
        """The positions made so far in one market, those of the other mode included, by index."""
        return [holding for holding in self.holdings.values() if holding.market is market]

    def keep(self, order: WorkingOrder) -> None:
        """Remember a new order for ever, and as open until `drop`."""
        order_id = order.order_id
        self.orders[order_id] = order
        if order.order_link_id:
            self.by_link_id[order.order_link_id] = order_id
        self.open_orders[order.symbol][order_id] = order
        if order.closes:
            order.holding.reducing[order_id] = order

    def drop(self, order: WorkingOrder) -> None:
        """The order is over; what is told of it last stays among `orders`."""
        order_id = order.order_id
        del self.open_orders[order.symbol][order_id]
        if order.closes:
            order.holding.reducing.pop(order_id, None)
        if order.share is not None:
            self.reserve(order)

    def changed(self, holding: Holding) -> None:
        """The quantity, entry price, leverage or mode of a position is another one now."""
        key = holding.key
        if not holding.quantity:
            self.held.pop(key, None)
            holding.market.holders.pop((self.uid, key[1]), None)
        elif key not in self.held:
            self.held[key] = holding
            holding.market.holders[self.uid, key[1]] = (self, holding)
        reservations = holding.reservations
        if reservations.has_any():
            self._recount[holding] = None
            if reservations.has_resting():
                self._resting_is_stale = True
        self._added_at = _NEVER

    def set_isolated(self, is_isolated: bool) -> None:
        self.is_isolated = is_isolated
        for holding in self.holdings.values():
            holding.set_isolated(is_isolated)
        self._added_at = _NEVER

    @property
    def unrealized_pnl(self) -> Decimal:
        if self._added_at != self._tape.moves:
            self._add_up()
        return self._unrealized_pnl

    @property
    def equity(self) -> Decimal:
        return self.balance + self.unrealized_pnl

    @property
    def position_margin(self) -> Decimal:
        if self._added_at != self._tape.moves:
            self._add_up()
        return self._initial_margin

    @property
    def maintenance_margin(self) -> Decimal:
        if self._added_at != self._tape.moves:
            self._add_up()
        return self._maintenance_margin

    def backing(self, holding: Holding) -> tuple[Decimal, Decimal]:
        """What stands behind a position: an equity, and how much of it other positions need as maintenance margin."""
        if self.is_isolated:
            return holding.initial_margin + holding.unrealized_pnl, ZERO
        if self._added_at != self._tape.moves:
            self._add_up()
        return self.balance + self._unrealized_pnl, self._maintenance_margin - holding.valuation()[2]

    def order_margin(self, with_pending: bool = True) -> Decimal:
        """Margin that open orders occupy; stops and reduce-only orders occupy none."""
        if not with_pending and not self._resting_is_stale:
            return self._resting_order_margin
        if self._recount:
            for holding in self._recount:
                reservations = holding.reservations
                resting, whole = reservations.margins(holding)
                if self._resting_is_stale:
                    self._resting_order_margin += resting - reservations.resting_margin
                    reservations.resting_margin = resting
                self._whole_order_margin += whole - reservations.whole_margin
                reservations.whole_margin = whole
            self._recount.clear()
            self._resting_is_stale = False
        return self._whole_order_margin if with_pending else self._resting_order_margin

    def reserve(self, order: WorkingOrder) -> None:
        """Bring the margin that an order occupies in line with its state. Called after whatever changes the order."""
        holding = order.holding
        if holding.reservations.update(order):
            self._resting_is_stale = True
        self._recount[holding] = None

    def available(self, with_pending: bool = True) -> Decimal:
        """What is left for new orders; below 0 when the market has gone against the account.

        Equity less initial margin of positions and orders. Isolated positions neither lend their profits nor need more
        than what was set aside for them, so there it is the balance less those.
        """
        standing = self.balance
        if self.held:
            if self._added_at != self._tape.moves:
                self._add_up()
            if not self.is_isolated:
                standing += self._unrealized_pnl
            standing -= self._initial_margin
        return standing - self.order_margin(with_pending)

    def wallet(self, at: datetime) -> Wallet:
        """A snapshot of the money."""
        order_margin = self.order_margin() if self._recount else self._whole_order_margin
        if self._added_at != self._tape.moves:
            self._add_up()
        return Wallet(
            self.uid,
            self.opening_balance,
            self.balance,
            self._unrealized_pnl,
            self._initial_margin,
            order_margin,
            self._maintenance_margin,
            self.is_isolated,
            at,
        )

    def position_state(self, holding: Holding, at: datetime) -> PositionState:
        """A snapshot of one position."""
        market, quantity = holding.market, holding.quantity
        own_margin = take_profit = stop_loss = distance = active_price = level = None
        equity = other_maintenance = ZERO
        if quantity:
            equity, other_maintenance = self.backing(holding)
        if self.is_isolated:
            own_margin = holding.initial_margin
        if holding.stops:
            take_profit, stop_loss = holding.take_profit, holding.stop_loss
            trailing = holding.trailing
            if trailing is not None:
                distance, active_price, level = trailing.distance, trailing.active_price, trailing.level
        is_short = holding.is_short
        # by place, because msgspec looks keywords up one by one: with this many of them that takes ten times as long
        return PositionState(
            self.uid,
            holding.symbol,
            holding.position_idx,
            quantity,
            holding.entry_price,
            market.mark_price,
            holding.leverage,
            own_margin,
            equity,
            other_maintenance,
            holding.initial_rates[is_short],
            market.tiers,
            holding.maintenance_rates[is_short],
            market.instrument,
            market.fees.taker,
            holding.current_realized_pnl,
            holding.cumulative_realized_pnl,
            take_profit,
            stop_loss,
            distance,
            active_price,
            level,
            holding.status,
            holding.seq,
            holding.opened_at,
            holding.created_at,
            at,
        )

    def can_carry(self, order: WorkingOrder) -> bool:
        """Whether the margin suffices for a pending order on top of what rests. What opens nothing is always carried.

        Other pending orders do not count: whether an order is accepted must not depend on which of those that arrived
        between two bars came first. When they are matched, in their fixed order, each is asked again.
        """
        added = order.holding.reservations.added_by(order)
        return added <= ZERO or added <= self.available(False)

    def _add_up(self) -> None:
        unrealized = initial = maintenance = ZERO
        is_first = True
        for holding in self.held.values():
            profit, set_aside, needed = holding.valuation()
            # mostly it is the only one, and then there is nothing to add up
            if is_first:
                unrealized, initial, maintenance, is_first = profit, set_aside, needed, False
            else:
                unrealized += profit
                initial += set_aside
                maintenance += needed
        self._unrealized_pnl, self._initial_margin, self._maintenance_margin = unrealized, initial, maintenance
        self._added_at = self._tape.moves
