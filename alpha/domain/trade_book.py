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
from alpha.domain.side import Direction
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
        if (fill.account, fill.symbol) != (self.key.account, self.key.symbol):
            raise InvalidValue(f"fill {fill.exec_id} of {fill.account} {fill.symbol} is not of {self.key}")
        if self.is_late(fill):
            raise InvalidValue(f"fill {fill.exec_id} is late for {self.key}: refold the book instead")
        counted = replace(self, fill_count=self.fill_count + 1, last=fill.execution_order)
        if fill.exec_type is ExecType.FUNDING:
            return counted._with_funding(-fill.fee), ()
        held, change = self.position.quantity, fill.position_change
        if held * change >= 0:
            return counted._increased(fill, fill.quantity, fill.fee, reason), ()
        if fill.quantity <= abs(held):
            return counted._reduced(fill, fill.quantity, fill.fee, reason)
        closing = abs(held)
        closing_fee = fill.fee * closing / fill.quantity
        flat, trades = counted._reduced(fill, closing, closing_fee, reason)
        return flat._increased(fill, fill.quantity - closing, fill.fee - closing_fee, reason), trades

    def _with_funding(self, received: Decimal) -> TradeBook:
        trade = self.open_trade
        if trade is not None:
            trade = replace(trade, funding=trade.funding + received, fill_count=trade.fill_count + 1)
        return replace(self, open_trade=trade, funding=self.funding + received)

    def _increased(self, fill: Fill, quantity: Decimal, fee: Decimal, reason: Reason) -> TradeBook:
        value = fill.price * quantity
        size = self.position.size + quantity
        entry_price = (self.position.entry_price * self.position.size + value) / size
        trade = self.open_trade
        if trade is None:
            trade = OpenTrade(
                first_exec_id=fill.exec_id,
                opened_at=fill.exec_time,
                direction=Direction.LONG if fill.side.sign > 0 else Direction.SHORT,
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
            trade = replace(
                trade,
                entered_quantity=trade.entered_quantity + quantity,
                entered_value=trade.entered_value + value,
                fees=trade.fees + fee,
                fill_count=trade.fill_count + 1,
            )
        return replace(
            self,
            position=Position(fill.side.sign * size, entry_price),
            open_trade=trade,
            fees=self.fees + fee,
        )

    def _reduced(
        self, fill: Fill, quantity: Decimal, fee: Decimal, reason: Reason
    ) -> tuple[TradeBook, tuple[Trade, ...]]:
        trade = self.open_trade
        if trade is None:
            raise InvariantViolated(f"{self.key} holds {self.position.quantity} without an open round trip")
        gross = (fill.price - self.position.entry_price) * quantity * trade.direction.sign
        trade = replace(
            trade,
            exited_quantity=trade.exited_quantity + quantity,
            exited_value=trade.exited_value + fill.price * quantity,
            gross_pnl=trade.gross_pnl + gross,
            fees=trade.fees + fee,
            fill_count=trade.fill_count + 1,
        )
        left = self.position.quantity + fill.side.sign * quantity
        after = replace(
            self,
            position=Position(left, self.position.entry_price) if left else FLAT,
            open_trade=trade if left else None,
            realized_pnl=self.realized_pnl + gross,
            fees=self.fees + fee,
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
