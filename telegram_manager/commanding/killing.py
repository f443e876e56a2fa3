"""`kill`, `flatten` and `unkill`: everything of a scope closed and proven so, and a kill lifted."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass

import redis

from alpha.domain.errors import InvariantViolated
from alpha.domain.ids import BotId, Symbol
from alpha.ledger.audit import add_audit_event
from alpha.ledger.connection import Connection
from alpha.ledger.controls import Control, DesiredState, HeldByKill, bot_scope, load_controls, name_of
from alpha.ledger.kills import Kill, KillKind, NotKilled, find_kill, held_kills, hold, release
from alpha.live.connection import LIVE_ERRORS
from alpha.live.controls import freezes, thaw
from telegram_manager.commanding.desk import Desk, Progress, say_nothing, wall_clock
from telegram_manager.commanding.kill_journal import Entry
from telegram_manager.commanding.kill_run import KillReport, KillRun
from telegram_manager.commanding.reach import reaches, scope_of

_TELL_EVERY_S = 1.0
_WRITTEN_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnkillReport:
    """What a lifted scope may do again. `still_held`: kills of other scopes that cover it or parts of it."""

    scope: str
    control: Control
    still_held: tuple[str, ...]
    thawed: bool

    @property
    def name(self) -> str:
        return name_of(self.scope)


def kill(
    desk: Desk,
    target: str,
    *,
    by: str,
    why: str,
    within_s: float | None = None,
    progress: Progress = say_nothing,
) -> KillReport:
    """Closes everything of a bot, an account or `all`, and holds it so until it is lifted.

    Needs the exchange and nothing else; PostgreSQL, Redis and whoever runs the bots are told when they can be. Raises
    NoSuchScope. After `within_s`, by default the desk's patience, it returns in any case, and goes on in threads of
    this process.
    """
    scope = scope_of(desk.registry, target)
    order = Kill(id=_new_id(), kind=KillKind.KILL, scope=scope, by=by, why=why, asked_at=wall_clock())
    return _carry_out(desk, order, within_s, progress)


def flatten(
    desk: Desk,
    bot: BotId,
    symbol: Symbol | None = None,
    *,
    by: str,
    why: str,
    within_s: float | None = None,
    progress: Progress = say_nothing,
) -> KillReport:
    """Cancels a bot's orders and closes its positions, in one symbol or in all of its own. Its entries are frozen
    meanwhile, and afterwards it is allowed what it was before.

    It is proven when nothing is there at the time by which an entry that was on its way has arrived. Raises ConfigError
    for an unknown bot and InvalidValue for a symbol that it does not trade.
    """
    order = Kill(
        id=_new_id(),
        kind=KillKind.FLATTEN,
        scope=bot_scope(desk.registry.bot(bot).id),
        symbols=None if symbol is None else (symbol,),
        by=by,
        why=why,
        asked_at=wall_clock(),
    )
    return _carry_out(desk, order, within_s, progress)


def unkill(desk: Desk, target: str, *, by: str, why: str) -> UnkillReport:
    """Lifts the kill of exactly this scope: what it was allowed before, it is allowed again.

    Raises NoSuchScope, NotKilled, and LedgerUnavailable: a kill is not lifted while PostgreSQL is away.
    """
    scope = scope_of(desk.registry, target)
    entries = [entry for entry in desk.journal.entries() if entry.kill.scope == scope and entry.kill.is_held]
    with desk.ledger() as connection:
        for entry in entries:
            # Also what is recorded: the ledger may have been restored from before that.
            hold(connection, entry.kill)
        try:
            control = release(connection, scope, by=by, why=why)
        except NotKilled:
            control = _release_frozen(desk, connection, scope, by=by, why=why)
        still_held = tuple(name_of(held.scope) for held in held_kills(connection))
    for entry in entries:
        forget(desk, entry.kill.id)
    return UnkillReport(scope=scope, control=control, still_held=still_held, thawed=_thaw(desk, scope))


def refuse_what_is_killed(desk: Desk, connection: Connection, scopes: Collection[str]) -> None:
    """Raises HeldByKill where a kill that the ledger has not heard of yet holds one of these scopes."""
    for entry in desk.journal.entries():
        if entry.kill.is_held and entry.kill.scope in scopes:
            known = find_kill(connection, entry.kill.id)
            if known is None or known.is_held:
                raise HeldByKill(name_of(entry.kill.scope), entry.kill.id)


def begin(desk: Desk, order: Kill) -> KillRun | None:
    """Writes the kill down and starts it; None when another process carries it out. Raises ConfigError for a scope that
    is not in bots.yaml, and nothing is written then."""
    within = reaches(desk.registry, order.scope, order.symbols)
    claim = desk.journal.claim(order.id)
    if claim is None:
        return None
    try:
        kept = desk.journal.write(Entry(kill=order))
        return KillRun(desk, order, within, claim, kept=kept).start()
    except BaseException:
        claim.release()
        raise


def forget(desk: Desk, kill: str) -> None:
    """Ends what is done for a kill that was lifted."""
    run = desk.runs.get(kill)
    if run is not None:
        run.lift()
    desk.journal.remove(kill)


def _carry_out(desk: Desk, order: Kill, within_s: float | None, progress: Progress) -> KillReport:
    run = _under_way(desk, order) or _begin_anew(desk, order)
    give_up_s = time.monotonic() + (desk.patience_s if within_s is None else within_s)
    told = ""
    while not run.wait(min(_TELL_EVERY_S, max(give_up_s - time.monotonic(), 0.0))):
        report = run.report()
        if (words := _words(report)) != told:
            told = words
            progress(words)
        if time.monotonic() >= give_up_s:
            return report
    if not run.is_proven:
        return run.report()
    run.wait_end(min(_WRITTEN_WITHIN_S, max(give_up_s - time.monotonic(), 0.0)))
    return run.report()


def _under_way(desk: Desk, order: Kill) -> KillRun | None:
    """The kill of the same scope that is carried out here now."""
    if order.kind is not KillKind.KILL:
        return None
    same = (run for run in list(desk.runs.values()) if run.kill.is_held and run.kill.scope == order.scope)
    return next((run for run in same if not run.is_proven), None)


def _begin_anew(desk: Desk, order: Kill) -> KillRun:
    """A kill with a proof of its own, also where one holds the scope: it takes that one's place, and ends it in
    whichever process is at it, perhaps without the keys."""
    older = desk.journal.entries() if order.kind is KillKind.KILL else []
    run = begin(desk, order)
    if run is None:
        raise InvariantViolated(f"kill {order.id} was begun twice")
    for entry in older:
        if entry.kill.is_held and entry.kill.scope == order.scope:
            desk.journal.remove(entry.kill.id)
    return run


def _words(report: KillReport) -> str:
    """How far it is, in one line."""
    parts = []
    for account in report.accounts:
        if account.proven:
            parts.append(f"{account.account}: flat, and is looked at again")
        elif account.positions_left is None:
            parts.append(f"{account.account}: {account.last_error or 'asking'}")
        else:
            orders = "?" if account.orders_left is None else str(account.orders_left)
            parts.append(f"{account.account}: {orders} orders, {len(account.positions_left)} positions left")
    return "; ".join(parts)


def _release_frozen(desk: Desk, connection: Connection, scope: str, *, by: str, why: str) -> Control:
    """The scope's control where no kill holds it, but Redis freezes it for one that was lost with the ledger. Raises
    NotKilled where it does not."""
    try:
        with desk.live() as client:
            frozen = _frozen(client, scope)
    except LIVE_ERRORS:
        frozen = []
    if not frozen:
        raise NotKilled(scope)
    add_audit_event(connection, actor=by, action="unkill", subject=scope, why=why, detail={"frozen_by": frozen})
    allowed = Control(
        scope=scope, entries_allowed=True, desired_state=DesiredState.RUNNING, by=by, why=why, at=wall_clock()
    )
    return load_controls(connection).get(scope, allowed)


def _thaw(desk: Desk, scope: str) -> bool:
    """Ends the kills' freezes of a scope. False while Redis is away: the keeper does it then."""
    try:
        with desk.live() as client:
            for kill in _frozen(client, scope):
                thaw(client, kill)
    except LIVE_ERRORS:
        return False
    return True


def _frozen(client: redis.Redis, scope: str) -> list[str]:
    """The kills that freeze a scope."""
    return [
        kill
        for kill, control in freezes(client).items()
        if control.scope == scope and control.desired_state is DesiredState.STOPPED
    ]


def _new_id() -> str:
    return secrets.token_hex(6)
