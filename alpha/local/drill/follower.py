"""A bot's view of a drill: its fills, read as a bot reads them, in the order in which they came."""

from __future__ import annotations

from queue import Empty, Queue

from alpha.bot.ledger_link import LedgerLink
from alpha.bot.readers import Event, FillReader, FillsArrived, Reader
from alpha.domain.ids import BotId, ExecId
from alpha.ledger.connection import Dsn
from alpha.live.connection import RedisAddress, open_redis

Seen = tuple[int | None, ExecId]
"""The number and the id under which a bot was told a fill."""


class Follower:
    """Follows the fills of one bot from the first on, through the bot's own reader and from the bot's own places."""

    def __init__(self, bot: BotId, redis: RedisAddress, redis_db: int, dsn: Dsn) -> None:
        self.bot = bot
        self._queue: Queue[Event] = Queue()
        self._redis = open_redis(redis, redis_db)
        self._link = LedgerLink(dsn, f"drill-{bot}", pooled=False)
        self._reader = Reader(f"follower-{bot}", FillReader(self._queue, self._redis, self._link, bot, after=0).step)
        self._seen: list[Seen] = []

    def start(self) -> None:
        self._reader.start()

    def stop(self) -> None:
        self._reader.stop()
        self._reader.join()
        self._redis.close()
        self._link.close()

    def seen(self) -> list[Seen]:
        """Everything the bot was told so far."""
        while True:
            try:
                event = self._queue.get_nowait()
            except Empty:
                return list(self._seen)
            if isinstance(event, FillsArrived):
                self._seen += [(each.bot_seq, each.fill.exec_id) for each in event.fills]
