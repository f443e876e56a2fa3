"""`kill`, `flatten` and `unkill`: everything of a scope closed and proven so, and a kill lifted."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace

from alpha.domain.errors import InvariantViolated
from alpha.domain.ids import BotId, Symbol
from alpha.ledger.controls import Control, DesiredState, bot_scope
from alpha.ledger.kills import Kill, KillKind, held_kills, hold, release
from alpha.live.connection import LIVE_ERRORS
from alpha.live.controls import freezes, thaw
from telegram_manager.commanding.desk import Desk, Progress, say_nothing, wall_clock
from telegram_manager.commanding.kill_journal import Entry
from telegram_manager.commanding.kill_run import KillReport, KillRun
from telegram_manager.commanding.reach import name_of, reaches, scope_of

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

    Raises ConfigError for an unknown bot and InvalidValue for a symbol that it does not trade.
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
    reaches(desk.registry, order.scope, order.symbols)
    return _carry_out(desk, order, within_s, progress)


def unkill(desk: Desk, target: str, *, by: str, why: str) -> UnkillReport:
    """Lifts the kill of exactly this scope: what it was allowed before, it is allowed again.

    Raises NoSuchScope, NotKilled, and LedgerUnavailable: a kill is not lifted while PostgreSQL is away.
    """
    scope = scope_of(desk.registry, target)
    entries = [entry for entry in desk.journal.entries() if entry.kill.scope == scope and entry.kill.is_held]
    with desk.ledger() as connection:
        for entry in entries:
            if not entry.is_recorded:
                hold(connection, entry.kill)
        control = release(connection, scope, by=by, why=why)
        still_held = tuple(name_of(held.scope) for held in held_kills(connection))
    for entry in entries:
        forget(desk, entry.kill.id)
    return UnkillReport(scope=scope, control=control, still_held=still_held, thawed=_thaw(desk, scope))


def begin(desk: Desk, order: Kill) -> KillRun | None:
    """Writes the kill down and starts it; None when another process carries it out."""
    claim = desk.journal.claim(order.id)
    if claim is None:
        return None
    kept = desk.journal.write(Entry(kill=order))
    return KillRun(desk, order, claim, kept=kept).start()


def forget(desk: Desk, kill: str) -> None:
    """Ends what is done for a kill that was lifted."""
    run = desk.runs.get(kill)
    if run is not None:
        run.stop()
    desk.journal.remove(kill)


def _carry_out(desk: Desk, order: Kill, within_s: float | None, progress: Progress) -> KillReport:
    run = _again(desk, order) or begin(desk, order)
    if run is None:
        raise InvariantViolated(f"kill {order.id} was begun twice")
    give_up_s = time.monotonic() + (desk.patience_s if within_s is None else within_s)
    told = ""
    while not run.wait(min(_TELL_EVERY_S, max(give_up_s - time.monotonic(), 0.0))):
        report = run.report()
        if (words := _words(report)) != told:
            told = words
            progress(words)
        if time.monotonic() >= give_up_s:
            return report
    run.wait_end(min(_WRITTEN_WITHIN_S, max(give_up_s - time.monotonic(), 0.0)))
    return run.report()


def _again(desk: Desk, order: Kill) -> KillRun | None:
    """The kill that holds this scope already, carried out once more; the run that is at it now, if one is."""
    if order.kind is not KillKind.KILL:
        return None
    held = next(
        (entry.kill for entry in desk.journal.entries() if entry.kill.scope == order.scope and entry.kill.is_held), None
    )
    if held is None:
        return None
    run = desk.runs.get(held.id)
    if run is not None and not (run.is_proven and run.wait_end(_WRITTEN_WITHIN_S)):
        return run
    return begin(desk, replace(order, id=held.id))


def _words(report: KillReport) -> str:
    """How far it is, in one line."""
    parts = []
    for account in report.accounts:
        if account.proven:
            parts.append(f"{account.account}: flat")
        elif account.positions_left is None:
            parts.append(f"{account.account}: {account.last_error or 'asking'}")
        else:
            orders = "?" if account.orders_left is None else str(account.orders_left)
            parts.append(f"{account.account}: {orders} orders, {len(account.positions_left)} positions left")
    return "; ".join(parts)


def _thaw(desk: Desk, scope: str) -> bool:
    """Ends the kills' freezes of a scope. False while Redis is away: the keeper does it then."""
    try:
        with desk.live() as client:
            for kill, control in freezes(client).items():
                if control.scope == scope and control.desired_state is DesiredState.STOPPED:
                    thaw(client, kill)
    except LIVE_ERRORS:
        return False
    return True


def _new_id() -> str:
    return secrets.token_hex(6)
