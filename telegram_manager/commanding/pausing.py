"""Pausing: no new entries of a bot, or of all; exits go on. And resuming."""

from __future__ import annotations

import time
from dataclasses import dataclass

from alpha.domain.ids import BotId
from alpha.ledger.connection import Connection
from alpha.ledger.controls import PLATFORM, Control, bot_scope, load_controls, set_control
from alpha.live.connection import LIVE_ERRORS, LiveStateError
from alpha.live.controls import read_controls
from telegram_manager.commanding.desk import Desk
from telegram_manager.commanding.killing import refuse_what_is_killed
from telegram_manager.commanding.reach import scopes_over

MIRRORED_WITHIN_S = 3.0

_LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseReport:
    """`bot` None is all of them. `in_force`: the bots can see it, because the mirror of the controls shows it.
    `others` are further controls that still forbid entries, by their scope."""

    bot: BotId | None
    control: Control
    in_force: bool
    others: tuple[Control, ...]


def pause(desk: Desk, bot: BotId | None, *, by: str, why: str) -> PauseReport:
    """No new entries from now on. Raises ConfigError and LedgerError."""
    return _set(desk, bot, by=by, why=why, entries_allowed=False)


def resume(desk: Desk, bot: BotId | None, *, by: str, why: str) -> PauseReport:
    """Entries are allowed again; named, a bot that its drawdown halted goes on as well. Raises HeldByKill, ConfigError
    and LedgerError."""
    return _set(desk, bot, by=by, why=why, entries_allowed=True)


def _set(desk: Desk, bot: BotId | None, *, by: str, why: str, entries_allowed: bool) -> PauseReport:
    scope = PLATFORM if bot is None else bot_scope(desk.registry.bot(bot).id)
    with desk.ledger() as connection:
        if entries_allowed:
            refuse_what_is_killed(desk, connection, (scope,))
        control = set_control(connection, scope, by=by, why=why, entries_allowed=entries_allowed)
        others = _others(desk, connection, bot, scope)
    return PauseReport(bot=bot, control=control, in_force=_is_mirrored(desk, control), others=others)


def _others(desk: Desk, connection: Connection, bot: BotId | None, scope: str) -> tuple[Control, ...]:
    over = None if bot is None else scopes_over(desk.registry.bot(bot))
    return tuple(
        control
        for control in load_controls(connection).values()
        if control.scope != scope and not control.entries_allowed and (over is None or control.scope in over)
    )


def _is_mirrored(desk: Desk, control: Control) -> bool:
    """Whether Redis shows it; the listener copies it there several times a second."""
    give_up_s = time.monotonic() + MIRRORED_WITHIN_S
    while True:
        try:
            with desk.live() as client:
                mirror = read_controls(client)
        except (*LIVE_ERRORS, LiveStateError):
            return False
        seen = None if mirror is None or not mirror.is_fresh() else mirror.by_scope.get(control.scope)
        if seen is not None and seen.at >= control.at and seen.entries_allowed == control.entries_allowed:
            return True
        if time.monotonic() >= give_up_s:
            return False
        time.sleep(_LOOK_EVERY_S)
