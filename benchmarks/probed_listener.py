"""`alpha listener` that also notes when each fill was handed to the writer and when its commit was known.

Run as `python -m benchmarks.probed_listener FILE`. At its end it writes `{exec id: [queued, committed]}` to FILE, in
seconds since 1970. Nothing else differs from the listener: the notes are taken where it asks whether fills have to wait
for recovery, right before they are queued, and where it counts its commits.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from alpha import cli
from alpha.ledger.fills import RecordResult
from websocket_listener.bookkeeping import Bookkeeping
from websocket_listener.held_fills import HeldFills
from websocket_listener.write_queue import Heard


def main() -> None:
    notes = Path(sys.argv[1])
    sys.argv = ["alpha", "listener"]
    queued: dict[str, float] = {}
    committed: dict[str, float] = {}
    count, offer = Bookkeeping.told, HeldFills.offer

    def told(self: Bookkeeping, result: RecordResult) -> None:
        at = result.known_at.timestamp()
        committed.update({recorded.fill.exec_id: at for recorded in result.recorded})
        count(self, result)

    def offered(self: HeldFills, fills: Sequence[Heard]) -> bool:
        holds = offer(self, fills)
        at = time.time()
        queued.update({heard.fill.exec_id: at for heard in fills})
        return holds

    setattr(Bookkeeping, "told", told)  # noqa: B010 - mypy takes no assignment to a method
    setattr(HeldFills, "offer", offered)  # noqa: B010
    try:
        cli.main()
    finally:
        # What recovery brought was never in the stream's queue.
        noted = {exec_id: (queued[exec_id], at) for exec_id, at in committed.items() if exec_id in queued}
        notes.write_text(json.dumps(noted))


if __name__ == "__main__":
    main()
