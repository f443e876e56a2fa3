"""Whether the fills of a book close what the exchange says they closed."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from alpha.domain.ids import ExecId
from alpha.domain.position import ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosingDisagreement:
    """A fill of which the exchange says that it reduced the position by `said`, while of the `held` (signed) that the
    fills before it make only `folded` could be reduced; base units. Something before it is missing, wrong or
    another's; or it is itself."""

    exec_id: ExecId
    held: Decimal
    said: Decimal
    folded: Decimal


def closed_of(held: Decimal, buys: bool, quantity: Decimal) -> Decimal:
    """How much of a position of `held` (signed) a trade of `quantity` reduces."""
    return min(abs(held), quantity) if held and (held > 0) != buys else ZERO
