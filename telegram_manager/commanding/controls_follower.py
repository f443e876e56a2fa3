"""Containers do what `controls` says, whatever happened to them or to us meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from alpha.config.registry import Registry
from alpha.domain.ids import BotId
from alpha.ledger.controls import Control, bot_scope
from telegram_manager.bot_control.interface import BotControl, BotControlError, BotState, RunState
from telegram_manager.commanding.desk import Alerting
from telegram_manager.commanding.reach import scopes_over
from telegram_manager.commanding.starting import shall_run

log = structlog.get_logger(__name__)

_PAUSE_FIRST_S, _PAUSE_LAST_S = 2.0, 60.0
_TELL_EVERY_S = 60.0
_MISCONFIGURED = 2
"""Exit code of a bot that cannot run as configured: starting it again changes nothing."""


class ControlsFollower:
    """Docker starts again what crashed and leaves alone what was stopped; it knows nothing of what a person wants. Here
    both are brought together, ever less often where that fails."""

    def __init__(
        self,
        registry: Registry,
        control: BotControl,
        alerts: Alerting,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry, self._control, self._alerts, self._monotonic = registry, control, alerts, monotonic
        self._not_before_s: dict[BotId, float] = {}
        self._pause_s: dict[BotId, float] = {}
        self._told_at_s: dict[str, float] = {}
        self._given_up: dict[BotId, Control | None] = {}

    def follow(self, controls: Mapping[str, Control]) -> None:
        """Looks once. A bot that ended over its configuration is left alone until its own control changes."""
        try:
            states = self._control.states()
        except BotControlError as error:
            self._tell("control", "bot_control_unreachable", str(error))
            return
        for bot, state in states.items():
            own = controls.get(bot_scope(bot))
            if bot in self._given_up and self._given_up[bot] == own:
                continue
            self._given_up.pop(bot, None)
            config = self._registry.bot(bot)
            over = [control for scope in scopes_over(config) if (control := controls.get(scope))]
            self._follow_one(state, own, over, wanted=shall_run(config, controls))

    def _follow_one(self, state: BotState, own: Control | None, over: Sequence[Control], *, wanted: bool) -> None:
        bot = state.bot
        runs = state.state in (RunState.RUNNING, RunState.RESTARTING)
        if runs == wanted or state.state is RunState.MISSING or (wanted and _ended_since(state, over)):
            self._pause_s.pop(bot, None)
        elif wanted and state.exit_code == _MISCONFIGURED:
            self._given_up[bot] = own
            text = f"{bot} cannot run as configured and is not started again: see /logs {bot}, correct it, /start {bot}"
            self._alerts.alert("bot_given_up", text, severity="error", bot=bot)
        elif self._monotonic() >= self._not_before_s.get(bot, 0.0):
            self._bring(bot, wanted)

    def _bring(self, bot: BotId, wanted: bool) -> None:
        pause_s = self._pause_s.get(bot, _PAUSE_FIRST_S)
        self._not_before_s[bot] = self._monotonic() + pause_s
        self._pause_s[bot] = min(pause_s * 2, _PAUSE_LAST_S)
        log.info("bot_brought", bot=bot, wanted=wanted)
        try:
            if wanted:
                self._control.start(bot)
            else:
                self._control.stop(bot)
        except BotControlError as error:
            what = "started" if wanted else "stopped"
            self._tell(bot, "bot_not_obeying", f"{bot} cannot be {what}: {error}")

    def _tell(self, key: str, kind: str, text: str) -> None:
        if self._monotonic() >= self._told_at_s.get(key, 0.0):
            self._told_at_s[key] = self._monotonic() + _TELL_EVERY_S
            self._alerts.alert(kind, text, severity="error")


def _ended_since(state: BotState, over: Sequence[Control]) -> bool:
    """Whether it ended after all that was commanded of its running. Then somebody stopped it who does not ask us, as by
    taking the whole platform down, and starting it again would be against him. A pause or a resume says nothing of it.
    """
    asked = [control.desired_state_at for control in over if control.desired_state_at is not None]
    return state.since is not None and all(at < state.since for at in asked)
