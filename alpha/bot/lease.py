"""One lease per bot on the database's clock: of two copies one trades, the other waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from alpha.bot.ledger_link import LedgerLink
from alpha.domain.ids import BotId
from alpha.ledger.connection import LedgerError
from alpha.ledger.leases import release_lease, renew_lease, take_lease

log = structlog.get_logger()

TTL_S = 10.0
RENEW_EVERY_S = 2.0
_SURE_FOR_S = TTL_S - 2.0
"""How long after asking for it the lease is relied on without a renewal: shorter than it lasts, so that this copy has
stopped opening risk before another one may begin."""


def lease_name(bot: BotId) -> str:
    return f"bot:{bot}"


class Lease:
    """Takes, renews (in a thread of its own) and gives back the lease of one bot."""

    def __init__(
        self, link: LedgerLink, bot: BotId, holder: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._link = link
        self._name = lease_name(bot)
        self._holder = holder
        self._clock = clock
        self._sure_until = 0.0
        self._lost = False
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._renew_until_ended, name="lease", daemon=True)

    def is_held(self) -> bool:
        """Whether this process may open risk as far as the lease goes."""
        return not self._lost and self._clock() < self._sure_until

    @property
    def is_lost(self) -> bool:
        """Another copy has it: this one must end."""
        return self._lost

    def take(self) -> bool:
        """Try once. False while another copy holds it. Raises LedgerError."""
        asked_at = self._clock()
        taken = self._link.run(lambda connection: take_lease(connection, self._name, self._holder, TTL_S))
        if taken:
            self._sure_until = asked_at + _SURE_FOR_S
        return taken

    def keep(self) -> None:
        """Begin to renew it."""
        self._thread.start()

    def give_back(self) -> None:
        """End renewing and let the next copy begin at once."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(timeout=TTL_S)
        self._sure_until = 0.0
        try:
            self._link.run(lambda connection: release_lease(connection, self._name, self._holder))
        except LedgerError as error:
            log.warning("lease_not_given_back", error=str(error), expires_in_s=TTL_S)

    def _renew_until_ended(self) -> None:
        while not self._ending.wait(RENEW_EVERY_S):
            asked_at = self._clock()
            try:
                # Taking it again is as good as renewing where it ran out while the database was away: nobody else has
                # taken it meanwhile, or this answers False.
                kept = self._link.run(
                    lambda connection: (
                        renew_lease(connection, self._name, self._holder, TTL_S)
                        or take_lease(connection, self._name, self._holder, TTL_S)
                    )
                )
            except LedgerError as error:
                log.warning("lease_not_renewed", error=str(error), held=self.is_held())
                continue
            if not kept:
                log.error("lease_lost", lease=self._name)
                self._lost = True
                return
            self._sure_until = asked_at + _SURE_FOR_S
