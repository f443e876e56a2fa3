"""The order id we choose: made and stored before an order is sent, and the same again for the same decision."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, final

from alpha.domain.clock import to_ms
from alpha.domain.errors import InvalidValue
from alpha.domain.ids import BotId, Symbol
from alpha.domain.reason import REASONS, Reason

_CODE: Final = re.compile(r"[a-z0-9]{2,6}")
_NONCE: Final = re.compile(r"[a-z2-7]{20}")
_PARTS: Final = re.compile(r"([a-z0-9]{2,6})-([a-z]{2})-([a-z2-7]{20})")
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS: Final = [first + second for first in _LETTERS for second in _LETTERS]
_LONGEST: Final = 36
# Copied for every id: to begin a hash anew takes as long as all the rest of one.
_UNBEGUN: Final = hashlib.sha256()


@lru_cache(maxsize=256)
def is_bot_code(text: str) -> bool:
    """Whether the text may be a bot's `code` in bots.yaml: 2 to 6 of `[a-z0-9]`."""
    return _CODE.fullmatch(text) is not None


@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class OrderLinkId:
    """`<code>-<rr>-<nonce>`: whose order it is, why it was sent, and 100 bits of hash of the decision behind it.

    The nonce is a hash and not a random number, so that a bot which decides again after a crash makes the same id and
    the exchange refuses the duplicate (retCode 110072). At most 30 characters; Bybit allows 36 of `[A-Za-z0-9_-]`.
    """

    code: Final[str]
    reason: Final[Reason]
    nonce: Final[str]

    def __init__(self, code: str, reason: Reason, nonce: str) -> None:
        self.code = code
        self.reason = reason
        self.nonce = nonce
        if not is_bot_code(code):
            raise InvalidValue(f"bot code {code!r} must be 2 to 6 of [a-z0-9]")
        if not is_nonce(nonce):
            raise InvalidValue(f"nonce {nonce!r} must be 20 of [a-z2-7]")

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
        return cls(code, reason, _nonce_of(bot, run, symbol, bar, reason, ordinal))

    @classmethod
    def parse(cls, text: str) -> OrderLinkId | None:
        """The parts of one of our ids, or None for any other text: foreign tags are kept, not parsed."""
        found = _PARTS.fullmatch(text)
        reason = None if found is None else Reason.from_tag(found[2])
        return None if found is None or reason is None else cls(found[1], reason, found[3])


def order_link_id_for(
    code: str, bot: BotId, run: str, symbol: Symbol, bar: datetime, reason: Reason, ordinal: int
) -> str:
    """`str(OrderLinkId.for_decision(...))` for a code that is known to be one, without taking it to pieces again."""
    return f"{code}-{reason.tag}-{_nonce_of(bot, run, symbol, bar, reason, ordinal)}"


def reason_told_by(text: str) -> Reason | None:
    """The reason in one of our ids, which `parse` finds too but makes more of, or None for any other text."""
    found = _PARTS.fullmatch(text)
    return None if found is None else REASONS.get(found[2])


def _nonce_of(bot: BotId, run: str, symbol: Symbol, bar: datetime, reason: Reason, ordinal: int) -> str:
    """The first 100 bits of the hash as base32, two letters at a time: the standard library's takes ten times as
    long."""
    decision = f"{bot}\x1f{run}\x1f{symbol}\x1f{to_ms(bar)}\x1f{reason}\x1f{ordinal}"
    digest = _UNBEGUN.copy()
    digest.update(decision.encode())
    bits = int.from_bytes(digest.digest()[:13], "big") >> 4
    high, low = bits >> 50, bits & 0x3FFFFFFFFFFFF
    return (
        f"{_PAIRS[high >> 40]}{_PAIRS[high >> 30 & 1023]}{_PAIRS[high >> 20 & 1023]}{_PAIRS[high >> 10 & 1023]}"
        f"{_PAIRS[high & 1023]}{_PAIRS[low >> 40]}{_PAIRS[low >> 30 & 1023]}{_PAIRS[low >> 20 & 1023]}"
        f"{_PAIRS[low >> 10 & 1023]}{_PAIRS[low & 1023]}"
    )


def is_nonce(text: str) -> bool:
    """Whether the text may be what stands behind code and reason in an id of ours."""
    return _NONCE.fullmatch(text) is not None


def is_valid_order_link_id(text: str) -> bool:
    """Whether Bybit would take the text as orderLinkId: 1 to 36 of `[A-Za-z0-9_-]`."""
    # In this way because every order is asked, and a regular expression takes twice as long.
    return len(text) <= _LONGEST and text.isascii() and text.replace("-", "0").replace("_", "0").isalnum()
