"""Redis follows the ledger: streams that end before it are filled from it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import redis
import structlog

from alpha.domain.ids import BotId
from alpha.ledger.bot_state import stored_states
from alpha.ledger.connection import Connection, Dsn, LedgerError, connect
from alpha.ledger.drift import EntryBlocks, entry_blocks
from alpha.ledger.reading import bot_heads
from alpha.live.bot_database import NotTheWriter
from alpha.live.bot_keys import fills_key
from alpha.live.bot_state import restore_state, state_key
from alpha.live.connection import LIVE_ERRORS
from alpha.live.databases import Command, CommandRefused, Databases, database_of
from alpha.live.refill import refill

log = structlog.get_logger()
_EVERY_S = 1.0


class Reconciler:
    """Compares the last id of each bot's stream with the ledger every second, and at once when told of a hole. Tells
    also which bots a disagreement forbids to open risk.

    Only databases that are ours to write (`epochs`) are looked at. A thread and a connection of its own: reading the
    ledger must not hold up live positions while PostgreSQL is away.
    """

    def __init__(
        self,
        dsn: Dsn,
        by_bot: Mapping[BotId, redis.Redis],
        epochs: Callable[[], Mapping[BotId, int]],
        *,
        on_blocked: Callable[[EntryBlocks], None],
    ) -> None:
        self._dsn, self._by_bot, self._epochs, self._on_blocked = dsn, by_bot, epochs, on_blocked
        self._databases: Databases | None = None
        self._heads: Mapping[BotId, int] = {}
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

    def compare(self, connection: Connection, *, after_loss: bool = False) -> int:
        """One comparison of all bots; answers how many fills were put where they were missing.

        `after_loss`: something is known to be missing, as after a flush, and what bots keep of themselves there is
        looked at too. Otherwise a stream counts as short only when it ends before where the ledger ended at the
        comparison before: what was committed since is about to be published by the live state.
        """
        epochs = {bot: epoch for bot, epoch in self._epochs().items() if bot in self._by_bot}
        if not epochs:
            return 0
        # Streams first: what is in one was committed before, so it cannot end after the head that is read next.
        lasts = self._lasts(epochs)
        heads_before, self._heads = self._heads, bot_heads(connection)
        filled = 0
        for bot, last in lasts.items():
            head = self._heads.get(bot, 0)
            if not after_loss and heads_before.get(bot, 0) <= last <= head:
                continue
            try:
                filled += refill(
                    connection,
                    self._by_bot[bot],
                    bot,
                    epoch=epochs[bot],
                    last=last,
                    head=head,
                    stop=lambda: self._stopping,
                )
            except NotTheWriter as refused:
                # The live state finds out by itself, and says so when the database is to be compared again.
                log.info("stream_not_filled", bot=bot, reason=str(refused))
        if after_loss:
            self._restore_states(connection, epochs)
        return filled

    def _lasts(self, bots: Mapping[BotId, int]) -> dict[BotId, int]:
        """The last number in each stream that can be read; 0 where there is none."""
        newest = self._ask(bots, lambda bot: ("XREVRANGE", fills_key(bot), "+", "-", "COUNT", 1))
        return {bot: int(str(entries[0][0]).split("-")[0]) if entries else 0 for bot, entries in newest.items()}

    def _restore_states(self, connection: Connection, epochs: Mapping[BotId, int]) -> None:
        there = self._ask(epochs, lambda bot: ("EXISTS", state_key(bot)))
        lost = [bot for bot, exists in there.items() if not exists]
        for bot, stored in stored_states(connection, lost).items():
            restore_state(self._by_bot[bot], bot, {"cursor": stored.cursor, **stored.state}, epoch=epochs[bot])

    def _ask(self, bots: Mapping[BotId, int], command: Callable[[BotId], Command]) -> dict[BotId, Any]:
        """The same command of each bot's database, without those that it was refused by."""
        if self._databases is None:
            self._databases = Databases(next(iter(self._by_bot.values())))
        if not self._databases.is_connected:
            self._databases.connect()
        answers = self._databases.ask([(database_of(self._by_bot[bot]), command(bot)) for bot in bots])
        answered = zip(bots, answers, strict=True)
        return {bot: answer for bot, answer in answered if not isinstance(answer, CommandRefused)}

    def _run(self) -> None:
        while not self._stopping:
            after_loss = self._wake.is_set()
            self._wake.clear()
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = connect(self._dsn, "alpha-listener-reconcile")
                self._on_blocked(entry_blocks(self._connection))
                self.compare(self._connection, after_loss=after_loss or self._failing)
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
        if self._databases is not None:
            self._databases.close()
