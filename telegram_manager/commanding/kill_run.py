"""One kill being carried out: entries frozen, control written, every account closed in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from alpha.config.registry import Registry
from alpha.domain.errors import AlphaError
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.connection import LedgerRefused, LedgerUnavailable
from alpha.ledger.controls import Control, DesiredState, name_of
from alpha.ledger.kills import Kill, KillKind, find_kill, hold, save_kill
from alpha.live.connection import LIVE_ERRORS
from alpha.live.controls import freeze, thaw
from telegram_manager.bot_control.interface import BotControlError
from telegram_manager.commanding.closing import Closing, Owner
from telegram_manager.commanding.desk import Desk, wall_clock
from telegram_manager.commanding.evidence import AccountEvidence, evidence_json
from telegram_manager.commanding.exchange_pool import ExchangePool
from telegram_manager.commanding.kill_journal import Claim, Entry
from telegram_manager.commanding.reach import Reach, bots_under

log = structlog.get_logger(__name__)

_FREEZE_WITHIN_S = 0.05
"""The first cancel waits so long for the freeze: what is cancelled should not be placed anew behind it."""
_TRY_AGAIN_S = 1.0
_ORDERED = {KillKind.KILL: "kills", KillKind.FLATTEN: "flattens"}
_THREADS_END_WITHIN_S = 5.0
_LOOK_SOON_S, _LOOK_LATER_S = 2.0, 30.0
_SOON_S = 30.0
"""A flat account is read again until all of them are: closely at first, because an order that was on its way when all
were cancelled arrives late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KillReport:
    """How far a kill or a flattening is. `frozen`: Redis forbids entries; `written`: the ledger has the control (of a
    flattening: its row); `kept`: it is on this machine's disk. `bots` says of every bot of the scope what became of its
    process, where stopping it was ours to do. `lifted`: somebody lifted it before it was proven, and nothing of it goes
    on."""

    kill: Kill
    accounts: tuple[AccountEvidence, ...]
    proven: bool
    frozen: bool
    written: bool
    kept: bool
    bots: Mapping[BotId, str]
    lifted: bool
    took_s: float

    @property
    def name(self) -> str:
        """What was killed, as a person names it."""
        return name_of(self.kill.scope)


