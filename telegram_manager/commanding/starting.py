"""Starting and restarting a bot, and whether it then lives."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from alpha.config.registry import BotConfig
from alpha.domain.ids import BotId
from alpha.ledger.controls import (
    Control,
    DesiredState,
    HeldByKill,
    bot_scope,
    load_controls,
    name_of,
    set_control,
)
from alpha.live.health import Heartbeat
from telegram_manager.bot_control.interface import BotState
from telegram_manager.commanding.desk import Desk, Progress, say_nothing, wall_clock
from telegram_manager.commanding.killing import refuse_what_is_killed
from telegram_manager.commanding.reach import scopes_over

ALIVE_WITHIN_S = 45.0

_LOOK_EVERY_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class StartReport:
    """`alive`: the bot wrote a heartbeat after it was started. `held_back` names the scope whose control keeps it from
    running although it was started itself; `paused_by` the one that lets it open nothing."""

    bot: BotId
    restarted: bool
    alive: bool
    heartbeat: Heartbeat | None
    state: BotState | None
    held_back: Control | None
    paused_by: Control | None
    took_s: float


def start_bot(
    desk: Desk,
    bot: BotId,
    *,
    by: str,
    why: str,
    within_s: float = ALIVE_WITHIN_S,
    progress: Progress = say_nothing,
) -> StartReport:
    """Writes that the bot shall run, has it run, and waits for its heartbeat.

    Raises HeldByKill, ConfigError, LedgerError, BotControlError (nothing can run it now; that it shall run is written).
    """
    config = desk.registry.bot(bot)
    began_s, asked_at = time.monotonic(), wall_clock()
    controls = _write(desk, config, by=by, why=why, restart=False)
    held_back = _stopped_by(config, controls)
    if held_back is None:
        desk.control.start(config.id)
        progress(f"{config.id} is being started")
        _until(lambda: _lives(desk, config.id, asked_at), within_s)
    return _report(desk, config, controls, asked_at, began_s, restarted=False)


def restart_bot(
    desk: Desk,
    bot: BotId,
    *,
    by: str,
    why: str,
    within_s: float = ALIVE_WITHIN_S,
    progress: Progress = say_nothing,
) -> StartReport:
    """Ends the bot and starts it again, also when it did not run. Raises as `start_bot` does."""
    config = desk.registry.bot(bot)
    began_s = time.monotonic()
    before = desk.control.states()[config.id].life
    controls = _write(desk, config, by=by, why=why, restart=True)
    held_back = _stopped_by(config, controls)
    is_anew = False
    if held_back is None:
        desk.control.restart(config.id)
        progress(f"{config.id} is being restarted")
        is_anew = _until(lambda: desk.control.states()[config.id].life not in (before, None), within_s)
    # What the earlier life wrote in its last second is no sign of the new one's.
    ended_at = wall_clock()
    if is_anew:
        _until(lambda: _lives(desk, config.id, ended_at), within_s - (time.monotonic() - began_s))
    report = _report(desk, config, controls, ended_at, began_s, restarted=True)
    return replace(report, alive=report.alive and is_anew)


def shall_run(bot: BotConfig, controls: Mapping[str, Control]) -> bool:
    """Whether a bot is wanted running by every scope over it."""
    return _stopped_by(bot, controls) is None


def _write(desk: Desk, bot: BotConfig, *, by: str, why: str, restart: bool) -> dict[str, Control]:
    with desk.ledger() as connection:
        for scope, control in load_controls(connection).items():
            if control.kill is not None and scope in scopes_over(bot):
                raise HeldByKill(name_of(scope), control.kill)
        refuse_what_is_killed(desk, connection, scopes_over(bot))
        set_control(connection, bot_scope(bot.id), by=by, why=why, desired_state=DesiredState.RUNNING, restart=restart)
        return load_controls(connection)


def _stopped_by(bot: BotConfig, controls: Mapping[str, Control]) -> Control | None:
    over = (controls.get(scope) for scope in scopes_over(bot))
    return next((control for control in over if control and control.desired_state is DesiredState.STOPPED), None)


def _paused_by(bot: BotConfig, controls: Mapping[str, Control]) -> Control | None:
    over = (controls.get(scope) for scope in scopes_over(bot))
    return next((control for control in over if control and not control.entries_allowed), None)


def _lives(desk: Desk, bot: BotId, since: datetime) -> bool:
    heartbeat = desk.heartbeat(bot)
    return heartbeat is not None and heartbeat.updated_at > since and desk.control.states()[bot].is_running


def _until(check: Callable[[], bool], within_s: float) -> bool:
    give_up_s = time.monotonic() + within_s
    while not check():
        if time.monotonic() >= give_up_s:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True


def _report(
    desk: Desk,
    bot: BotConfig,
    controls: Mapping[str, Control],
    since: datetime,
    began_s: float,
    *,
    restarted: bool,
) -> StartReport:
    heartbeat = desk.heartbeat(bot.id)
    fresh = heartbeat is not None and heartbeat.updated_at > since
    state = desk.control.states()[bot.id]
    return StartReport(
        bot=bot.id,
        restarted=restarted,
        alive=fresh and state.is_running,
        heartbeat=heartbeat if fresh else None,
        state=state,
        held_back=_stopped_by(bot, controls),
        paused_by=_paused_by(bot, controls),
        took_s=time.monotonic() - began_s,
    )
