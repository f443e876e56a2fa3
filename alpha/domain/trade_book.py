"""Average-cost accounting of one bot's position in one symbol: fills in, position and round trips out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final, final

from alpha.domain.arithmetic import accounting
from alpha.domain.errors import InvalidValue, InvariantViolated
from alpha.domain.fill import ExecutionOrder, Fill
from alpha.domain.ids import ExecId
from alpha.domain.position import FLAT, ZERO, Position
from alpha.domain.reason import Reason
from alpha.domain.side import Direction
from alpha.domain.trade import BookKey, Trade

PNL_VERSION = 1
"""Which definition of P&L of docs/accounting.md this is. A change of what is computed here is a new definition."""


@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class OpenTrade:
    """The round trip in progress: what has been entered and exited so far."""

    first_exec_id: Final[ExecId]
    opened_at: Final[datetime]
    direction: Final[Direction]
    entry_reason: Final[Reason]
    entered_quantity: Final[Decimal]
    entered_value: Final[Decimal]
    exited_quantity: Final[Decimal]
    exited_value: Final[Decimal]
    gross_pnl: Final[Decimal]
    fees: Final[Decimal]
    funding: Final[Decimal]
    fill_count: Final[int]

    def __init__(
        self,
        first_exec_id: ExecId,
        opened_at: datetime,
        direction: Direction,
        entry_reason: Reason,
        entered_quantity: Decimal,
        entered_value: Decimal,
        exited_quantity: Decimal,
        exited_value: Decimal,
        gross_pnl: Decimal,
        fees: Decimal,
        funding: Decimal,
        fill_count: int,
    ) -> None:
        self.first_exec_id = first_exec_id
        self.opened_at = opened_at
        self.direction = direction
        self.entry_reason = entry_reason
        self.entered_quantity = entered_quantity
        self.entered_value = entered_value
        self.exited_quantity = exited_quantity
        self.exited_value = exited_value
        self.gross_pnl = gross_pnl
        self.fees = fees
        self.funding = funding
        self.fill_count = fill_count


@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class TradeBook:
    """The state after folding fills in execution order. Immutable: `apply` gives the next one.

    Position: quantity-weighted average entry on increase, unchanged on reduce; one fill that flips closes one round
    trip and opens the next, its fee shared by quantity. Fees and funding are cash beside the price P&L; cash that
    belongs to no round trip (funding that settles a position already closed) is kept in the totals. The price P&L of a
    closed round trip is exact: what came out less what went in.
    Totals run over the book's whole life: `realized_pnl` is price P&L only, `net_pnl = realized_pnl - fees + funding`.
    """

    key: Final[BookKey]
    position: Final[Position]
    open_trade: Final[OpenTrade | None]
    realized_pnl: Final[Decimal]
    fees: Final[Decimal]
    funding: Final[Decimal]
    fill_count: Final[int]
    last: Final[ExecutionOrder | None]

    def __init__(
        self,
        key: BookKey,
        position: Position = FLAT,
        open_trade: OpenTrade | None = None,
        realized_pnl: Decimal = ZERO,
        fees: Decimal = ZERO,
        funding: Decimal = ZERO,
        fill_count: int = 0,
        last: ExecutionOrder | None = None,
    ) -> None:
        self.key = key
        self.position = position
        self.open_trade = open_trade
        self.realized_pnl = realized_pnl
        self.fees = fees
        self.funding = funding
        self.fill_count = fill_count
        self.last = last

    @property
    def net_pnl(self) -> Decimal:
        return self.realized_pnl - self.fees + self.funding

    def is_late(self, fill: Fill) -> bool:
        """Whether the fill belongs before one that is already folded, so that the book must be refolded."""
        return self.last is not None and not _follows(fill, self.last)

    def with_opening(self, position: Position, *, at: datetime, name: str) -> TradeBook:
        """The book of a position that existed before the platform saw the account. Not a fill: it is in no ledger row.

        `name` stands where the first fill's id would.
        """
        if self.last is not None or not self.position.is_flat:
            raise InvalidValue(f"{self.key}: an opening position comes before any fill")
        if position.direction is None:
            return self
        opened = OpenTrade(
            first_exec_id=ExecId(name),
            opened_at=at,
            direction=position.direction,
            entry_reason=Reason.UNKNOWN,
            entered_quantity=position.size,
            entered_value=position.size * position.entry_price,
            exited_quantity=ZERO,
            exited_value=ZERO,
            gross_pnl=ZERO,
            fees=ZERO,
            funding=ZERO,
            fill_count=0,
        )
        return replace(self, position=position, open_trade=opened)

    def apply(self, fill: Fill, reason: Reason) -> tuple[TradeBook, tuple[Trade, ...]]:
        """The book after the fill and the round trips it closed (none or one).

        Raises InvalidValue for a fill of another book or one out of execution order.
        """
        fold = BookFold(self)
        with accounting():
            closed = fold.take(fill, reason)
        return fold.book(), () if closed is None else (closed,)


class BookFold:
    """A book while fills are folded into it: changed in place, since a new TradeBook for each fill is a good part of
    what recording one costs. `book` makes the one after the fills so far. Fold within `accounting()`."""

    __slots__ = (
        "_entry_price",
        "_fees",
        "_fill_count",
        "_funding",
        "_key",
        "_last",
        "_quantity",
        "_realized_pnl",
        "_trip",
    )

    def __init__(self, book: TradeBook) -> None:
        self._key = book.key
        self._quantity, self._entry_price = book.position.quantity, book.position.entry_price
        self._trip = None if book.open_trade is None else _Trip.of(book.open_trade)
        self._realized_pnl, self._fees, self._funding = book.realized_pnl, book.fees, book.funding
        self._fill_count = book.fill_count
        self._last: Fill | ExecutionOrder | None = book.last

    def take(self, fill: Fill, reason: Reason) -> Trade | None:
        """Folds the next fill; answers the round trip it closed, if any. Raises as `TradeBook.apply` does; the fold is
        of no use then."""
        last = self._last
        if fill.symbol != self._key.symbol or fill.account != self._key.account:
            raise InvalidValue(f"fill {fill.exec_id} of {fill.account} {fill.symbol} is not of {self._key}")
        if last is not None and not _follows(fill, last):
            raise InvalidValue(f"fill {fill.exec_id} is late for {self._key}: refold the book instead")
        self._last = fill
        is_funding = not fill.exec_type.moves_position
        buys = fill.side.sign > 0
        return self.add(fill.exec_id, fill.exec_time, is_funding, buys, fill.price, fill.quantity, fill.fee, reason)

    def add(
        self,
        exec_id: ExecId,
        exec_time: datetime,
        is_funding: bool,
        buys: bool,
        price: Decimal,
        quantity: Decimal,
        fee: Decimal,
        reason: Reason,
    ) -> Trade | None:
        """What `take` does with a fill, for who has millions of them, each known to be the book's and the next in
        execution order. Say with `ended_with` where they end."""
        self._fill_count += 1
        if is_funding:
            self._funding -= fee
            if self._trip is not None:
                self._trip.funding -= fee
                self._trip.fill_count += 1
            return None
        self._fees += fee
        held = self._quantity
        if not held or (held > 0) == buys:
            self._increase(exec_id, exec_time, buys, price, quantity, fee, reason)
            return None
        closing = abs(held)
        if quantity <= closing:
            return self._reduce(exec_id, exec_time, buys, price, quantity, fee, reason)
        # One fill that flips is of both round trips, its fee shared by quantity.
        closing_fee = fee * closing / quantity
        closed = self._reduce(exec_id, exec_time, buys, price, closing, closing_fee, reason)
        self._increase(exec_id, exec_time, buys, price, quantity - closing, fee - closing_fee, reason)
        return closed

    def ended_with(self, last: ExecutionOrder) -> None:
        """The place of the last fill that was added."""
        self._last = last

    @property
    def quantity(self) -> Decimal:
        """Signed, in base units."""
        return self._quantity

    @property
    def totals(self) -> tuple[Decimal, Decimal, Decimal, int]:
        """Over the book's whole life: realized P&L, fees, funding, number of fills."""
        return self._realized_pnl, self._fees, self._funding, self._fill_count

    def book(self) -> TradeBook:
        last = self._last
        return TradeBook(
            self._key,
            Position(self._quantity, self._entry_price) if self._quantity else FLAT,
            None if self._trip is None else self._trip.frozen(),
            self._realized_pnl,
            self._fees,
            self._funding,
            self._fill_count,
            last.execution_order if isinstance(last, Fill) else last,
        )

    def _increase(
        self,
        exec_id: ExecId,
        exec_time: datetime,
        buys: bool,
        price: Decimal,
        quantity: Decimal,
        fee: Decimal,
        reason: Reason,
    ) -> None:
        value = price * quantity
        trip = self._trip
        if trip is None:
            trip = self._trip = _Trip(exec_id, exec_time, Direction.LONG if buys else Direction.SHORT, reason)
            self._entry_price = price
        else:
            size = abs(self._quantity)
            self._entry_price = (self._entry_price * size + value) / (size + quantity)
        trip.entered_quantity += quantity
        trip.entered_value += value
        trip.fees += fee
        trip.fill_count += 1
        self._quantity += quantity if buys else -quantity

    def _reduce(
        self,
        exec_id: ExecId,
        exec_time: datetime,
        buys: bool,
        price: Decimal,
        quantity: Decimal,
        fee: Decimal,
        reason: Reason,
    ) -> Trade | None:
        trip = self._trip
        if trip is None:
            raise InvariantViolated(f"{self._key} holds {self._quantity} without an open round trip")
        trip.exited_quantity += quantity
        trip.exited_value += price * quantity
        trip.fees += fee
        trip.fill_count += 1
        self._quantity += quantity if buys else -quantity
        if self._quantity:
            gross = (price - self._entry_price) * quantity
            if trip.direction.sign < 0:
                gross = -gross
            trip.gross_pnl += gross
            self._realized_pnl += gross
            return None
        # What went in and what came out are exact, where an average entry price ends after 28 digits: the last fill
        # brings the difference to what was booked so far, and no digit is lost or made up.
        gross = trip.exited_value - trip.entered_value
        if trip.direction.sign < 0:
            gross = -gross
        self._realized_pnl += gross - trip.gross_pnl
        trip.gross_pnl = gross
        self._entry_price, self._trip = ZERO, None
        return trip.closed(self._key, exec_id, exec_time, reason)


