"""Random numbers that depend on what they are drawn for, not on when or after what."""

from __future__ import annotations

import hashlib

_RANGE = float(1 << 64)


class Draws:
    """The draws of one fault of a script: the same seed, place in the script and subject give the same number."""

    __slots__ = ("_name",)

    def __init__(self, seed: int, place: int) -> None:
        self._name = f"{seed}\x1f{place}"

    def fraction(self, *subject: str | int) -> float:
        """At least 0, below 1."""
        name = "\x1f".join([self._name, *map(str, subject)])
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / _RANGE
