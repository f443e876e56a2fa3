"""Redis follows the ledger: streams that end before it are filled from it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import redis
import structlog

from alpha.domain.ids import BotId
from alpha.ledger.connection import Connection, Dsn, LedgerError, connect
from alpha.ledger.drift import blocked_bots
from alpha.ledger.reading import bot_heads, fills_after
from alpha.live import fill_stream
from alpha.live.connection import LIVE_ERRORS

log = structlog.get_logger()
_EVERY_S = 1.0
_PAGE = 500


class Reconciler:
    """Compares the last id of each bot's stream with the ledger every second, and at once when told of a hole. Tells
    also which bots a disagreement forbids to open risk.

    A thread and a connection of its own: reading the ledger must not hold up live positions while PostgreSQL is away.
    """

    def __init__(
        self, dsn: Dsn, by_bot: Mapping[BotId, redis.Redis], *, on_blocked: Callable[[frozenset[BotId]], None]
    ) -> None:
        self._dsn, self._by_bot, self._on_blocked = dsn, by_bot, on_blocked
        self._wake = threading.Event()
        self._stopping = False
        self._connection: Connection | None = None
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="reconcile", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        self._thread.join(5)

    def hurry(self) -> None:
        """Compare now."""
        self._wake.set()

    def compare(self, connection: Connection) -> int:
        """One comparison of all bots; answers how many fills were put where they were missing."""
        # Streams first: what is in one was committed before, so it cannot end after the head that is read next.
        lasts = {bot: fill_stream.last_seq(client, bot) for bot, client in self._by_bot.items()}
        heads = bot_heads(connection)
        return sum(self._fill(connection, bot, last, heads.get(bot, 0)) for bot, last in lasts.items())

    def _fill(self, connection: Connection, bot: BotId, last: int, head: int) -> int:
        client = self._by_bot[bot]
        if last > head:
            log.warning("stream_of_another_ledger_dropped", bot=bot, last=last, head=head)
            fill_stream.forget(client, bot)
            last = 0
        began_at = last
        # Only the newest are kept in a stream; a bot that needs older ones reads the ledger.
        base = max(0, head - fill_stream.KEPT) if last < head - fill_stream.KEPT else 0
        last = max(last, base)
        while last < head and not self._stopping:
            page = fills_after(connection, bot, last, limit=_PAGE)
            if not page:
                break
            last = fill_stream.publish(client, bot, page, base=base)
        if last > began_at:
            log.info("stream_filled", bot=bot, after=began_at, last=last)
        return max(0, last - began_at)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = connect(self._dsn, "alpha-listener-reconcile")
                self._on_blocked(blocked_bots(self._connection))
                self.compare(self._connection)
                self._failing = False
            except (LedgerError, *LIVE_ERRORS) as error:
                if not self._failing:
                    log.warning("reconcile_waits", reason=str(error))
                self._failing = True
                if isinstance(error, LedgerError) and self._connection is not None:
                    self._connection.close()
            except Exception:
                log.exception("reconcile_failed")
            self._wake.wait(_EVERY_S)
        if self._connection is not None:
            self._connection.close()
