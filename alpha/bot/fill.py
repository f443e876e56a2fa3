from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, final

from mypy_extensions import mypyc_attr

from alpha.domain.fill import Fill
from alpha.domain.ids import Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side


@mypyc_attr(acyclic=True)
@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class BotFill:
    """One of the bot's own fills: `seq` is its gapless number, `reason` why it happened."""

    seq: Final[int]
    fill: Final[Fill]
    reason: Final[Reason]

    def __init__(self, seq: int, fill: Fill, reason: Reason) -> None:
        self.seq = seq
        self.fill = fill
        self.reason = reason

    @property
    def symbol(self) -> Symbol:
        return self.fill.symbol

    @property
    def side(self) -> Side:
        return self.fill.side

    @property
    def price(self) -> Decimal:
        return self.fill.price

    @property
    def quantity(self) -> Decimal:
        return self.fill.quantity

    @property
    def fee(self) -> Decimal:
        """Above 0 paid, below 0 received; for funding the payment itself."""
        return self.fill.fee

    @property
    def at(self) -> datetime:
        """When the exchange executed it (market clock)."""
        return self.fill.exec_time

    @property
    def position_change(self) -> Decimal:
        """Signed change of the position in base units; 0 for funding."""
        return self.fill.position_change
