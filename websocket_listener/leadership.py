"""Which accounts this process records, and which of them another one does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import structlog

from alpha.domain.ids import AccountName
from alpha.ledger.connection import Connection, Dsn, LedgerRefused, LedgerUnavailable, connect
from alpha.ledger.heads import (
    LEASE_S,
    Lease,
    end_blockers,
    leases,
    release_leases,
    renew_leases,
    take_expired,
)

log = structlog.get_logger()

_TURN_S = 0.3
_BLOCKED_TURN_S = 0.02
_BLOCKED_ENDED_AFTER_S = 0.1
_YIELDED_AFTER_S = 5.0
# As long as the writer's own statements may take: beyond that its connection is dead, or PostgreSQL refuses it only.
_STUCK_AFTER_S = 10.0
# No statement here waits long for a lock or reads more than a few rows.
_STATEMENT_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadershipHooks:
    """What leadership asks and tells. Called on its thread; must not block."""

    ready: Callable[[], Collection[AccountName]]
    """The accounts that this process could go on with now: identified, their stream subscribed."""
    writer_busy_for_s: Callable[[], float]
    """How long the writer has been at one and the same piece of work."""
    on_taken: Callable[[AccountName, int], None]
    on_held_elsewhere: Callable[[AccountName, str], None]
    """Another process holds the account; told at every look."""
    on_lost: Callable[[AccountName], None]
    """Another process has taken the account."""
    on_yielded: Callable[[AccountName], None]
    """The account's stream stays away: it was released, for whoever hears it."""
    epoch_met: Callable[[AccountName], int] = lambda _: 0
    """The highest epoch of the account that was met outside of the ledger: it is taken above that."""


