"""Containers are brought to what the controls say, ever less often where that fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from alpha.config.registry import load_registry
from alpha.domain.ids import BotId
from alpha.ledger.controls import PLATFORM, Control, DesiredState, bot_scope
from telegram_manager.bot_control.interface import BotControlError, BotControlUnreachable, BotState, RunState
from telegram_manager.commanding.controls_follower import ControlsFollower

BOT = BotId("canary_001")
REGISTRY = load_registry(Path(__file__).parents[3] / "bots.yaml")


@dataclass
class Containers:
    """What a person did to them, and what was asked of us."""

    state: RunState = RunState.RUNNING
    exit_code: int | None = None
    since: datetime | None = None
    refuses: bool = False
    away: bool = False
    asked: list[str] = field(default_factory=list)
    name: str = "Docker"
    follows_controls: bool = False

    def states(self) -> Mapping[BotId, BotState]:
        if self.away:
            raise BotControlUnreachable("away")
        return {BOT: BotState(bot=BOT, state=self.state, exit_code=self.exit_code, since=self.since)}

    def start(self, bot: BotId) -> None:  # noqa: ARG002
        self._do("start", RunState.RUNNING)

    def stop(self, bot: BotId) -> None:  # noqa: ARG002
        self._do("stop", RunState.STOPPED)

    def _do(self, what: str, state: RunState) -> None:
        self.asked.append(what)
        if self.refuses:
            raise BotControlError("no")
        self.state = state

    def restart(self, bot: BotId) -> None:  # noqa: ARG002
        raise AssertionError("nobody restarts here")

    def logs(self, bot: BotId, lines: int) -> list[str]:  # noqa: ARG002
        raise AssertionError("nobody reads here")

    def close(self) -> None:
        """Nothing to close."""


@dataclass
class Told:
    kinds: list[str] = field(default_factory=list)

    def alert(self, kind: str, text: str, *, severity: Any = "warning", **fields: Any) -> None:  # noqa: ARG002
        self.kinds.append(kind)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def control(scope: str, state: DesiredState, why: str = "test") -> Control:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Control(scope=scope, entries_allowed=True, desired_state=state, by="t", why=why, at=at, desired_state_at=at)


RUNNING = {PLATFORM: control(PLATFORM, DesiredState.RUNNING)}
STOPPED = RUNNING | {bot_scope(BOT): control(bot_scope(BOT), DesiredState.STOPPED)}


def test_what_was_stopped_or_started_behind_our_back_is_brought_back() -> None:
    containers = Containers()
    follower = ControlsFollower(REGISTRY, containers, Told())
    follower.follow(RUNNING)
    assert containers.asked == []
    # a reboot started what a person had stopped
    follower.follow(STOPPED)
    assert (containers.asked, containers.state) == (["stop"], RunState.STOPPED)
    follower.follow(STOPPED)
    assert containers.asked == ["stop"]


def test_what_ended_after_the_last_command_was_ended_by_somebody_else_and_is_left_so() -> None:
    at = RUNNING[PLATFORM].at
    for since, asked in ((at + timedelta(seconds=1), []), (at - timedelta(seconds=1), ["start"])):
        containers = Containers(RunState.STOPPED, exit_code=0, since=since)
        ControlsFollower(REGISTRY, containers, Told()).follow(RUNNING)
        assert containers.asked == asked


def test_every_scope_over_a_bot_can_stop_it() -> None:
    for scope in (PLATFORM, "account:canary"):
        containers = Containers()
        ControlsFollower(REGISTRY, containers, Told()).follow(RUNNING | {scope: control(scope, DesiredState.STOPPED)})
        assert containers.asked == ["stop"]


def test_a_container_that_cannot_be_brought_is_tried_ever_less_often_and_told_once_a_minute() -> None:
    containers, told, clock = Containers(RunState.STOPPED, exit_code=1, refuses=True), Told(), Clock()
    follower = ControlsFollower(REGISTRY, containers, told, monotonic=clock)
    tried_at: list[int] = []
    for second in range(60):
        clock.now = 1000.0 + second
        follower.follow(RUNNING)
        if len(containers.asked) > len(tried_at):
            tried_at.append(second)
    assert tried_at == [0, 2, 6, 14, 30]
    assert told.kinds == ["bot_not_obeying"]


def test_what_was_stopped_by_hand_stays_so_through_a_pause_and_runs_again_when_it_is_started() -> None:
    ended = datetime(2026, 1, 2, tzinfo=UTC)
    containers = Containers(RunState.STOPPED, since=ended, exit_code=0)
    follower = ControlsFollower(REGISTRY, containers, Told())
    paused = replace(RUNNING[PLATFORM], entries_allowed=False, at=ended + timedelta(hours=1))
    for controls in (RUNNING, {PLATFORM: paused}, RUNNING | {bot_scope(BOT): replace(paused, scope=bot_scope(BOT))}):
        follower.follow(controls)
    assert containers.asked == []

    started = replace(paused, scope=bot_scope(BOT), desired_state_at=ended + timedelta(hours=2))
    follower.follow({PLATFORM: paused, bot_scope(BOT): started})
    assert containers.asked == ["start"]


def test_a_bot_that_cannot_run_as_configured_is_left_alone_until_it_is_started_again() -> None:
    containers, told = Containers(RunState.STOPPED, exit_code=2), Told()
    follower = ControlsFollower(REGISTRY, containers, told)
    for _ in range(3):
        follower.follow(RUNNING)
    assert (containers.asked, told.kinds) == ([], ["bot_given_up"])
    containers.exit_code = 0
    follower.follow(RUNNING | {bot_scope(BOT): control(bot_scope(BOT), DesiredState.RUNNING, "corrected")})
    assert containers.asked == ["start"]


def test_a_missing_container_and_an_engine_that_is_away_are_left_alone() -> None:
    containers, told = Containers(RunState.MISSING), Told()
    follower = ControlsFollower(REGISTRY, containers, told)
    follower.follow(RUNNING)
    containers.away = True
    follower.follow(RUNNING)
    follower.follow(RUNNING)
    assert (containers.asked, told.kinds) == ([], ["bot_control_unreachable"])
