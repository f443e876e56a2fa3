from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple


class QuietRange(NamedTuple):
    """Prices strictly between the two touch nobody."""

    low: Decimal
    high: Decimal
