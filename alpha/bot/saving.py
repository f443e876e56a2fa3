from __future__ import annotations

import time
from typing import Any

import redis
import structlog

from alpha.bot.checkpoint import Checkpoint
from alpha.bot.errors import LeaseLost
from alpha.bot.ledger_link import LedgerLink
from alpha.domain.ids import BotId
from alpha.ledger.bot_state import save_state
from alpha.ledger.connection import LedgerRefused, LedgerUnavailable
from alpha.live.bot_state import write_state
from alpha.live.connection import LIVE_ERRORS

log = structlog.get_logger()

_RETRY_S = 1.0


class StateSaver:
    """Cursor and state in one UPDATE, and a copy in Redis. While the ledger is away the newest waits to be saved: what
    is handled again after a crash makes the same order ids."""

    def __init__(self, link: LedgerLink, own: redis.Redis, bot: BotId) -> None:
        self._link = link
        self._own = own
        self._bot = bot
        self._waiting: tuple[int, dict[str, Any]] | None = None
        self._retry_at = 0.0

    @property
    def is_behind(self) -> bool:
        return self._waiting is not None

    def save(self, cursor: int, checkpoint: Checkpoint) -> None:
        """Raises LeaseLost when another copy of the bot has gone further."""
        failing = self._waiting is not None
        self._waiting = (cursor, checkpoint.model_dump(mode="json"))
        if not failing or time.monotonic() >= self._retry_at:
            self._write()

    def retry(self) -> None:
        """Save what waits, if something does and it is time."""
        if self._waiting is not None and time.monotonic() >= self._retry_at:
            self._write()

    def _write(self) -> None:
        if self._waiting is None:
            return
        cursor, state = self._waiting
        try:
            self._link.run(lambda connection: save_state(connection, self._bot, cursor, state))
        except LedgerUnavailable as error:
            if not self._retry_at:
                log.warning("state_not_saved", error=str(error))
            self._retry_at = time.monotonic() + _RETRY_S
            return
        except LedgerRefused as error:
            raise LeaseLost(f"the state of {self._bot} cannot be saved: {error}") from error
        self._waiting = None
        self._retry_at = 0.0
        try:
            write_state(self._own, self._bot, {"cursor": cursor, **state})
        except LIVE_ERRORS:
            # A copy for whoever looks; the row in the ledger is what counts.
            log.debug("state_not_mirrored")
