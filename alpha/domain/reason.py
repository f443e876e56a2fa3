from __future__ import annotations

from enum import StrEnum, unique
from typing import Final


@unique
class Reason(StrEnum):
    """Why an order was sent or a fill happened. Stored by value; `tag` is its two letters in an order link id."""

    ENTRY = "entry"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    TRAILING_STOP = "trailing_stop"
    REGIME_EXIT = "regime_exit"
    TIME_EXIT = "time_exit"
    MA_EXIT = "ma_exit"
    FLATTEN = "flatten"
    LIQUIDATION = "liquidation"
    ADL = "adl"
    FUNDING = "funding"
    SETTLEMENT = "settlement"
    MANUAL = "manual"
    UNKNOWN = "unknown"

    # Both are set below, once: what every order and fill asks must not cost a look-up.
    tag: str
    opens_risk: bool
    """Only an entry opens risk; whatever else a bot sends reduces it."""

    @classmethod
    def from_tag(cls, tag: str) -> Reason | None:
        """The reason of two letters, or None for letters that name none."""
        return REASONS.get(tag)


_TAGS = {
    Reason.ENTRY: "en",
    Reason.STOP_LOSS: "sl",
    Reason.TAKE_PROFIT: "tp",
    Reason.TRAILING_STOP: "ts",
    Reason.REGIME_EXIT: "rx",
    Reason.TIME_EXIT: "tx",
    Reason.MA_EXIT: "mx",
    Reason.FLATTEN: "fl",
    Reason.LIQUIDATION: "lq",
    Reason.ADL: "ad",
    Reason.FUNDING: "fu",
    Reason.SETTLEMENT: "se",
    Reason.MANUAL: "ma",
    Reason.UNKNOWN: "uk",
}
for _reason, _tag in _TAGS.items():
    _reason.tag, _reason.opens_risk = _tag, _reason is Reason.ENTRY
REASONS: Final = {tag: reason for reason, tag in _TAGS.items()}
"""By their two letters."""
