"""What a strategy may ask and do. Everything a strategy knows of the world besides bars and fills comes from here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum, unique
from typing import Final, Protocol, final

from mypy_extensions import mypyc_attr

from alpha.bot.result import Performance
from alpha.domain.ids import Symbol
from alpha.domain.instrument import Instrument
from alpha.domain.order import TimeInForce
from alpha.domain.position import Position
from alpha.domain.reason import Reason
from alpha.domain.side import Side


@unique
class OutcomeStatus(StrEnum):
    """What became of a request to the broker."""

    ACCEPTED = "accepted"
    """The exchange took it (now or before: a repeated decision finds its order already there)."""
    DENIED = "denied"
    """Our own gate said no; nothing was sent."""
    REFUSED = "refused"
    """The exchange said no."""
    NOT_SENT = "not_sent"
    """The exchange could not be reached; nothing was done."""
    UNKNOWN = "unknown"
    """Sent, and nobody can say yet what became of it. The runner keeps asking; no new entry goes out meanwhile."""


_ACCEPTED: Final = OutcomeStatus.ACCEPTED


@mypyc_attr(acyclic=True)
@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class Outcome:
    """The answer to every request. `code` is stable and short, `text` is for people."""

    status: Final[OutcomeStatus]
    code: Final[str]
    text: Final[str]
    order_link_id: Final[str | None]

    def __init__(self, status: OutcomeStatus, code: str = "", text: str = "", order_link_id: str | None = None) -> None:
        self.status = status
        self.code = code
        self.text = text
        self.order_link_id = order_link_id

    @property
    def accepted(self) -> bool:
        return self.status is _ACCEPTED


@mypyc_attr(acyclic=True)
@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class HeldPosition:
    """The bot's position in a symbol as the platform holds it, with the stops the exchange keeps for it.

    Prices that are not set are None; `trailing_stop` is a distance. `seq` grows with every change.
    """

    symbol: Final[Symbol]
    position: Final[Position]
    mark_price: Final[Decimal | None]
    stop_loss: Final[Decimal | None]
    take_profit: Final[Decimal | None]
    trailing_stop: Final[Decimal | None]
    seq: Final[int]

    def __init__(
        self,
        symbol: Symbol,
        position: Position,
        mark_price: Decimal | None = None,
        stop_loss: Decimal | None = None,
        take_profit: Decimal | None = None,
        trailing_stop: Decimal | None = None,
        seq: int = -1,
    ) -> None:
        self.symbol = symbol
        self.position = position
        self.mark_price = mark_price
        self.stop_loss = stop_loss
        self.take_profit = take_profit
        self.trailing_stop = trailing_stop
        self.seq = seq

    @property
    def is_flat(self) -> bool:
        return not self.position.quantity

    @property
    def quantity(self) -> Decimal:
        """Signed: below 0 when short."""
        return self.position.quantity

    @property
    def entry_price(self) -> Decimal:
        return self.position.entry_price

    def marked(self, mark_price: Decimal | None) -> HeldPosition:
        """The same at another mark price."""
        return HeldPosition(
            self.symbol,
            self.position,
            mark_price,
            self.stop_loss,
            self.take_profit,
            self.trailing_stop,
            self.seq,
        )


class Broker(Protocol):
    """Prices and quantities are rounded to the instrument here: prices to the tick, quantities down to the step.

    Requests answer with an Outcome and do not raise for what the exchange or the gate says.
    """

    @property
    def now(self) -> datetime:
        """Market time of what is being decided: the end of the bar, the time of the fill."""
        ...

    def instrument(self, symbol: Symbol) -> Instrument: ...

    def position(self, symbol: Symbol) -> HeldPosition | None:
        """The position, or None when it is not known (which is not the same as flat)."""
        ...

    def equity(self) -> Decimal | None:
        """What the bot may size by, in USDT: its declared capital on a shared account, else the account's equity."""
        ...

    def mark_price(self, symbol: Symbol) -> Decimal | None: ...

    def performance(self) -> Performance | None:
        """What the bot made today, this week and this month, and its drawdown; None when a price needed for it, or the
        equity, is not known."""
        ...

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
        """A market order. With any reason but `entry` it only reduces. The stops go with the order, so that the
        position never exists without them."""
        ...

    def limit(
        self,
        symbol: Symbol,
        side: Side,
        quantity: Decimal,
        price: Decimal,
        *,
        reason: Reason = Reason.ENTRY,
        time_in_force: TimeInForce = TimeInForce.GTC,
        take_profit: Decimal | None = None,
        stop_loss: Decimal | None = None,
    ) -> Outcome:
        """A limit order; its price is rounded to a tick that is never worse for the sender."""
        ...

    def close(self, symbol: Symbol, reason: Reason) -> Outcome:
        """Close the whole position at market. Code `flat` when there is nothing to close."""
        ...

    def stop_loss(self, symbol: Symbol, price: Decimal) -> Outcome:
        """Set or move the stop of the open position at the exchange, and verify that it is there."""
        ...

    def take_profit(self, symbol: Symbol, price: Decimal) -> Outcome: ...

    def trailing_stop(self, symbol: Symbol, distance: Decimal, *, activation_price: Decimal | None = None) -> Outcome:
        """Set the trailing stop of the open position at the exchange, and verify that it is there. `distance` is in
        price units; it trails from `activation_price` on, or at once."""
        ...

    def cancel(self, symbol: Symbol, order_link_id: str) -> Outcome: ...

    def set_leverage(self, symbol: Symbol, leverage: Decimal) -> Outcome: ...

    def alert(self, kind: str, text: str, *, symbol: Symbol | None = None) -> None:
        """Tell the trader something that is worth reading now."""
        ...
