"""`alpha listener` that also notes when each fill was queued and when its commit was known.

Run as `python -m benchmarks.probed_listener FILE`. At its end it writes `{exec id: [received, committed]}` to FILE, in
seconds since 1970. Nothing else differs from the listener: the notes are taken where it counts its commits anyway.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from alpha import cli
from websocket_listener.bookkeeping import Bookkeeping
from websocket_listener.writer import Committed


def main() -> None:
    notes = Path(sys.argv[1])
    sys.argv = ["alpha", "listener"]
    heard: dict[str, tuple[float, float]] = {}
    count = Bookkeeping.told

    def told(self: Bookkeeping, committed: Committed) -> None:
        at = committed.at.timestamp()
        for recorded in committed.result.recorded:
            heard[recorded.fill.exec_id] = (recorded.received_at.timestamp(), at)
        count(self, committed)

    setattr(Bookkeeping, "told", told)  # noqa: B010 - mypy takes no assignment to a method
    try:
        cli.main()
    finally:
        notes.write_text(json.dumps(heard))


if __name__ == "__main__":
    main()
