from __future__ import annotations

from datetime import timedelta

import structlog

from alpha.bot.fill import BotFill
from alpha.bot.ledger_link import LedgerLink
from alpha.bot.progress import Progress
from alpha.config.registry import BotConfig
from alpha.domain.ids import Symbol
from alpha.ledger.connection import LedgerError
from alpha.ledger.folding import OpeningPosition
from alpha.ledger.opening_positions import openings_of

log = structlog.get_logger()

_LATE = timedelta(hours=1)


class Beginnings:
    """Which of a bot's fills are from before the platform first saw its account.

    A backfill records them, months later, and they get their numbers like any other. The position that the bot began
    with includes them already, so they are counted and not handled.
    """

    def __init__(self, bot: BotConfig, link: LedgerLink, progress: Progress) -> None:
        self._bot, self._link, self._progress = bot, link, progress
        self._openings: dict[Symbol, OpeningPosition] = {}

    def include(self, fill: BotFill) -> bool:
        """Whether the fill is in what the bot began with. The ledger is asked at the first fill that comes late."""
        if fill.symbol not in self._openings:
            if fill.at > self._progress.latest - _LATE:
                return False
            self._read()
        opening = self._openings.get(fill.symbol)
        return opening is not None and opening.includes(fill.fill)

    def _read(self) -> None:
        try:
            openings = self._link.run(lambda connection: openings_of(connection, self._bot.account))
        except LedgerError as error:
            log.warning("beginnings_unknown", reason=str(error))
            return
        # Both rows of a symbol in hedge mode were seen at the same moment.
        self._openings = {each.key.symbol: each for each in openings if each.key.bot == self._bot.id}
