from __future__ import annotations

import hashlib


class Ids:
    """Ids as hashes of the seed and of what they name, in the shape of a UUID.

    Nothing is counted that depends on the order in which requests arrived, so the same requests make the same ids
    however they were interleaved.
    """

    __slots__ = ("_seed",)

    def __init__(self, seed: int) -> None:
        self._seed = str(seed)

    def make(self, *parts: str | int) -> str:
        """The id of what the parts name; the same parts always give the same id."""
        name = "\x1f".join([self._seed, *map(str, parts)])
        digest = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"