class KillRun:
    """`start` returns at once. What is not proven when the process ends is taken up again by the next one.

    It is proven when every account is flat at the same time: who is flat is read again until the others are, and once
    more at the end. It ends as soon as it is lifted, by whichever process.
    """

    def __init__(self, desk: Desk, kill: Kill, within: tuple[Reach, ...], claim: Claim, *, kept: bool) -> None:
        """`within` is what the kill's scope reaches."""
        self.kill = kill
        self._desk, self._claim, self._kept = desk, claim, kept
        # From here on the wall clock may be set; what it took is told by one that cannot.
        self._asked_s = time.monotonic() - max((wall_clock() - kill.asked_at).total_seconds(), 0.0)
        self._quiet_at_s = 0.0 if kill.kind is KillKind.KILL else self._asked_s + desk.late_s
        self._reaches = within
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._done = threading.Event()
        self._frozen = threading.Event()
        self._freeze_tried = threading.Event()
        self._written = threading.Event()
        self._lifted = threading.Event()
        self._ended = threading.Event()
        self._closings: dict[AccountName, Closing] = {}
        self._impossible: dict[AccountName, str] = {}
        self._open = {reach.account for reach in self._reaches}
        self._bots: dict[BotId, str] = {}
        self._threads = [threading.Thread(target=self._freeze, name="kill-freeze", daemon=True)]
        self._threads += [
            threading.Thread(target=self._close, args=(reach,), name=f"kill-{reach.account}", daemon=True)
            for reach in self._reaches
        ]
        self._threads.append(threading.Thread(target=self._write, name="kill-write", daemon=True))
        if kill.kind is KillKind.KILL and not desk.control.follows_controls:
            self._threads.append(threading.Thread(target=self._stop_bots, name="kill-bots", daemon=True))

    @property
    def is_proven(self) -> bool:
        return self._done.is_set()

    @property
    def is_written(self) -> bool:
        return self._written.is_set()

    def start(self) -> KillRun:
        self._desk.runs[self.kill.id] = self
        self._tell(f"{self.kill.by} {_ORDERED[self.kill.kind]} {name_of(self.kill.scope)}: {self.kill.why}", "error")
        for thread in self._threads:
            thread.start()
        return self

    def wait(self, within_s: float) -> bool:
        """Whether it is proven, or lifted, at the latest after `within_s`."""
        return self._done.wait(within_s) or self._lifted.is_set()

    def wait_end(self, within_s: float) -> bool:
        """Whether it is written down as well, and nothing of it goes on here."""
        return self._ended.wait(within_s)

    def report(self) -> KillReport:
        return KillReport(
            kill=self.kill,
            accounts=tuple(self._evidence_of(reach.account) for reach in self._reaches),
            proven=self.is_proven,
            frozen=self._frozen.is_set(),
            written=self._written.is_set(),
            kept=self._kept,
            bots=dict(self._bots),
            lifted=self._lifted.is_set(),
            took_s=max((self._evidence_of(reach.account).took_s for reach in self._reaches), default=0.0),
        )

    def lift(self) -> None:
        """Ends it, because somebody lifted it."""
        self._lifted.set()
        self.stop()

    def stop(self) -> None:
        """Ends the threads; what was not proven stays written as such."""
        self._stop.set()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(_THREADS_END_WITHIN_S)
        self._end()

    # The threads.

    def _freeze(self) -> None:
        """Entries of the scope, in Redis: the bots see it with their next order."""
        control = freezing_control(self.kill)
        while not self._stop.is_set():
            try:
                with self._desk.live() as client:
                    freeze(client, control)
                if self.kill.kind is KillKind.FLATTEN:
                    self._quiet_at_s = time.monotonic() + self._desk.late_s
                self._frozen.set()
                return
            except LIVE_ERRORS as error:
                log.warning("kill_not_frozen", kill=self.kill.id, error=str(error))
            finally:
                self._freeze_tried.set()
            if self._stop.wait(_TRY_AGAIN_S) or self._done.is_set():
                return

    def _write(self) -> None:
        """The control, or a flattening's row, in the ledger; then it is looked there whether it was lifted."""
        # After the proof its end is written, here or by whoever keeps the kills.
        while not self._stop.is_set() and not self._done.is_set():
            try:
                if not self._written.is_set():
                    record(self._desk, self.kill)
                    self._written.set()
                if is_lifted(self._desk, self.kill):
                    self._give_up()
                    return
            except LedgerUnavailable as error:
                log.warning("kill_waits_for_ledger", kill=self.kill.id, error=str(error))
            except LedgerRefused as error:
                text = f"the ledger refuses kill {self.kill.id} of {name_of(self.kill.scope)}: {error}"
                self._desk.alerts.alert("kill_refused", text, severity="critical")
                return
            self._stop.wait(_TRY_AGAIN_S)

    def _close(self, reach: Reach) -> None:
        self._freeze_tried.wait(_FREEZE_WITHIN_S)
        while not self._is_over():
            try:
                with self._desk.exchange.client(reach.account) as client:
                    closing = self._closing_of(reach, client)
                    self._closings[reach.account] = closing
                    self._impossible.pop(reach.account, None)
                    while not self._is_over():
                        if closing.round():
                            self._flat(reach.account)
                            if self._is_flat_until_over(reach.account, closing):
                                return
                            closing.reopen()
                        else:
                            self._stop.wait(closing.pause_s())
            except AlphaError as error:
                # Without a key nothing can be done here; somebody may put it there.
                self._impossible[reach.account] = str(error)
                log.error("kill_impossible", kill=self.kill.id, account=reach.account, error=str(error))
            except Exception:
                log.exception("kill_failed", kill=self.kill.id, account=reach.account)
            self._stop.wait(_TRY_AGAIN_S)

    def _stop_bots(self) -> None:
        for bot in bots_under(self._desk.registry, self.kill.scope):
            try:
                self._desk.control.stop(bot.id)
                self._bots[bot.id] = "stopped"
            except BotControlError as error:
                self._bots[bot.id] = str(error)

    def _flat(self, account: AccountName) -> None:
        with self._lock:
            self._open.discard(account)
        self._try_to_finish(account)

    def _is_flat_until_over(self, account: AccountName, closing: Closing) -> bool:
        """Reads a flat account on. False as soon as something is there again."""
        flat_at_s = time.monotonic()
        look_at_s = flat_at_s + _LOOK_SOON_S
        while not self._is_over():
            now_s = time.monotonic()
            if now_s >= look_at_s:
                look_at_s = now_s + (_LOOK_SOON_S if now_s - flat_at_s < _SOON_S else _LOOK_LATER_S)
                if closing.shows_nothing() is False:
                    text = f"{account} was flat, and there is an order or a position again: it is closed"
                    self._desk.alerts.alert("kill_broken", text, severity="critical", kill=self.kill.id)
                    with self._lock:
                        self._open.add(account)
            if account in self._open:
                return False
            self._try_to_finish()
            self._stop.wait(_TRY_AGAIN_S)
        return True

    def _try_to_finish(self, just_read: AccountName | None = None) -> None:
        """Ends it where all accounts are flat, in a reading of each from now."""
        with self._lock:
            if self._open or self._is_over() or time.monotonic() < self._quiet_at_s:
                return
            others = [reach for reach in self._reaches if reach.account != just_read]
            self._open.update(reach.account for reach in others if not self._is_still_flat(reach))
            if self._open or self._is_over():
                return
            entry = self._prove(wall_clock())
        self._finish(entry)

    def _is_still_flat(self, reach: Reach) -> bool:
        """False also when it cannot be asked: then it is closed anew, until it can."""
        try:
            with self._desk.exchange.client(reach.account) as client:
                return self._closing_of(reach, client).shows_nothing() is True
        except AlphaError as error:
            log.warning("kill_cannot_look", kill=self.kill.id, account=reach.account, error=str(error))
            return False

    def _closing_of(self, reach: Reach, client: ExchangeClient) -> Closing:
        desk = self._desk
        return closing_of(desk.registry, desk.exchange, self.kill, reach, client, self._asked_s)

    def _is_over(self) -> bool:
        """Proven, stopped, or lifted: who lifts a kill takes its file away."""
        if self._done.is_set() or self._stop.is_set():
            return True
        if self._kept and self._desk.journal.is_gone(self.kill.id):
            self._give_up()
            return True
        return False

    def _give_up(self) -> None:
        """Somebody lifted it: nothing of it may touch what trades again."""
        log.warning("kill_lifted_before_its_proof", kill=self.kill.id, scope=self.kill.scope)
        self._lifted.set()
        self._stop.set()
        self._end()

    def _prove(self, at: datetime) -> Entry:
        evidence = evidence_json({reach.account: self._evidence_of(reach.account) for reach in self._reaches})
        entry = Entry(kill=self.kill).proven(at, evidence)
        self.kill = entry.kill
        self._kept = self._desk.journal.write(entry)
        self._done.set()
        return entry

    def _finish(self, entry: Entry) -> None:
        """Everything is proven: told, written down, and of a flattening the freeze ended."""
        self._tell(f"{self.kill.kind.value} of {name_of(self.kill.scope)}: flat and proven", "info")
        if self.kill.kind is KillKind.FLATTEN:
            self._thaw()
        try:
            record(self._desk, self.kill)
            self._written.set()
            settle(self._desk, entry)
        except (LedgerUnavailable, LedgerRefused) as error:
            log.warning("kill_waits_for_ledger", kill=self.kill.id, error=str(error))
        self._end()

    def _tell(self, text: str, severity: str) -> None:
        """To everybody: who ordered it is not the only one whom it concerns."""
        self._desk.alerts.alert(self.kill.kind.value, text, severity=severity, kill=self.kill.id)

    def _thaw(self) -> None:
        try:
            with self._desk.live() as client:
                thaw(client, self.kill.id)
        except LIVE_ERRORS as error:
            log.warning("kill_not_thawed", kill=self.kill.id, error=str(error))

    def _end(self) -> None:
        self._claim.release()
        self._desk.runs.pop(self.kill.id, None)
        self._ended.set()

    def _evidence_of(self, account: AccountName) -> AccountEvidence:
        closing = self._closings.get(account)
        if closing is not None and account not in self._impossible:
            return closing.evidence()
        return AccountEvidence(
            account=account,
            proven=False,
            first_cancel_s=None,
            orders_cancelled=(),
            closes=(),
            last_change_at=None,
            reading_at=None,
            orders_left=None,
            positions_left=None,
            readings=0,
            errors=0,
            last_error=self._impossible.get(account, ""),
            took_s=time.monotonic() - self._asked_s,
        )


