"""The bus wakes the notifier, and tells it of alerts while the ledger is away."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import structlog

from alpha.ledger.alerts import Alert
from alpha.live import bus
from alpha.live.answers import entries_after, newest_id
from alpha.live.connection import BUS_DB, LIVE_ERRORS, RedisAddress, open_redis
from alpha.service.alerts import alert_of_text

log = structlog.get_logger(__name__)

_FOLLOWED = (bus.ALERTS, bus.FILLS)
# As long as the end of the process may have to wait for it.
_BLOCK_MS = 300
_PAUSE_S = 1.0


class BusFollower:
    """Follows alerts and fills in a thread of its own. What it misses is in the ledger, which is asked every second."""

    def __init__(
        self, address: RedisAddress, *, on_alert: Callable[[Alert], None], on_fills: Callable[[], None]
    ) -> None:
        self._client = open_redis(address, BUS_DB, timeout_s=5.0)
        self._on_alert, self._on_fills = on_alert, on_fills
        self._after: dict[str, str] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bus", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(3)
        self._client.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._read()
            except LIVE_ERRORS as error:
                log.warning("bus_away", error=str(error))
                self._stopping.wait(_PAUSE_S)

    def _read(self) -> None:
        for stream in _FOLLOWED:
            if stream not in self._after:
                # Not "$", which is the end at each look anew: what came between two of them would never be read.
                self._after[stream] = newest_id(self._client, stream) or "0"
        found = entries_after(self._client, self._after, limit=500, block_ms=_BLOCK_MS)
        for stream, entries in found.items():
            self._after[stream] = entries[-1][0]
        if bus.FILLS in found:
            self._on_fills()
        for _, entry in found.get(bus.ALERTS, []):
            try:
                self._on_alert(alert_of_text(entry["message"]))
            except (KeyError, TypeError, ValueError, json.JSONDecodeError):
                log.warning("bus_alert_not_readable", message=entry)