class _Trip:
    """An OpenTrade that is changed in place."""

    __slots__ = (
        "direction",
        "entered_quantity",
        "entered_value",
        "entry_reason",
        "exited_quantity",
        "exited_value",
        "fees",
        "fill_count",
        "first_exec_id",
        "funding",
        "gross_pnl",
        "opened_at",
    )

    def __init__(self, first_exec_id: ExecId, opened_at: datetime, direction: Direction, entry_reason: Reason) -> None:
        self.first_exec_id, self.opened_at = first_exec_id, opened_at
        self.direction, self.entry_reason = direction, entry_reason
        self.entered_quantity = self.entered_value = self.exited_quantity = self.exited_value = ZERO
        self.gross_pnl = self.fees = self.funding = ZERO
        self.fill_count = 0

    @classmethod
    def of(cls, trade: OpenTrade) -> _Trip:
        trip = cls(trade.first_exec_id, trade.opened_at, trade.direction, trade.entry_reason)
        trip.entered_quantity, trip.entered_value = trade.entered_quantity, trade.entered_value
        trip.exited_quantity, trip.exited_value = trade.exited_quantity, trade.exited_value
        trip.gross_pnl, trip.fees, trip.funding = trade.gross_pnl, trade.fees, trade.funding
        trip.fill_count = trade.fill_count
        return trip

    def frozen(self) -> OpenTrade:
        return OpenTrade(
            self.first_exec_id,
            self.opened_at,
            self.direction,
            self.entry_reason,
            self.entered_quantity,
            self.entered_value,
            self.exited_quantity,
            self.exited_value,
            self.gross_pnl,
            self.fees,
            self.funding,
            self.fill_count,
        )

    def closed(self, key: BookKey, exec_id: ExecId, exec_time: datetime, reason: Reason) -> Trade:
        entered = self.entered_quantity
        if entered != self.exited_quantity:
            raise InvariantViolated(
                f"{key}: round trip {self.first_exec_id} entered {entered} and exited {self.exited_quantity}"
            )
        return Trade(
            key,
            self.first_exec_id,
            exec_id,
            self.direction,
            self.opened_at,
            exec_time,
            entered,
            self.entered_value / entered,
            self.exited_value / entered,
            self.gross_pnl,
            self.fees,
            self.funding,
            self.fill_count,
            self.entry_reason,
            reason,
        )


def _follows(fill: Fill, last: Fill | ExecutionOrder) -> bool:
    """Whether the fill comes after the last one in execution order. Nearly always the time or `seq` tells."""
    if fill.exec_time != last.exec_time:
        return fill.exec_time > last.exec_time
    if fill.seq != last.seq:
        return fill.seq > last.seq
    return fill.execution_order > (last.execution_order if isinstance(last, Fill) else last)


def fold(book: TradeBook, fills: Iterable[tuple[Fill, Reason]]) -> tuple[TradeBook, list[Trade]]:
    """The book after all the fills, which may come in any arrival order, and the round trips they closed."""
    folding = BookFold(book)
    closed = []
    with accounting():
        for fill, reason in sorted(fills, key=lambda pair: pair[0].execution_order):
            trade = folding.take(fill, reason)
            if trade is not None:
                closed.append(trade)
    return folding.book(), closed
