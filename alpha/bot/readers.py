"""Threads that wait for Redis and put what they hear into the bot's one queue. They decide nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import Queue

import redis
import structlog

from alpha.bot.ledger_link import LedgerLink
from alpha.domain.bar import Bar
from alpha.domain.ids import BotId, Symbol
from alpha.domain.order import Order
from alpha.ledger.connection import LedgerError
from alpha.ledger.fills import RecordedFill
from alpha.ledger.reading import fills_after
from alpha.live import fill_stream, market, order_stream
from alpha.live.connection import LIVE_ERRORS, LiveStateError
from alpha.live.fill_stream import CursorTooOld

log = structlog.get_logger()

_BLOCK_MS = 500
_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class FillsArrived:
    fills: list[RecordedFill]


@dataclass(frozen=True, slots=True)
class BarsArrived:
    bars: list[Bar]


@dataclass(frozen=True, slots=True)
class BarsUnreachable:
    """Redis cannot be read: bars have to come from elsewhere."""


@dataclass(frozen=True, slots=True)
class OrdersArrived:
    orders: list[Order]


Event = FillsArrived | BarsArrived | BarsUnreachable | OrdersArrived


class Reader:
    """A thread that calls `step` until it is stopped; one that raises is logged and repeated after a pause. What is
    away is logged once."""

    def __init__(self, name: str, step: Callable[[], None]) -> None:
        self._name = name
        self._step = step
        self._ending = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()

    def join(self) -> None:
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._step()
            except (*LIVE_ERRORS, LiveStateError, LedgerError) as error:
                if not self._failing:
                    log.warning("reader_failing", reader=self._name, error=str(error))
                self._failing = True
                self._ending.wait(_PAUSE_S)
            except Exception:
                # The outermost loop: a thread that ended would leave the bot deaf while its heart beats on.
                log.exception("reader_failed", reader=self._name)
                self._failing = True
                self._ending.wait(_PAUSE_S)
            else:
                if self._failing:
                    log.info("reader_recovered", reader=self._name)
                self._failing = False


class FillReader:
    """The bot's fills after a cursor: from its stream, or from the ledger where the stream does not reach back or
    cannot be read."""

    def __init__(self, queue: Queue[Event], client: redis.Redis, link: LedgerLink, bot: BotId, after: int) -> None:
        self._queue = queue
        self._client = client
        self._link = link
        self._bot = bot
        self._after = after

    def step(self) -> None:
        try:
            fills = fill_stream.read(self._client, self._bot, after=self._after, block_ms=_BLOCK_MS)
        except CursorTooOld:
            fills = self._from_ledger()
        except (*LIVE_ERRORS, LiveStateError):
            self._deliver(self._from_ledger())
            raise
        self._deliver(fills)

    def _from_ledger(self) -> list[RecordedFill]:
        return self._link.run(lambda connection: fills_after(connection, self._bot, self._after))

    def _deliver(self, fills: list[RecordedFill]) -> None:
        if fills:
            self._after = fills[-1].bot_seq or self._after
            self._queue.put(FillsArrived(fills))


class BarReader:
    """Closed bars of the bot's symbols after those it has."""

    def __init__(
        self, queue: Queue[Event], client: redis.Redis, interval: timedelta, after: dict[Symbol, datetime | None]
    ) -> None:
        self._queue = queue
        self._client = client
        self._interval = interval
        self._after = after

    def step(self) -> None:
        try:
            bars = market.read_bars(self._client, self._interval, self._after, block_ms=_BLOCK_MS)
        except (*LIVE_ERRORS, LiveStateError):
            self._queue.put(BarsUnreachable())
            raise
        if bars:
            self._after |= {bar.symbol: bar.start for bar in bars}
            self._queue.put(BarsArrived(bars))


class OrderReader:
    """Reports of the bot's orders after a stream id."""

    def __init__(self, queue: Queue[Event], client: redis.Redis, bot: BotId, after: str) -> None:
        self._queue = queue
        self._client = client
        self._bot = bot
        self._after = after

    def step(self) -> None:
        entries = order_stream.read(self._client, self._bot, after=self._after, block_ms=_BLOCK_MS)
        if entries:
            self._after = entries[-1][0]
            self._queue.put(OrdersArrived([order for _, order in entries]))
