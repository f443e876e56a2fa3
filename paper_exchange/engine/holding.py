from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

from alpha.domain.ids import Symbol
from alpha.domain.side import Side
from paper_exchange.engine.margin import initial_margin_rate, maintenance_margin_rate, order_cost_rate
from paper_exchange.engine.market import Market
from paper_exchange.engine.members import BUY, SELL
from paper_exchange.engine.money import ZERO, round_amount
from paper_exchange.engine.reservations import Reservations
from paper_exchange.engine.stop_kind import StopKind
from paper_exchange.engine.trailing_stop import TrailingStop
from paper_exchange.engine.working_order import WorkingOrder

_NEVER: Final = -1
_CLOSING_SIDES: Final = (None, SELL, BUY)
_WAYS: Final = (1, -1)
"""What `is_short` and `side is SELL` index."""


class Holding:
    """A position in one symbol with average-cost accounting. `quantity` is signed, `size` is not; flat has entry price
    0.

    `position_idx` is 0 for the one position of one-way mode, and in hedge mode 1 for the long and 2 for the short one,
    which never change sides: orders of the `closing_side` open none of these. `open_fee` is what was paid in fees for
    the quantity that is open now. `margin_spent` is what funding has taken out of the margin of an isolated position.
    `reservations` is the margin of the open orders that act on it, `reducing` those of them that may only reduce it,
    oldest first. `initial_rates`, `maintenance_rates` (of each risk tier) and `order_cost_rates` are margins per unit
    of value, of a long or buy and of a short or sell. `largest_value` is what the position may be worth with its
    leverage, which `is_limited` says it must not exceed.

    P&L and margins are rounded to the unit of the settle coin, so that their sums over positions are exact, and are
    computed anew only when the mark price has moved.
    """

    __slots__ = (
        "_initial_margin",
        "_maintenance_margin",
        "_unrealized_pnl",
        "_valued_at",
        "closing_side",
        "created_at",
        "cumulative_realized_pnl",
        "current_realized_pnl",
        "entry_price",
        "initial_rates",
        "is_isolated",
        "is_limited",
        "is_short",
        "key",
        "largest_value",
        "leverage",
        "maintenance_rates",
        "margin_spent",
        "market",
        "open_fee",
        "opened_at",
        "order_cost_rates",
        "partial_stops",
        "position_idx",
        "quantity",
        "reducing",
        "reservations",
        "seq",
        "size",
        "status",
        "stops",
        "stops_made",
        "symbol",
        "trailing",
        "uid",
        "updated_at",
    )

    def __init__(
        self,
        *,
        uid: int,
        market: Market,
        position_idx: int,
        leverage: Decimal,
        at: datetime,
        is_isolated: bool = False,
    ) -> None:
        self.uid = uid
        self.market = market
        self.symbol: Symbol = market.symbol
        self.key = (self.symbol, position_idx)
        self.position_idx = position_idx
        self.closing_side: Side | None = _CLOSING_SIDES[position_idx]
        self.is_isolated = is_isolated
        self.quantity = ZERO
        self.size = ZERO
        self.is_short = False
        self.entry_price = ZERO
        self.open_fee = ZERO
        self.margin_spent = ZERO
        self.current_realized_pnl = ZERO
        self.cumulative_realized_pnl = ZERO
        self.stops: dict[StopKind, WorkingOrder] = {}
        self.partial_stops: dict[str, WorkingOrder] = {}
        self.reservations = Reservations()
        self.reducing: dict[str, WorkingOrder] = {}
        self.stops_made = 0
        self.trailing: TrailingStop | None = None
        self.status = "Normal"
        self.seq = -1
        self.opened_at: datetime | None = None
        self.created_at = at
        self.updated_at = at
        self._unrealized_pnl = self._initial_margin = self._maintenance_margin = ZERO
        self.set_leverage(leverage)

    def set_leverage(self, leverage: Decimal) -> None:
        taker, tiers = self.market.fees.taker, self.market.tiers
        self.leverage = leverage
        self.initial_rates = tuple(initial_margin_rate(way, leverage, taker) for way in _WAYS)
        self.maintenance_rates = tuple(
            tuple(maintenance_margin_rate(way, leverage, taker, tier.maintenance_rate) for tier in tiers.all)
            for way in _WAYS
        )
        self.largest_value = tiers.largest_value(leverage)
        self.is_limited = not self.largest_value.is_infinite()
        self.order_cost_rates = tuple(order_cost_rate(way, leverage, taker) for way in _WAYS)
        self._valued_at = _NEVER

    @property
    def direction(self) -> int:
        """+1 long, -1 short, 0 flat."""
        if not self.size:
            return 0
        return -1 if self.is_short else 1

    @property
    def side(self) -> Side | None:
        """The side of the orders that opened it, None when flat."""
        if not self.size:
            return None
        return SELL if self.is_short else BUY

    @property
    def take_profit(self) -> Decimal | None:
        """The price of the take profit of the whole position, None without one; so the stop loss."""
        order = self.stops.get(StopKind.TAKE_PROFIT) if self.stops else None
        return None if order is None else order.trigger_price

    @property
    def stop_loss(self) -> Decimal | None:
        order = self.stops.get(StopKind.STOP_LOSS) if self.stops else None
        return None if order is None else order.trigger_price

    def closable(self, side: Side) -> Decimal:
        """How much an order of this side can close: 0 when it would open or increase."""
        return self.size if self.is_short is not (side is SELL) else ZERO

    def has_room(self, order: WorkingOrder) -> bool:
        """Whether the position may become as large as the order and those that rest beside it would make it.

        Pending orders do not count, for the same reason as in `Account.can_carry`.
        """
        if not self.is_limited:
            return True
        quantity = -self.quantity if order.side is SELL else self.quantity
        quantity += self.reservations.resting_quantity(order.side) + order.leaves_quantity
        value = quantity * (self.market.last_price if order.price is None else order.price)
        return value <= self.largest_value

    @property
    def maintenance_per_value(self) -> Decimal:
        """Maintenance margin for one more unit of value, at the most: that of the highest tier."""
        return self.maintenance_rates[self.is_short][-1]

    @property
    def mark_value(self) -> Decimal:
        return self.size * self.market.mark_price

    def valuation(self) -> tuple[Decimal, Decimal, Decimal]:
        """Unrealized P&L, initial margin and maintenance margin, all three at once."""
        if self._valued_at != self.market.moves:
            self._value()
        return self._unrealized_pnl, self._initial_margin, self._maintenance_margin

    @property
    def unrealized_pnl(self) -> Decimal:
        if self._valued_at != self.market.moves:
            self._value()
        return self._unrealized_pnl

    @property
    def initial_margin(self) -> Decimal:
        """On the mark price in cross margin; in isolated what was set aside at the entry price."""
        if self._valued_at != self.market.moves:
            self._value()
        return self._initial_margin

    @property
    def maintenance_margin(self) -> Decimal:
        if self._valued_at != self.market.moves:
            self._value()
        return self._maintenance_margin

    def apply(
        self, side: Side, price: Decimal, quantity: Decimal, fee: Decimal, pnl: Decimal, closed: Decimal, at: datetime
    ) -> Decimal:
        """Take in an execution of which `closed` reduces it with P&L `pnl`. Gives the fee that opened that part.

        Average cost: the entry price is value-weighted on increase, unchanged on reduce; a flip starts anew at `price`.
        The fee of an execution that flips is shared by quantity.
        """
        open_fee = ZERO
        opened, opening_fee, size = quantity, fee, self.size
        if closed:
            # mostly they are the very same
            opened = ZERO if closed is quantity else quantity - closed
            close_fee = fee
            if opened:
                close_fee = round_amount(fee * closed / quantity)
                opening_fee = fee - close_fee
            self.current_realized_pnl += pnl - close_fee
            if closed == size:
                open_fee = self.open_fee
                size = self.entry_price = self.open_fee = self.margin_spent = ZERO
                self.opened_at = None
            else:
                open_fee = round_amount(self.open_fee * closed / size)
                self.open_fee -= open_fee
                self.margin_spent -= round_amount(self.margin_spent * closed / size)
                size -= closed
        if opened:
            if size:
                held, size = size, size + opened
                self.entry_price = (self.entry_price * held + price * opened) / size
                self.open_fee += opening_fee
                self.current_realized_pnl -= opening_fee
            else:
                size = opened
                self.entry_price = price
                self.open_fee = opening_fee
                self.current_realized_pnl = -opening_fee
                self.opened_at = at
            self.is_short = side is SELL
        elif not size:
            self.is_short = False
        self.size = size
        self.quantity = -size if self.is_short else size
        self.cumulative_realized_pnl += pnl - fee
        self.updated_at = at
        self._valued_at = _NEVER
        return open_fee

    def spend_margin(self, amount: Decimal) -> None:
        """Take a payment out of the margin of an isolated position."""
        self.margin_spent += amount
        self._valued_at = _NEVER

    def set_isolated(self, is_isolated: bool) -> None:
        self.is_isolated = is_isolated
        self._valued_at = _NEVER

    def _value(self) -> None:
        size, market = self.size, self.market
        if size:
            mark = market.mark_price
            is_short = self.is_short
            value = size * mark
            self._unrealized_pnl = round_amount((mark - self.entry_price) * self.quantity)
            self._maintenance_margin = round_amount(market.tiers.maintenance(value, self.maintenance_rates[is_short]))
            if self.is_isolated:
                set_aside = round_amount(size * self.entry_price * self.initial_rates[is_short])
                self._initial_margin = set_aside - self.margin_spent
            else:
                self._initial_margin = round_amount(value * self.initial_rates[is_short])
        else:
            self._unrealized_pnl = self._maintenance_margin = self._initial_margin = ZERO
        self._valued_at = market.moves
