from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime
from itertools import islice

from alpha.domain.fill import Fill
from alpha.domain.ids import ExecId, Symbol


class KnownFills:
    """Fills of one account that this process has seen committed and that are not proven yet.

    What REST tells again with the same content need not be handed to the ledger again. Forgetting one costs a repeated
    insert that changes nothing, so of a burst only the newest are kept: 20 MB of them.
    """

    def __init__(self, *, kept: int = 10_000) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._fills: dict[tuple[Symbol, ExecId], Fill] = {}

    def committed(self, fills: Iterable[Fill]) -> None:
        # On the writer's thread, so nothing more than this is done here with each of them.
        known = [((fill.symbol, fill.exec_id), fill) for fill in fills]
        with self._lock:
            self._fills.update(known)
            if len(self._fills) > self._kept:
                # Many at once: finding the oldest passes over all the places that were left empty since.
                for key in list(islice(self._fills, len(self._fills) - self._kept + self._kept // 10)):
                    del self._fills[key]

    def lacking(self, fills: Iterable[Fill]) -> list[Fill]:
        """Those that are not known, or known with other content."""
        with self._lock:
            return [
                fill
                for fill in fills
                if (known := self._fills.get((fill.symbol, fill.exec_id))) is None or known.differences(fill)
            ]

    def forget(self, ids: Iterable[tuple[Symbol, ExecId]]) -> None:
        """The ledger turned out not to hold them."""
        with self._lock:
            for key in ids:
                self._fills.pop(key, None)

    def forget_all(self) -> None:
        """What was seen committed says nothing of the ledger as it is now."""
        with self._lock:
            self._fills.clear()

    def forget_before(self, proven_until: datetime) -> None:
        """They will not be asked for again."""
        with self._lock:
            self._fills = {key: fill for key, fill in self._fills.items() if fill.exec_time >= proven_until}
