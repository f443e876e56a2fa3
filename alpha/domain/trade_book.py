"""Average-cost accounting of one bot's position in one symbol: fills in, position and round trips out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from alpha.domain.errors import InvalidValue, InvariantViolated
from alpha.domain.fill import ExecType, ExecutionOrder, Fill
from alpha.domain.ids import ExecId
from alpha.domain.position import FLAT, ZERO, Position
from alpha.domain.quick_init import quick_init
from alpha.domain.reason import Reason
from alpha.domain.side import Direction, Side
from alpha.domain.trade import BookKey, Trade


@quick_init
@dataclass(frozen=True, slots=True)
class OpenTrade:
    """The round trip in progress: what has been entered and exited so far."""

    first_exec_id: ExecId
    opened_at: datetime
    direction: Direction
    entry_reason: Reason
    entered_quantity: Decimal
    entered_value: Decimal
    exited_quantity: Decimal
    exited_value: Decimal
    gross_pnl: Decimal
    fees: Decimal
    funding: Decimal
    fill_count: int


@quick_init
@dataclass(frozen=True, slots=True)
class TradeBook:
    """The state after folding fills in execution order. Immutable: `apply` gives the next one.

    Position: quantity-weighted average entry on increase, unchanged on reduce; one fill that flips closes one round
    trip and opens the next, its fee shared by quantity. Fees and funding are cash beside the price P&L; cash that
    belongs to no round trip (funding that settles a position already closed) is kept in the totals.
    Totals run over the book's whole life: `realized_pnl` is price P&L only, `net_pnl = realized_pnl - fees + funding`.
    """

    key: BookKey
    position: Position = FLAT
    open_trade: OpenTrade | None = None
    realized_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    fill_count: int = 0
    last: ExecutionOrder | None = None

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
        closed = fold.take(fill, reason)
        return fold.book(), () if closed is None else (closed,)


class BookFold:
    """A book while fills are folded into it: changed in place, since a new TradeBook for each fill is a good part of
    what recording one costs. `book` makes the one after the fills so far."""

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
        self._fill_count += 1
        fee = fill.fee
        if fill.exec_type is ExecType.FUNDING:
            self._funding -= fee
            if self._trip is not None:
                self._trip.funding -= fee
                self._trip.fill_count += 1
            return None
        self._fees += fee
        held, quantity = self._quantity, fill.quantity
        if not held or (held > 0) == (fill.side is Side.BUY):
            self._increase(fill, quantity, fee, reason)
            return None
        closing = abs(held)
        if quantity <= closing:
            return self._reduce(fill, quantity, fee, reason)
        # One fill that flips is of both round trips, its fee shared by quantity.
        closing_fee = fee * closing / quantity
        closed = self._reduce(fill, closing, closing_fee, reason)
        self._increase(fill, quantity - closing, fee - closing_fee, reason)
        return closed

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

    def _increase(self, fill: Fill, quantity: Decimal, fee: Decimal, reason: Reason) -> None:
        value = fill.price * quantity
        size = abs(self._quantity)
        trip = self._trip
        if trip is None:
            direction = Direction.LONG if fill.side is Side.BUY else Direction.SHORT
            trip = self._trip = _Trip(fill.exec_id, fill.exec_time, direction, reason)
        trip.entered_quantity += quantity
        trip.entered_value += value
        trip.fees += fee
        trip.fill_count += 1
        self._entry_price = (self._entry_price * size + value) / (size + quantity)
        self._quantity += quantity if fill.side is Side.BUY else -quantity

    def _reduce(self, fill: Fill, quantity: Decimal, fee: Decimal, reason: Reason) -> Trade | None:
        trip = self._trip
        if trip is None:
            raise InvariantViolated(f"{self._key} holds {self._quantity} without an open round trip")
        gross = (fill.price - self._entry_price) * quantity
        if trip.direction is Direction.SHORT:
            gross = -gross
        trip.exited_quantity += quantity
        trip.exited_value += fill.price * quantity
        trip.gross_pnl += gross
        trip.fees += fee
        trip.fill_count += 1
        self._realized_pnl += gross
        self._quantity += quantity if fill.side is Side.BUY else -quantity
        if self._quantity:
            return None
        self._entry_price, self._trip = ZERO, None
        return trip.closed(self._key, fill, reason)


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

    def closed(self, key: BookKey, last: Fill, reason: Reason) -> Trade:
        entered = self.entered_quantity
        if entered != self.exited_quantity:
            raise InvariantViolated(
                f"{key}: round trip {self.first_exec_id} entered {entered} and exited {self.exited_quantity}"
            )
        return Trade(
            key,
            self.first_exec_id,
            last.exec_id,
            self.direction,
            self.opened_at,
            last.exec_time,
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
    for fill, reason in sorted(fills, key=lambda pair: pair[0].execution_order):
        trade = folding.take(fill, reason)
        if trade is not None:
            closed.append(trade)
    return folding.book(), closed
