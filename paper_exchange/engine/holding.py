from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum, unique

from alpha.domain.ids import Symbol
from alpha.domain.side import Side
from paper_exchange.engine.margin import close_fee_rate, initial_margin, maintenance_margin
from paper_exchange.engine.market import Market
from paper_exchange.engine.money import ZERO
from paper_exchange.engine.trailing_stop import TrailingStop
from paper_exchange.engine.working_order import WorkingOrder


@unique
class StopKind(StrEnum):
    """The stops a position can have, one of each. The values are Bybit's stopOrderType."""

    TAKE_PROFIT = "TakeProfit"
    STOP_LOSS = "StopLoss"
    TRAILING_STOP = "TrailingStop"

    @property
    def create_type(self) -> str:
        return f"CreateBy{self.value}"


class Holding:
    """A position in one symbol with average-cost accounting. `quantity` is signed; flat has entry price 0.

    `open_fee` is what was paid in fees for the quantity that is open now.
    """

    __slots__ = (
        "created_at",
        "cumulative_realized_pnl",
        "current_realized_pnl",
        "entry_price",
        "leverage",
        "market",
        "open_fee",
        "opened_at",
        "position_idx",
        "quantity",
        "seq",
        "status",
        "stops",
        "stops_made",
        "trailing",
        "uid",
        "updated_at",
    )

    def __init__(self, *, uid: int, market: Market, leverage: Decimal, at: datetime) -> None:
        self.uid = uid
        self.market = market
        self.position_idx = 0
        self.leverage = leverage
        self.quantity = ZERO
        self.entry_price = ZERO
        self.open_fee = ZERO
        self.current_realized_pnl = ZERO
        self.cumulative_realized_pnl = ZERO
        self.stops: dict[StopKind, WorkingOrder] = {}
        self.stops_made = 0
        self.trailing: TrailingStop | None = None
        self.status = "Normal"
        self.seq = -1
        self.opened_at: datetime | None = None
        self.created_at = at
        self.updated_at = at

    @property
    def symbol(self) -> Symbol:
        return self.market.instrument.symbol

    @property
    def size(self) -> Decimal:
        return abs(self.quantity)

    @property
    def direction(self) -> int:
        """+1 long, -1 short, 0 flat."""
        return (self.quantity > 0) - (self.quantity < 0)

    @property
    def side(self) -> Side | None:
        """The side of the orders that opened it, None when flat."""
        if self.quantity == 0:
            return None
        return Side.BUY if self.quantity > 0 else Side.SELL

    def closable(self, side: Side) -> Decimal:
        """How much an order of this side can close: 0 when it would open or increase."""
        return self.size if self.direction == -side.sign else ZERO

    @property
    def mark_value(self) -> Decimal:
        return self.size * self.market.mark_price

    @property
    def unrealized_pnl(self) -> Decimal:
        return (self.market.mark_price - self.entry_price) * self.quantity

    @property
    def initial_margin(self) -> Decimal:
        if self.quantity == 0:
            return ZERO
        return initial_margin(self.mark_value, self.direction, self.leverage, self.market.fees.taker)

    @property
    def maintenance_margin(self) -> Decimal:
        if self.quantity == 0:
            return ZERO
        taker, rate = self.market.fees.taker, self.market.maintenance_rate
        return maintenance_margin(self.mark_value, self.direction, self.leverage, taker, rate)

    @property
    def maintenance_per_value(self) -> Decimal:
        """Maintenance margin for one unit of value."""
        fee = close_fee_rate(self.direction, self.leverage, self.market.fees.taker)
        return self.market.maintenance_rate + fee

    @property
    def break_even_price(self) -> Decimal | None:
        """Bybit's formula: entry x quantity less what is realized, over the quantity less the fee of closing it."""
        if self.quantity == 0:
            return None
        fee_rate = max(self.market.fees.taker, _BREAK_EVEN_FEE)
        return (self.entry_price * self.quantity - self.current_realized_pnl) / (self.quantity - self.size * fee_rate)

    def apply(
        self, side: Side, price: Decimal, quantity: Decimal, fee: Decimal, pnl: Decimal, closed: Decimal, at: datetime
    ) -> Decimal:
        """Take in an execution of which `closed` reduces the holding with P&L `pnl`. Gives closed P&L less fees.

        Average cost: the entry price is value-weighted on increase, unchanged on reduce; a flip starts anew at `price`.
        The fee of an execution that flips is shared by quantity.
        """
        opened = quantity - closed
        close_fee = fee * closed / quantity
        closed_pnl = ZERO
        if closed > 0:
            open_fee = self.open_fee * closed / self.size
            closed_pnl = pnl - open_fee - close_fee
            self.open_fee -= open_fee
            self.quantity += side.sign * closed
            self.current_realized_pnl += pnl - close_fee
            if self.quantity == 0:
                self.entry_price = self.open_fee = ZERO
                self.opened_at = None
        if opened > 0:
            if self.quantity == 0:
                self.current_realized_pnl = ZERO
                self.opened_at = at
            size = self.size + opened
            self.entry_price = (self.entry_price * self.size + price * opened) / size
            self.quantity = side.sign * size
            self.open_fee += fee - close_fee
            self.current_realized_pnl -= fee - close_fee
        self.cumulative_realized_pnl += pnl - fee
        self.updated_at = at
        return closed_pnl


_BREAK_EVEN_FEE = Decimal("0.00055")
