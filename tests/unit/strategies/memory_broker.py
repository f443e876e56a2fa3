"""A second implementation of the Broker protocol: what a strategy asks for is written down, what it may see is set."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from alpha.bot import Broker, HeldPosition, Outcome, OutcomeStatus
from alpha.domain.ids import Symbol
from alpha.domain.instrument import Instrument
from alpha.domain.order import TimeInForce
from alpha.domain.position import FLAT, Position
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from tests.unit.bot.parts import START, an_instrument

YES = Outcome(status=OutcomeStatus.ACCEPTED, order_link_id="id")
NO = Outcome(status=OutcomeStatus.REFUSED, code="110007", text="ab not enough for new order")


@dataclass(frozen=True)
class Sent:
    """One order asked for."""

    symbol: Symbol
    side: Side
    quantity: Decimal
    reason: Reason
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None


@dataclass
class MemoryBroker:
    now: datetime = START
    funds: Decimal | None = Decimal(10_000)
    marks: dict[Symbol, Decimal] = field(default_factory=dict)
    positions: dict[Symbol, HeldPosition | None] = field(default_factory=dict)
    answer: Outcome = YES
    leverage_answer: Outcome = YES
    stop_answer: Outcome = YES
    sent: list[Sent] = field(default_factory=list)
    trailing: list[tuple[Symbol, Decimal, Decimal | None]] = field(default_factory=list)
    stop_losses: list[tuple[Symbol, Decimal]] = field(default_factory=list)
    leverage: dict[Symbol, Decimal] = field(default_factory=dict)
    alerts: list[tuple[str, Symbol | None]] = field(default_factory=list)

    def hold(self, symbol: Symbol, quantity: str, price: str = "0", *, stop_loss: str | None = "1") -> HeldPosition:
        position = Position(Decimal(quantity), Decimal(price)) if Decimal(quantity) else FLAT
        held = HeldPosition(
            symbol=symbol, position=position, stop_loss=None if stop_loss is None else Decimal(stop_loss)
        )
        self.positions[symbol] = held
        return held

    def instrument(self, symbol: Symbol) -> Instrument:
        return an_instrument(symbol)

    def position(self, symbol: Symbol) -> HeldPosition | None:
        return self.positions.get(symbol, HeldPosition(symbol=symbol, position=FLAT))

    def equity(self) -> Decimal | None:
        return self.funds

    def mark_price(self, symbol: Symbol) -> Decimal | None:
        return self.marks.get(symbol)

    def market(
        self,
        symbol: Symbol,
        side: Side,
        quantity: Decimal,
        *,
        reason: Reason = Reason.ENTRY,
        take_profit: Decimal | None = None,
        stop_loss: Decimal | None = None,
    ) -> Outcome:
        self.sent.append(Sent(symbol, side, quantity, reason, take_profit, stop_loss))
        return self.answer

    def limit(
        self,
        symbol: Symbol,
        side: Side,
        quantity: Decimal,
        price: Decimal,  # noqa: ARG002
        *,
        reason: Reason = Reason.ENTRY,
        time_in_force: TimeInForce = TimeInForce.GTC,  # noqa: ARG002
        take_profit: Decimal | None = None,
        stop_loss: Decimal | None = None,
    ) -> Outcome:
        return self.market(symbol, side, quantity, reason=reason, take_profit=take_profit, stop_loss=stop_loss)

    def close(self, symbol: Symbol, reason: Reason) -> Outcome:
        held = self.position(symbol)
        assert held is not None
        direction = held.position.direction
        assert direction is not None
        return self.market(symbol, direction.entry_side.opposite, held.position.size, reason=reason)

    def stop_loss(self, symbol: Symbol, price: Decimal) -> Outcome:
        self.stop_losses.append((symbol, price))
        return self.stop_answer

    def take_profit(self, symbol: Symbol, price: Decimal) -> Outcome:  # noqa: ARG002
        return self.stop_answer

    def trailing_stop(self, symbol: Symbol, distance: Decimal, *, activation_price: Decimal | None = None) -> Outcome:
        self.trailing.append((symbol, distance, activation_price))
        return self.stop_answer

    def cancel(self, symbol: Symbol, order_link_id: str) -> Outcome:  # noqa: ARG002
        return YES

    def set_leverage(self, symbol: Symbol, leverage: Decimal) -> Outcome:
        if self.leverage_answer.accepted:
            self.leverage[symbol] = leverage
        return self.leverage_answer

    def alert(self, kind: str, text: str, *, symbol: Symbol | None = None) -> None:  # noqa: ARG002
        self.alerts.append((kind, symbol))


def _is_a_broker(broker: MemoryBroker) -> Broker:
    return broker
