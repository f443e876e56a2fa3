"""Bots as children of `alpha up`, which follows `controls` by itself."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from alpha.domain.ids import BotId
from telegram_manager.bot_control.interface import BotControlError, BotControlUnreachable, BotState, RunState

_RUN_FILE = "run.json"
_LOGS = "logs"
_TAIL_BYTES = 2_000_000


class LocalControl:
    """Reads what the supervisor tells of its children in `run.json`, and their logs. `home` is the platform's."""

    name = "the supervisor"
    follows_controls = True

    def __init__(self, home: Path, bots: Iterable[BotId]) -> None:
        self._home = home
        self._bots = tuple(bots)

    def states(self) -> Mapping[BotId, BotState]:
        told = self._told()
        pids: Mapping[str, Any] = {} if told is None else told["pids"]
        runs_here = () if told is None else told["bots"]
        return {bot: _state(bot, pids.get(bot), is_known=bot in runs_here) for bot in self._bots}

    def start(self, bot: BotId) -> None:
        """Only looks whether there is somebody to obey."""
        told = self._told()
        if told is None:
            raise BotControlUnreachable(f"no platform runs in {self._home}: start one with `alpha up`")
        if bot not in told["bots"]:
            raise BotControlError(f"the platform in {self._home} was started without {bot}: `alpha up --bots` names it")

    def restart(self, bot: BotId) -> None:
        self.start(bot)

    def stop(self, bot: BotId) -> None:
        """Nothing to do: the supervisor reads the controls, and without one no bot runs."""

    def logs(self, bot: BotId, lines: int) -> list[str]:
        if bot not in self._bots:
            raise BotControlError(f"there is no bot {bot}")
        path = self._home / _LOGS / f"{bot}.log"
        try:
            with path.open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(file.tell() - _TAIL_BYTES, 0))
                text = file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise BotControlError(f"{path} cannot be read: {error}") from error
        return text.splitlines()[-lines:]

    def close(self) -> None:
        """Nothing is held open."""

    def _told(self) -> Mapping[str, Any] | None:
        """What the supervisor wrote, None when none lives."""
        path = self._home / _RUN_FILE
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            supervisor = int(told["pid"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise BotControlError(f"{path} cannot be read: {error}") from error
        return told if _lives(supervisor) else None


def _state(bot: BotId, pid: int | None, *, is_known: bool) -> BotState:
    if pid is not None and _lives(pid):
        return BotState(bot=bot, state=RunState.RUNNING, life=str(pid), detail=f"pid {pid}")
    return BotState(bot=bot, state=RunState.STOPPED if is_known else RunState.MISSING)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
