"""The load of a drill: orders at a steady rate, and bursts of them while something is broken."""

from __future__ import annotations

import math
import queue
import threading
import time
from pathlib import Path

import structlog

from alpha.domain.ids import AccountName, BotId
from alpha.domain.reason import Reason
from alpha.local.drill.orders import DrillOrder, OrderSource
from alpha.local.exchange_admin import AdminUnreachable, ExchangeAdmin

log = structlog.get_logger()

_TICK_S = 0.1
_MOST_AT_ONCE = 200
_RETRY_S = 0.1
_FILLS_PER_ORDER = 1.4


class JournalCounter:
    """How many executions the exchange's journal holds, read on from where the last look ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._lines = 0
        self._lock = threading.Lock()

    def count(self) -> int:
        with self._lock:
            try:
                with self._path.open("rb") as file:
                    file.seek(self._offset)
                    read = file.read()
            except FileNotFoundError:
                return self._lines
            whole = read[: read.rfind(b"\n") + 1]
            self._offset += len(whole)
            self._lines += whole.count(b"\n")
            return self._lines


class Load:
    """Trades from a thread of its own. What it sent, and for whom, is kept for the judge."""

    def __init__(self, source: OrderSource, admin: ExchangeAdmin, executed: JournalCounter) -> None:
        self._source, self._admin, self._executed = source, admin, executed
        self._bursts: queue.SimpleQueue[tuple[AccountName | None, int]] = queue.SimpleQueue()
        self._rate = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self.tags: dict[str, tuple[BotId, Reason]] = {}
        """Order link id -> whose order it is and why. What is not in here was placed by hand."""
        self.refused = 0
        self.failure: Exception | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Trades no more. What was sent has been executed when it returns."""
        self._stopping.set()
        self._thread.join()

    def pace(self, fills_per_s: float) -> None:
        """So many fills a second from now on; 0 for none but bursts."""
        self._rate = fills_per_s

    def burst(self, fills: int, account: AccountName | None = None) -> None:
        """So many fills now, of one account or of any."""
        if fills > 0:
            self._bursts.put((account, fills))

    def _run(self) -> None:
        owed = 0.0
        before = time.monotonic()
        try:
            while not self._stopping.is_set():
                now = time.monotonic()
                owed = min(owed + self._rate * (now - before), self._rate * 2)
                before = now
                while not self._bursts.empty():
                    account, fills = self._bursts.get()
                    self._trade(fills, account)
                if owed >= 1:
                    owed -= self._trade(math.floor(owed), None)
                self._stopping.wait(_TICK_S)
        except Exception as error:  # noqa: BLE001 - told by whoever waits for the load
            self.failure = error

    def _trade(self, fills: int, account: AccountName | None) -> int:
        """At least so many fills, unless told to stop; how many it were."""
        began = self._executed.count()
        done = 0
        while done < fills and not self._stopping.is_set():
            wanted = math.ceil((fills - done) / _FILLS_PER_ORDER)
            orders = [self._source.next(account) for _ in range(min(_MOST_AT_ONCE, wanted))]
            self._send(orders)
            done = self._executed.count() - began
        return done

    def _send(self, orders: list[DrillOrder]) -> None:
        """Until the exchange has taken them: one that was cut off may have, and knows the ids that it has."""
        self.tags |= {
            order.order_link_id: (order.bot, order.reason) for order in orders if order.reason is not Reason.MANUAL
        }
        rows = [order.to_json() for order in orders]
        while True:
            try:
                self.refused += self._admin.trade(rows)
            except AdminUnreachable:
                if self._stopping.wait(_RETRY_S):
                    return
            else:
                return
