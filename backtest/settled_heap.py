from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_NEWEST: Final = 0
_ALL_NEW: Final = 1
"""Generations of the collector: what is frozen is in none."""


@contextmanager
def settled_heap() -> Iterator[None]:
    """Within it the collector of cycles leaves alone what is there already: the platform's modules and the recordings,
    in which it would look for garbage again and again, and find none. At what is new it looks when told to (`settle`),
    and at the end: an engine with open positions is a ring, and what would be frozen again by the next backtest of this
    process would never be found."""
    was_enabled = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.collect(_ALL_NEW)
        gc.unfreeze()
        if was_enabled:
            gc.enable()


def settle() -> None:
    """Collect what is garbage of all that is new since the last time. What is not is left alone until the end: mostly
    orders and fills, which the collector by itself would go through again whenever there are a quarter more of them."""
    gc.collect(_NEWEST)
