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
from alpha.domain.reason import Reason
from alpha.domain.side import Direction, Side
from alpha.domain.trade import BookKey, Trade


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
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
        return self.last is not None and fill.execution_order <= self.last

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
        order = fill.execution_order
        if fill.symbol != self.key.symbol or fill.account != self.key.account:
            raise InvalidValue(f"fill {fill.exec_id} of {fill.account} {fill.symbol} is not of {self.key}")
        if self.last is not None and order <= self.last:
            raise InvalidValue(f"fill {fill.exec_id} is late for {self.key}: refold the book instead")
        if fill.exec_type is ExecType.FUNDING:
            return self._with_funding(-fill.fee, order), ()
        held, quantity = self.position.quantity, fill.quantity
        if not held or (held > 0) == (fill.side is Side.BUY):
            return self._increased(fill, quantity, fill.fee, reason, order), ()
        closing = abs(held)
        if quantity <= closing:
            return self._reduced(fill, quantity, fill.fee, reason, order)
        closing_fee = fill.fee * closing / quantity
        flat, trades = self._reduced(fill, closing, closing_fee, reason, order)
        opened = flat._increased(fill, quantity - closing, fill.fee - closing_fee, reason, order)
        # The flip is one fill, counted when it closed.
        return replace(opened, fill_count=flat.fill_count), trades

    # Books and round trips are made whole below: dataclasses.replace takes several times as long, and folding is a good
    # part of what recording a fill costs.

    def _with_funding(self, received: Decimal, order: ExecutionOrder) -> TradeBook:
        trade = self.open_trade
        if trade is not None:
            trade = replace(trade, funding=trade.funding + received, fill_count=trade.fill_count + 1)
        return TradeBook(
            key=self.key,
            position=self.position,
            open_trade=trade,
            realized_pnl=self.realized_pnl,
            fees=self.fees,
            funding=self.funding + received,
            fill_count=self.fill_count + 1,
            last=order,
        )

    def _increased(
        self, fill: Fill, quantity: Decimal, fee: Decimal, reason: Reason, order: ExecutionOrder
    ) -> TradeBook:
        sign = 1 if fill.side is Side.BUY else -1
        value = fill.price * quantity
        held = self.position
        size = abs(held.quantity) + quantity
        entry_price = (held.entry_price * abs(held.quantity) + value) / size
        trade = self.open_trade
        if trade is None:
            trade = OpenTrade(
                first_exec_id=fill.exec_id,
                opened_at=fill.exec_time,
                direction=Direction.LONG if sign > 0 else Direction.SHORT,
                entry_reason=reason,
                entered_quantity=quantity,
                entered_value=value,
                exited_quantity=ZERO,
                exited_value=ZERO,
                gross_pnl=ZERO,
                fees=fee,
                funding=ZERO,
                fill_count=1,
            )
        else:
            trade = OpenTrade(
                first_exec_id=trade.first_exec_id,
                opened_at=trade.opened_at,
                direction=trade.direction,
                entry_reason=trade.entry_reason,
                entered_quantity=trade.entered_quantity + quantity,
                entered_value=trade.entered_value + value,
                exited_quantity=trade.exited_quantity,
                exited_value=trade.exited_value,
                gross_pnl=trade.gross_pnl,
                fees=trade.fees + fee,
                funding=trade.funding,
                fill_count=trade.fill_count + 1,
            )
        return TradeBook(
            key=self.key,
            position=Position(sign * size, entry_price),
            open_trade=trade,
            realized_pnl=self.realized_pnl,
            fees=self.fees + fee,
            funding=self.funding,
            fill_count=self.fill_count + 1,
            last=order,
        )

    def _reduced(
        self, fill: Fill, quantity: Decimal, fee: Decimal, reason: Reason, order: ExecutionOrder
    ) -> tuple[TradeBook, tuple[Trade, ...]]:
        trade = self.open_trade
        if trade is None:
            raise InvariantViolated(f"{self.key} holds {self.position.quantity} without an open round trip")
        gross = (fill.price - self.position.entry_price) * quantity * trade.direction.sign
        trade = OpenTrade(
            first_exec_id=trade.first_exec_id,
            opened_at=trade.opened_at,
            direction=trade.direction,
            entry_reason=trade.entry_reason,
            entered_quantity=trade.entered_quantity,
            entered_value=trade.entered_value,
            exited_quantity=trade.exited_quantity + quantity,
            exited_value=trade.exited_value + fill.price * quantity,
            gross_pnl=trade.gross_pnl + gross,
            fees=trade.fees + fee,
            funding=trade.funding,
            fill_count=trade.fill_count + 1,
        )
        left = self.position.quantity + (quantity if fill.side is Side.BUY else -quantity)
        after = TradeBook(
            key=self.key,
            position=Position(left, self.position.entry_price) if left else FLAT,
            open_trade=trade if left else None,
            realized_pnl=self.realized_pnl + gross,
            fees=self.fees + fee,
            funding=self.funding,
            fill_count=self.fill_count + 1,
            last=order,
        )
        return after, () if left else (self._closed(trade, fill, reason),)

    def _closed(self, trade: OpenTrade, last: Fill, reason: Reason) -> Trade:
        if trade.entered_quantity != trade.exited_quantity:
            raise InvariantViolated(
                f"{self.key}: round trip {trade.first_exec_id} entered {trade.entered_quantity} "
                f"and exited {trade.exited_quantity}"
            )
        return Trade(
            key=self.key,
            first_exec_id=trade.first_exec_id,
            last_exec_id=last.exec_id,
            direction=trade.direction,
            opened_at=trade.opened_at,
            closed_at=last.exec_time,
            quantity=trade.entered_quantity,
            entry_price=trade.entered_value / trade.entered_quantity,
            exit_price=trade.exited_value / trade.exited_quantity,
            gross_pnl=trade.gross_pnl,
            fees=trade.fees,
            funding=trade.funding,
            fill_count=trade.fill_count,
            entry_reason=trade.entry_reason,
            exit_reason=reason,
        )


def fold(book: TradeBook, fills: Iterable[tuple[Fill, Reason]]) -> tuple[TradeBook, list[Trade]]:
    """The book after all the fills, which may come in any arrival order, and the round trips they closed."""
    closed: list[Trade] = []
    for fill, reason in sorted(fills, key=lambda pair: pair[0].execution_order):
        book, trades = book.apply(fill, reason)
        closed.extend(trades)
    return book, closed
