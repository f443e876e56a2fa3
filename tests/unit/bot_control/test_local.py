"""Bots of a local platform as its run.json tells of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alpha.config.errors import ConfigError
from alpha.config.registry import load_registry
from alpha.config.settings import Settings
from alpha.domain.ids import BotId
from telegram_manager.bot_control.choice import bot_control
from telegram_manager.bot_control.docker import DockerControl
from telegram_manager.bot_control.interface import BotControlError, BotControlUnreachable, RunState
from telegram_manager.bot_control.local import LocalControl

ONE, TWO, THREE = BotId("one_001"), BotId("two_001"), BotId("three_001")
ROOT = Path(__file__).parents[3]


@pytest.fixture
def gone() -> int:
    """The id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def tells(home: Path, *, supervisor: int, pids: dict[str, int]) -> LocalControl:
    (home / "run.json").write_text(json.dumps({"pid": supervisor, "bots": [ONE, TWO], "pids": pids}))
    return LocalControl(home, (ONE, TWO, THREE))


def test_a_bot_runs_when_its_process_does(tmp_path: Path, gone: int) -> None:
    control = tells(tmp_path, supervisor=os.getpid(), pids={ONE: os.getpid(), TWO: gone})
    states = control.states()
    assert {bot: state.state for bot, state in states.items()} == {
        ONE: RunState.RUNNING,
        TWO: RunState.STOPPED,
        # the platform was started without it
        THREE: RunState.MISSING,
    }
    assert states[ONE].life == str(os.getpid())
    control.start(ONE)
    with pytest.raises(BotControlError, match="was started without three_001"):
        control.start(THREE)


def test_without_a_supervisor_nothing_runs_and_nothing_can_be_started(tmp_path: Path, gone: int) -> None:
    for control in (LocalControl(tmp_path, (ONE,)), tells(tmp_path, supervisor=gone, pids={ONE: os.getpid()})):
        assert not control.states()[ONE].is_running
        with pytest.raises(BotControlUnreachable, match="no platform runs"):
            control.start(ONE)
        control.stop(ONE)


def test_the_last_lines_of_a_log_are_shown_and_of_bots_only(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / f"{ONE}.log").write_text("".join(f"line {number}\n" for number in range(5)))
    control = LocalControl(tmp_path, (ONE, TWO))
    assert control.logs(ONE, 2) == ["line 3", "line 4"]
    assert control.logs(TWO, 2) == []
    with pytest.raises(BotControlError):
        control.logs(BotId("../../etc/passwd"), 2)


def test_which_way_bots_are_run_is_said_by_the_environment(tmp_path: Path) -> None:
    registry, settings = load_registry(ROOT / "bots.yaml"), Settings(alpha_home=tmp_path)
    assert isinstance(bot_control(settings, registry, {}), LocalControl)
    assert isinstance(bot_control(settings, registry, {"DOCKER_PROXY_URL": "http://docker_proxy:2375"}), DockerControl)
    with pytest.raises(ConfigError, match="never the engine's own socket"):
        bot_control(settings, registry, {"DOCKER_PROXY_URL": "unix:///var/run/docker.sock"})
