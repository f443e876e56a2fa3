from __future__ import annotations

import random


class Backoff:
    """How long to wait before the next attempt: doubling, capped, with jitter so that many clients do not return at
    once. The first wait is short, because most breaks are over at once."""

    def __init__(self, *, first_s: float = 0.1, cap_s: float = 15.0, rng: random.Random | None = None) -> None:
        if not 0 < first_s <= cap_s:
            raise ValueError(f"backoff from {first_s} s to {cap_s} s cannot be")
        self._first_s = first_s
        self._cap_s = cap_s
        self._rng = rng or random.Random()
        self.attempts = 0

    def next_delay_s(self) -> float:
        """The next wait: between half and all of `first * 2^attempts`, at most the cap."""
        # The exponent is bounded as well: after days of failing 2**attempts would not fit a float.
        full = min(self._cap_s, self._first_s * 2.0 ** min(self.attempts, 32))
        self.attempts += 1
        return full * (0.5 + self._rng.random() / 2)

    def reset(self) -> None:
        """After a success: the next wait is the first one again."""
        self.attempts = 0