def record(desk: Desk, kill: Kill) -> None:
    """Makes the ledger say what is known of a kill. Raises LedgerError."""
    with desk.ledger() as connection:
        if kill.kind is KillKind.KILL:
            hold(connection, kill)
        save_kill(connection, kill)


def is_lifted(desk: Desk, kill: Kill) -> bool:
    """Whether the ledger says so. Raises LedgerError."""
    with desk.ledger() as connection:
        known = find_kill(connection, kill.id)
    return known is not None and known.lifted_at is not None


def settle(desk: Desk, entry: Entry) -> None:
    """After the ledger has it: a flattening needs no file any more, a kill keeps its file until it is lifted."""
    if entry.kill.kind is KillKind.FLATTEN and entry.kill.proven_at is not None:
        desk.journal.remove(entry.kill.id)
    else:
        desk.journal.write(entry.recorded())


def freezing_control(kill: Kill) -> Control:
    """What Redis says of the kill's scope."""
    return Control(
        scope=kill.scope,
        entries_allowed=False,
        desired_state=DesiredState.STOPPED if kill.kind is KillKind.KILL else DesiredState.RUNNING,
        by=kill.by,
        why=kill.why,
        at=kill.asked_at,
        kill=kill.id,
    )


def closing_of(
    registry: Registry, exchange: ExchangePool, kill: Kill, reach: Reach, client: ExchangeClient, asked_s: float
) -> Closing:
    """The closing of one account, with the bots' tags for what is theirs."""
    return Closing(
        client,
        reach,
        kill=kill.id,
        asked_at=kill.asked_at,
        asked_s=asked_s,
        owners=_owners(registry, reach.account),
        watched=_watched(registry, reach),
        largest_order=exchange.largest_order,
    )


def _owners(registry: Registry, account: AccountName) -> dict[tuple[Symbol, int], Owner]:
    """By (symbol, position index). Where each side of a symbol has a bot of its own, its index tells which."""
    indices = {None: (0, 1, 2), "long": (1,), "short": (2,)}
    return {
        (symbol, position_idx): Owner(bot.id, bot.code)
        for bot in registry.bots_on(account)
        for symbol in bot.symbols
        for position_idx in indices[bot.side]
    }


def _watched(registry: Registry, reach: Reach) -> set[Symbol]:
    if reach.symbols is not None:
        return set(reach.symbols)
    # Where a bot trades all, the account's own lists are the word on what is flat: hundreds are not asked one by one.
    return set(registry.traded_on(reach.account) or ())
