from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import Final

from alpha.domain.fill import Fill
from alpha.domain.ids import ExecId, Symbol

_MOST_KEPT: Final = 1_000
_KEPT_BY_ALL: Final = 5_000


def kept_by_each(accounts: int) -> int:
    """How many each of so many accounts may keep: as long as they are not many, about a megabyte of them."""
    return min(_MOST_KEPT, _KEPT_BY_ALL // accounts)


class KnownFills:
    """Fills of one account that this process has seen committed and that are not proven yet.

    What REST tells again with the same content need not be handed to the ledger again. Forgetting one costs a repeated
    insert that changes nothing, so of a burst only the newest are kept: `kept` that were asked for, and as many that
    were committed since.
    """

    def __init__(self, *, kept: int = _MOST_KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        # The writer's thread only lays them down; who asks for them puts them where they are found.
        self._newest: deque[Fill] = deque(maxlen=kept)
        self._fills: dict[tuple[Symbol, ExecId], Fill] = {}

    def committed(self, fills: Iterable[Fill]) -> None:
        with self._lock:
            self._newest.extend(fills)

    def lacking(self, fills: Iterable[Fill]) -> list[Fill]:
        """Those that are not known, or known with other content."""
        with self._lock:
            known = self._found()
            return [
                fill
                for fill in fills
                if (recorded := known.get((fill.symbol, fill.exec_id))) is None or recorded.differences(fill)
            ]

    def forget(self, ids: Iterable[tuple[Symbol, ExecId]]) -> None:
        """The ledger turned out not to hold them."""
        with self._lock:
            known = self._found()
            for key in ids:
                known.pop(key, None)

    def forget_all(self) -> None:
        """What was seen committed says nothing of the ledger as it is now."""
        with self._lock:
            self._newest.clear()
            self._fills.clear()

    def forget_before(self, proven_until: datetime) -> None:
        """They will not be asked for again."""
        with self._lock:
            self._fills = {key: fill for key, fill in self._found().items() if fill.exec_time >= proven_until}

    def _found(self) -> dict[tuple[Symbol, ExecId], Fill]:
        """All of them, by what they are asked for; the oldest are forgotten beyond the bound."""
        self._fills.update([((fill.symbol, fill.exec_id), fill) for fill in self._newest])
        self._newest.clear()
        for key in list(islice(self._fills, max(0, len(self._fills) - self._kept))):
            del self._fills[key]
        return self._fills
