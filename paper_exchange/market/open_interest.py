"""Open interest, which the market does not model: a tenth of the volume of the day before stands in."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from alpha.domain.instrument import Instrument
from paper_exchange.market.columns import BarColumns

_DAY = timedelta(days=1)
_SHARE = 10


def open_interest(columns: BarColumns, instrument: Instrument, row: int) -> Decimal:
    """In base units, as it is when the given row opens."""
    volume = sum(columns.volume[max(0, row - _DAY // columns.interval) : row])
    return instrument.round_quantity(volume * columns.quantity_step / _SHARE)
