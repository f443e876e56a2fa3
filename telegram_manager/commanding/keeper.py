"""What goes on behind the commands: unfinished kills are taken up again, held ones stay flat, containers obey."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import structlog

from alpha.config.errors import ConfigError
from alpha.domain.errors import AlphaError
from alpha.domain.ids import AccountName
from alpha.ledger.connection import Connection, LedgerError, LedgerRefused
from alpha.ledger.controls import load_controls, name_of
from alpha.ledger.kills import Kill, KillKind, find_kill, held_kills, unfinished_kills
from alpha.live.connection import LIVE_ERRORS, LiveStateError
from alpha.live.controls import freeze, freezes, thaw
from telegram_manager.commanding.controls_follower import ControlsFollower
from telegram_manager.commanding.desk import Desk, wall_clock
from telegram_manager.commanding.kill_journal import Entry
from telegram_manager.commanding.kill_run import closing_of, freezing_control, record, settle
from telegram_manager.commanding.killing import begin, forget
from telegram_manager.commanding.reach import Reach, reaches

log = structlog.get_logger(__name__)

_EVERY_S = 1.0
_WARM_EVERY_S = 20.0
_WATCH_SOON_S, _WATCH_LATER_S = 2.0, 30.0
_SOON = timedelta(seconds=30)
"""After its proof a kill is watched closely: an order that was on its way when all were cancelled arrives late."""
_TELL_EVERY_S = 60.0
_UNPROVEN_AFTER = timedelta(seconds=15)
_LEDGER_ONLY_AFTER = timedelta(seconds=10)
"""A kill of another machine's, known from the ledger alone, is its own to finish for so long."""


