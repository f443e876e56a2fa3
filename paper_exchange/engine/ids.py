from __future__ import annotations

from hashlib import blake2b
from typing import Final


class Ids:
    """Ids as hashes of the seed and of what they name, in the shape of a UUID.

    Nothing is counted that depends on the order in which requests arrived, so the same requests make the same ids
    however they were interleaved.
    """

    __slots__ = ("_begun", "_first", "_seed")

    def __init__(self, seed: int, *first: str) -> None:
        """Every id begins with the parts `first`."""
        self._seed = seed
        self._first = first
        self._begun = blake2b("".join(f"{part}\x1f" for part in (str(seed), *first)).encode(), digest_size=16)

    def under(self, *parts: str) -> Ids:
        """Those that begin with these parts: `under("a").make("b")` is `make("a", "b")`, for whoever makes many."""
        return Ids(self._seed, *self._first, *parts)

    def make(self, *parts: str) -> str:
        """The id of what the parts name; the same parts always give the same id."""
        whole = self._begun.copy()
        whole.update("\x1f".join(parts).encode())
        digest = whole.hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


_LAST_DIGITS: Final = [f"{number:04x}" for number in range(256)]
"""Of the first executions of an order, which are all that most have."""


def execution_id(order_id: str, number: int) -> str:
    """The id of an order's n-th execution, from 1 on: that of the order with the number for its last four digits.

    An order's id is a hash already, so its executions need none of their own.
    """
    return order_id[:32] + (_LAST_DIGITS[number] if number < len(_LAST_DIGITS) else f"{number:04x}")
