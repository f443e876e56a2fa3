from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime

from alpha.domain.fill import Fill
from alpha.domain.ids import ExecId, Symbol


class KnownFills:
    """Fills of one account that this process has seen committed and that are not proven yet.

    What REST tells again with the same content need not be handed to the ledger again. Forgetting one costs a repeated
    insert that changes nothing, so the number is bounded.
    """

    def __init__(self, *, kept: int = 100_000) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._fills: OrderedDict[tuple[Symbol, ExecId], Fill] = OrderedDict()

    def committed(self, fills: Iterable[Fill]) -> None:
        with self._lock:
            for fill in fills:
                self._fills[(fill.symbol, fill.exec_id)] = fill
                if len(self._fills) > self._kept:
                    self._fills.popitem(last=False)

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
            for key in [key for key, fill in self._fills.items() if fill.exec_time < proven_until]:
                del self._fills[key]
