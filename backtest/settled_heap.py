from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def settled_heap() -> Iterator[None]:
    """Within it the collector of cycles leaves alone what is there already: the platform's modules and the recordings,
    in which it would look for garbage again and again, and find none."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
