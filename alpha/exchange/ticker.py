from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import Decimal

from alpha.domain.ids import Symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticker:
    """Prices of a symbol. A field is None where it is unset, or where an update does not mention it.

    `at` is the clock of the stream's frames.
    """

    symbol: Symbol
    at: datetime
    last_price: Decimal | None = None
    mark_price: Decimal | None = None
    index_price: Decimal | None = None
    bid_price: Decimal | None = None
    ask_price: Decimal | None = None
    funding_rate: Decimal | None = None
    next_funding_at: datetime | None = None

    def updated(self, change: Ticker) -> Ticker:
        """This ticker with whatever the change mentions."""
        told = {field.name: getattr(change, field.name) for field in fields(change)}
        return replace(self, **{name: value for name, value in told.items() if value is not None})
