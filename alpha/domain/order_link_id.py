"""The order id we choose: made and stored before an order is sent, and the same again for the same decision."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from alpha.domain.clock import to_ms
from alpha.domain.errors import InvalidValue
from alpha.domain.ids import BotId, Symbol
from alpha.domain.quick_init import quick_init
from alpha.domain.reason import Reason

_CODE = re.compile(r"[a-z0-9]{2,6}")
_NONCE = re.compile(r"[a-z2-7]{20}")
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _LETTERS for second in _LETTERS]
_ALLOWED = re.compile(r"[A-Za-z0-9_-]{1,36}")


def is_bot_code(text: str) -> bool:
    """Whether the text may be a bot's `code` in bots.yaml: 2 to 6 of `[a-z0-9]`."""
    return _CODE.fullmatch(text) is not None


@quick_init
@dataclass(frozen=True, slots=True)
class OrderLinkId:
    """`<code>-<rr>-<nonce>`: whose order it is, why it was sent, and 100 bits of hash of the decision behind it.

    The nonce is a hash and not a random number, so that a bot which decides again after a crash makes the same id and
    the exchange refuses the duplicate (retCode 110072). At most 30 characters; Bybit allows 36 of `[A-Za-z0-9_-]`.
    """

    code: str
    reason: Reason
    nonce: str

    def __post_init__(self) -> None:
        if not is_bot_code(self.code):
            raise InvalidValue(f"bot code {self.code!r} must be 2 to 6 of [a-z0-9]")
        if not _NONCE.fullmatch(self.nonce):
            raise InvalidValue(f"nonce {self.nonce!r} must be 20 of [a-z2-7]")

    def __str__(self) -> str:
        return f"{self.code}-{self.reason.tag}-{self.nonce}"

    @classmethod
    def for_decision(
        cls, *, code: str, bot: BotId, run: str, symbol: Symbol, bar: datetime, reason: Reason, ordinal: int = 0
    ) -> OrderLinkId:
        """The id of one decision.

        `run` tells lifetimes of a bot's account apart (a replay of the same bars must not collide with an earlier
        one), `bar` is the start of the bar decided on, `ordinal` counts deliberate further tries.
        """
        decision = "\x1f".join([bot, run, symbol, str(to_ms(bar)), reason.value, str(ordinal)])
        return cls(code, reason, _nonce(hashlib.sha256(decision.encode()).digest()))

    @classmethod
    def parse(cls, text: str) -> OrderLinkId | None:
        """The parts of one of our ids, or None for any other text: foreign tags are kept, not parsed."""
        parts = text.split("-")
        if len(parts) != 3:
            return None
        code, tag, nonce = parts
        reason = Reason.from_tag(tag)
        if reason is None or not is_bot_code(code) or not _NONCE.fullmatch(nonce):
            return None
        return cls(code, reason, nonce)


def _nonce(digest: bytes) -> str:
    """The first 100 bits as base32, two letters at a time: the standard library's takes ten times as long."""
    bits = int.from_bytes(digest[:13], "big") >> 4
    return "".join([_PAIRS[bits >> shift & 0x3FF] for shift in range(90, -1, -10)])


def is_nonce(text: str) -> bool:
    """Whether the text may be what stands behind code and reason in an id of ours."""
    return _NONCE.fullmatch(text) is not None


def is_valid_order_link_id(text: str) -> bool:
    """Whether Bybit would take the text as orderLinkId (1 to 36 of `[A-Za-z0-9_-]`)."""
    return _ALLOWED.fullmatch(text) is not None
