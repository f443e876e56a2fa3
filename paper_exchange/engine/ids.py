from __future__ import annotations

from hashlib import blake2b


class Ids:
    """Ids as hashes of the seed and of what they name, in the shape of a UUID.

    Nothing is counted that depends on the order in which requests arrived, so the same requests make the same ids
    however they were interleaved.
    """

    __slots__ = ("_begun",)

    def __init__(self, seed: int) -> None:
        self._begun = blake2b(f"{seed}\x1f".encode(), digest_size=16)

    def under(self, *parts: str) -> Ids:
        """Those that begin with these parts: `under("a").make("b")` is `make("a", "b")`, for whoever makes many."""
        deeper = Ids.__new__(Ids)
        deeper._begun = self._begun.copy()
        deeper._begun.update("".join(f"{part}\x1f" for part in parts).encode())
        return deeper

    def make(self, *parts: str) -> str:
        """The id of what the parts name; the same parts always give the same id."""
        whole = self._begun.copy()
        whole.update("\x1f".join(parts).encode())
        digest = whole.hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


def execution_id(order_id: str, number: int) -> str:
    """The id of an order's n-th execution, from 1 on: that of the order with the number for its last four digits.

    An order's id is a hash already, so its executions need none of their own.
    """
    return f"{order_id[:32]}{number:04x}"