class Leadership:
    """Takes accounts that nobody holds, renews what it has, and tells what it has lost.

    A thread and a connection of its own: a long job of the writer must not cost the lease. A writer that gets nowhere
    must: what it says is asked before each renewal. So must a stream that stays away, since another process may hear.

    All leases are renewed by one statement, all others looked at by another, about every 300 ms; the next look is
    timed by the lease that ends first. Leases are compared by the database's clock only. While PostgreSQL is away
    nothing changes hands, and after its return the holders get one lease's time to renew before anything is taken.
    """

    def __init__(self, dsn: Dsn, holder: str, hooks: LeadershipHooks) -> None:
        self._dsn, self._holder, self._hooks = dsn, holder, hooks
        self._epochs: dict[AccountName, int] = {}
        self._unready_since_s: dict[AccountName, float] = {}
        self._blocked_since_s: dict[AccountName, float] = {}
        self._leases: Mapping[AccountName, Lease] = {}
        self._connection: Connection | None = None
        self._was_lost = self._was_stuck = False
        self._connected_at_s = self._takes_from_s = self._renewed_at_s = 0.0
        self._wake = threading.Event()
        self._stopping, self._taking = False, True
        self._thread = threading.Thread(target=self._run, name="leadership", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the leases, so that another process can go on at once. Call it when everything has been written."""
        self._stopping = True
        self._wake.set()
        self._thread.join(2 * _STATEMENT_TIMEOUT_S)

    def take_no_more(self) -> None:
        """The process is about to end: what it holds is kept until `stop`, and nothing is taken any more."""
        self._taking = False

    def hurry(self) -> None:
        """An account has become ready."""
        self._wake.set()

    def give_up(self, account: AccountName) -> None:
        """Somebody else was found to write for the account: its lease is no longer renewed."""
        self._epochs.pop(account, None)

    def holds(self, account: AccountName) -> bool:
        """Whether the account is ours as far as can be known here: its lease runs, or PostgreSQL is away."""
        return account in self._epochs and (self._was_lost or time.monotonic() - self._renewed_at_s < LEASE_S)

    def holder_of(self, account: AccountName) -> str:
        """Who held the account when last looked; "" for nobody."""
        if account in self._epochs:
            return self._holder
        lease = self._leases.get(account)
        return lease.holder if lease is not None and lease.remaining_s else ""

    def _run(self) -> None:
        pause_s = 0.0
        while not self._stopping:
            self._wake.wait(pause_s)
            self._wake.clear()
            try:
                pause_s = self._turn(self._connected())
            except LedgerUnavailable as error:
                if not self._was_lost:
                    log.warning("leadership_waits", reason=str(error), holds=sorted(dict(self._epochs)))
                self._lost_connection()
                pause_s = _TURN_S / 2
            except LedgerRefused as error:
                log.error("leadership_refused", reason=str(error))
                pause_s = _TURN_S
            except Exception:
                log.exception("leadership_failed")
                pause_s = _TURN_S
        self._release()

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._dsn, "alpha-listener-leadership", _STATEMENT_TIMEOUT_S)
            self._connected_at_s = time.monotonic()
            if self._was_lost:
                self._takes_from_s = self._connected_at_s + LEASE_S
                self._was_lost = False
        return self._connection

    def _lost_connection(self) -> None:
        self._was_lost = True
        self._blocked_since_s.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _turn(self, connection: Connection) -> float:
        """Renews, looks, takes; answers how long to wait before the next turn."""
        if self._is_stuck():
            return _TURN_S
        ready = set(self._hooks.ready())
        self._yield(connection, ready)
        # A copy each time: an account may be given up by another thread meanwhile.
        held = dict(self._epochs)
        if held:
            lost = renew_leases(connection, held)
            self._renewed_at_s = time.monotonic()
            for account in lost:
                self._forget(account, held[account])
                self._hooks.on_lost(account)
        wanted = ready - dict(self._epochs).keys()
        if not wanted or not self._taking:
            return _TURN_S
        return self._look(connection, wanted)

    def _is_stuck(self) -> bool:
        # After an outage the writer needs its time to come back, as this connection did.
        connected_for_s = time.monotonic() - self._connected_at_s
        stuck = min(self._hooks.writer_busy_for_s(), connected_for_s) > _STUCK_AFTER_S
        if stuck and not self._was_stuck:
            log.error("leases_not_renewed", why="the writer gets nowhere", holds=sorted(dict(self._epochs)))
        self._was_stuck = stuck
        return stuck

    def _look(self, connection: Connection, wanted: set[AccountName]) -> float:
        self._leases = known = leases(connection, wanted)
        fresh = {account: lease for account, lease in known.items() if lease.remaining_s}
        for account, lease in fresh.items():
            self._hooks.on_held_elsewhere(account, lease.holder)
        wait_s = min([_TURN_S, *(lease.remaining_s for lease in fresh.values())])
        free = wanted - fresh.keys()
        until_allowed_s = self._takes_from_s - time.monotonic()
        if free and until_allowed_s > 0:
            return min(wait_s, until_allowed_s)
        if free and self._take(connection, free):
            return _BLOCKED_TURN_S
        return wait_s

    def _take(self, connection: Connection, free: set[AccountName]) -> bool:
        """Whether some account could not be taken because its rows are locked."""
        taking = take_expired(
            connection, free, self._holder, above={account: self._hooks.epoch_met(account) for account in free}
        )
        self._renewed_at_s = time.monotonic()
        self._epochs.update(taking.epochs)
        for account, epoch in taking.epochs.items():
            self._hooks.on_taken(account, epoch)
        now_s = time.monotonic()
        self._blocked_since_s = {account: self._blocked_since_s.get(account, now_s) for account in taking.blocked}
        stuck = [a for a, since_s in self._blocked_since_s.items() if now_s - since_s >= _BLOCKED_ENDED_AFTER_S]
        if stuck and (ended := end_blockers(connection, stuck)):
            log.warning("blocking_backends_ended", accounts=sorted(stuck), pids=ended)
        return bool(taking.blocked)

    def _yield(self, connection: Connection, ready: set[AccountName]) -> None:
        if not self._taking:
            return  # the streams are closed because the process ends, and what waits is still to be written
        now_s = time.monotonic()
        unready = {account: epoch for account, epoch in dict(self._epochs).items() if account not in ready}
        self._unready_since_s = {account: self._unready_since_s.get(account, now_s) for account in unready}
        gone = {
            account: epoch
            for account, epoch in unready.items()
            if now_s - self._unready_since_s[account] > _YIELDED_AFTER_S
        }
        if gone:
            release_leases(connection, gone)
        for account, epoch in gone.items():
            self._forget(account, epoch)
            self._hooks.on_yielded(account)

    def _forget(self, account: AccountName, epoch: int) -> None:
        if self._epochs.get(account) == epoch:
            self._epochs.pop(account, None)

    def _release(self) -> None:
        if self._connection is None or self._connection.closed:
            return
        try:
            release_leases(self._connection, self._epochs)
        except (LedgerUnavailable, LedgerRefused) as error:
            log.warning("leases_not_released", reason=str(error))
        self._connection.close()
