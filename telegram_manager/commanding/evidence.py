"""What the exchange showed while everything of an account was closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from alpha.domain.ids import AccountName, OrderId, Symbol
from alpha.domain.side import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """One reducing market order that was sent. `quantity` in base units."""

    symbol: Symbol
    side: Side
    quantity: Decimal
    order_link_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A position that is still open: signed quantity in base units."""

    symbol: Symbol
    position_idx: int
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEvidence:
    """How far one account is. Times are our wall clock, durations count from when it was ordered.

    `proven`: a reading that was begun after the last change of ours showed no order and no position, twice.
    `orders_left` and `positions_left` are those of the newest reading, None before the first one.
    """

    account: AccountName
    proven: bool
    first_cancel_s: float | None
    """When the first request to cancel was sent."""
    orders_cancelled: tuple[OrderId, ...]
    closes: tuple[Close, ...]
    last_change_at: datetime | None
    """When the exchange had answered our last cancel or close."""
    reading_at: datetime | None
    """When the newest reading was begun."""
    orders_left: int | None
    positions_left: tuple[Left, ...] | None
    readings: int
    errors: int
    last_error: str
    took_s: float

    def as_json(self) -> dict[str, Any]:
        return {
            "account": self.account,
            "proven": self.proven,
            "first_cancel_ms": None if self.first_cancel_s is None else round(self.first_cancel_s * 1000, 1),
            "orders_cancelled": list(self.orders_cancelled),
            "closes": [
                {
                    "symbol": close.symbol,
                    "side": close.side.value,
                    "quantity": str(close.quantity),
                    "order_link_id": close.order_link_id,
                }
                for close in self.closes
            ],
            "last_change_at": _text(self.last_change_at),
            "reading_at": _text(self.reading_at),
            "orders_left": self.orders_left,
            "positions_left": None
            if self.positions_left is None
            else {f"{left.symbol}:{left.position_idx}": str(left.quantity) for left in self.positions_left},
            "readings": self.readings,
            "errors": self.errors,
            "last_error": self.last_error,
            "took_ms": round(self.took_s * 1000),
        }


def evidence_json(accounts: Mapping[AccountName, AccountEvidence]) -> dict[str, Any]:
    """As it is kept in `trading.kills`."""
    return {"accounts": [accounts[name].as_json() for name in sorted(accounts)]}


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds")
