from __future__ import annotations

from enum import StrEnum, unique

CONDITIONAL = "Stop"
"""stopOrderType of a conditional order that a client placed, as opposed to the stops of a position."""


@unique
class StopKind(StrEnum):
    """The stops a position can have. The values are Bybit's stopOrderType.

    There is one of each kind that covers the whole position; those of a part of it may be several.
    """

    TAKE_PROFIT = "TakeProfit"
    STOP_LOSS = "StopLoss"
    TRAILING_STOP = "TrailingStop"
    PARTIAL_TAKE_PROFIT = "PartialTakeProfit"
    PARTIAL_STOP_LOSS = "PartialStopLoss"

    @property
    def create_type(self) -> str:
        return f"CreateBy{self.value}"

    @property
    def takes_profit(self) -> bool:
        """Whether it waits for the price to move with the position."""
        return self in (StopKind.TAKE_PROFIT, StopKind.PARTIAL_TAKE_PROFIT)

    @property
    def is_partial(self) -> bool:
        return self in (StopKind.PARTIAL_TAKE_PROFIT, StopKind.PARTIAL_STOP_LOSS)