class Keeper:
    """One thread of a long-running process. What it does it does again each second, from what is written."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self._watch_at_s: dict[str, float] = {}
        self._told_at_s: dict[str, float] = {}
        self._warm_at_s = 0.0
        self._looking: threading.Thread | None = None
        self._connection: Connection | None = None
        follows_by_itself = desk.control.follows_controls
        self._follower = None if follows_by_itself else ControlsFollower(desk.registry, desk.control, desk.alerts)

    def start(self) -> Keeper:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(10)

    def turn(self) -> None:
        """Everything once."""
        self._take_up_written()
        try:
            if self._connection is None or self._connection.closed:
                self._connection = self._desk.connect()
            self._follow_ledger(self._connection)
        except LedgerError as error:
            log.debug("keeper_without_ledger", error=str(error))
            self._close_connection()
        self._keep_frozen()
        self._watch()
        self._tell_unproven()
        self._warm()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.turn()
            except Exception:
                log.exception("keeper_failed")
            self._stopping.wait(_EVERY_S)
        self._close_connection()

    def _close_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # Kills.

    def _take_up_written(self) -> None:
        """What an earlier process left unfinished here."""
        for entry in self._desk.journal.entries():
            if entry.kill.proven_at is None:
                self._take_up(entry.kill)

    def _take_up(self, kill: Kill) -> None:
        if kill.id in self._desk.runs:
            return
        try:
            run = begin(self._desk, kill)
        except ConfigError as error:
            self._tell(kill.id, "kill_impossible", f"kill {kill.id} of {name_of(kill.scope)} cannot go on: {error}")
            return
        if run is not None:
            log.warning("kill_taken_up", kill=kill.id, scope=kill.scope, asked_at=kill.asked_at.isoformat())

    def _follow_ledger(self, connection: Connection) -> None:
        """What was lifted ends, what the ledger misses is written, and kills that are known from it alone go on."""
        held = {kill.id: kill for kill in held_kills(connection)}
        for entry in self._desk.journal.entries():
            known = find_kill(connection, entry.kill.id)
            if known is not None and known.lifted_at is not None:
                forget(self._desk, known.id)
            elif entry.kill.proven_at is not None and (known is None or not entry.is_recorded):
                # A ledger that does not know what was recorded was restored from before that.
                self._record(entry)
        written = {entry.kill.id for entry in self._desk.journal.entries()}
        for kill in unfinished_kills(connection):
            if kill.id not in written and wall_clock() - kill.asked_at > _LEDGER_ONLY_AFTER:
                self._take_up(kill)
        for kill in held.values():
            if kill.id not in written and kill.proven_at is not None:
                # Made on another machine, or before this folder was lost.
                self._desk.journal.write(Entry(kill=kill, is_recorded=True))
        self._thaw_lifted(connection)
        if self._follower is not None:
            self._follower.follow(load_controls(connection))

    def _record(self, entry: Entry) -> None:
        try:
            record(self._desk, entry.kill)
            settle(self._desk, entry)
        except LedgerRefused as error:
            self._tell(entry.kill.id, "kill_refused", f"the ledger refuses kill {entry.kill.id}: {error}")

    def _thaw_lifted(self, connection: Connection) -> None:
        """A freeze ends with its kill also when Redis was away then, or came back with an older copy."""
        try:
            with self._desk.live() as client:
                for kill_id in freezes(client):
                    kill = find_kill(connection, kill_id)
                    if kill is None or kill_id in self._desk.runs:
                        continue
                    if not kill.is_held and (kill.kind is KillKind.KILL or kill.proven_at is not None):
                        thaw(client, kill_id)
        except (*LIVE_ERRORS, LiveStateError) as error:
            log.debug("keeper_without_redis", error=str(error))

    def _keep_frozen(self) -> None:
        """Redis may have been emptied."""
        held = {entry.kill.id: entry.kill for entry in self._desk.journal.entries() if entry.kill.is_held}
        if not held:
            return
        try:
            with self._desk.live() as client:
                for kill_id in held.keys() - freezes(client).keys():
                    freeze(client, freezing_control(held[kill_id]))
        except (*LIVE_ERRORS, LiveStateError) as error:
            log.debug("keeper_without_redis", error=str(error))

    def _watch(self) -> None:
        """Looks whether what is held is still flat, in a thread of its own: an exchange may take seconds to answer."""
        if self._looking is not None and self._looking.is_alive():
            return
        due = []
        for entry in self._desk.journal.entries():
            kill = entry.kill
            if kill.is_held and kill.proven_at is not None and kill.id not in self._desk.runs:
                is_soon = wall_clock() - kill.proven_at < _SOON
                if time.monotonic() >= self._watch_at_s.get(kill.id, 0.0):
                    self._watch_at_s[kill.id] = time.monotonic() + (_WATCH_SOON_S if is_soon else _WATCH_LATER_S)
                    due.append(kill)
        if due:
            self._looking = threading.Thread(target=self._look, args=(due,), name="keeper-look", daemon=True)
            self._looking.start()

    def _look(self, kills: list[Kill]) -> None:
        for kill in kills:
            try:
                if not self.is_flat(kill):
                    name = name_of(kill.scope)
                    text = f"{name} is killed, and there is an order or a position again: it is closed"
                    self._desk.alerts.alert("kill_broken", text, severity="critical", kill=kill.id)
                    self._take_up(kill)
            except Exception:
                log.exception("keeper_look_failed", kill=kill.id)

    def is_flat(self, kill: Kill) -> bool:
        """Whether the exchange shows nothing within the kill's reach. What cannot be asked counts as flat: the next
        look tells, and the other accounts are looked at all the same."""
        return all(self._is_flat_there(kill, reach) for reach in reaches(self._desk.registry, kill.scope, kill.symbols))

    def _is_flat_there(self, kill: Kill, reach: Reach) -> bool:
        desk = self._desk
        try:
            with desk.exchange.client(reach.account) as client:
                closing = closing_of(desk.registry, desk.exchange, kill, reach, client, time.monotonic())
                return closing.shows_nothing() is not False
        except AlphaError as error:
            log.warning("keeper_cannot_look", kill=kill.id, account=reach.account, error=str(error))
            return True

    def _tell_unproven(self) -> None:
        for run in list(self._desk.runs.values()):
            if not run.is_proven and wall_clock() - run.kill.asked_at > _UNPROVEN_AFTER:
                left = "; ".join(
                    f"{account.account}: {account.last_error or 'not flat yet'}"
                    for account in run.report().accounts
                    if not account.proven
                )
                if not left:
                    continue  # a flattening is looked at once more
                kind, name = run.kill.kind.value, name_of(run.kill.scope)
                self._tell(run.kill.id, "kill_unproven", f"{kind} of {name} is not proven yet: {left}")

    def _tell(self, key: str, kind: str, text: str) -> None:
        if time.monotonic() >= self._told_at_s.get(key, 0.0):
            self._told_at_s[key] = time.monotonic() + _TELL_EVERY_S
            self._desk.alerts.alert(kind, text, severity="critical")

    # Connections.

    def _warm(self) -> None:
        if time.monotonic() < self._warm_at_s:
            return
        self._warm_at_s = time.monotonic() + _WARM_EVERY_S
        for account in self._desk.registry.accounts:
            threading.Thread(target=self._warm_one, args=(account,), name="keeper-warm", daemon=True).start()

    def _warm_one(self, account: AccountName) -> None:
        symbols = {symbol for bot in self._desk.registry.bots_on(account) for symbol in bot.symbols}
        self._desk.exchange.warm(account, tuple(sorted(symbols)))
