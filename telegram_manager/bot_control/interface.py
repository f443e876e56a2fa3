"""What a command needs of whoever runs the bots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import Protocol

from alpha.domain.errors import AlphaError, Unreachable
from alpha.domain.ids import BotId


class BotControlError(AlphaError):
    """Whoever runs the bots said no, or something that cannot be understood."""


class BotControlUnreachable(BotControlError, Unreachable):
    """Whoever runs the bots does not answer now."""


@unique
class RunState(StrEnum):
    """Whether a bot's process exists. That it works is told by its heartbeat alone."""

    RUNNING = "running"
    STOPPED = "stopped"
    RESTARTING = "restarting"
    """It ended by itself and will be started again."""
    MISSING = "missing"
    """Nothing is there that could be started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BotState:
    """`life` differs between two starts of the same bot; None while it does not run. `since` is when this life, or its
    end, began (wall clock), where that is known. `detail` is a word of the runner's own: an exit code, a health."""

    bot: BotId
    state: RunState
    life: str | None = None
    since: datetime | None = None
    exit_code: int | None = None
    detail: str = ""

    @property
    def is_running(self) -> bool:
        return self.state is RunState.RUNNING


class BotControl(Protocol):
    """Starts and stops processes. What shall run is written in `controls` and not here: `follows_controls` says that
    the runner reads them by itself, so that `start`, `stop` and `restart` have nothing to do.

    Every method raises BotControlError.
    """

    @property
    def name(self) -> str:
        """For a person: `Docker` or `the supervisor`."""

    @property
    def follows_controls(self) -> bool: ...

    def states(self) -> Mapping[BotId, BotState]:
        """Every bot of the registry."""

    def start(self, bot: BotId) -> None:
        """Running already is fine."""

    def stop(self, bot: BotId) -> None:
        """Returns when it has ended. Stopped already is fine."""

    def restart(self, bot: BotId) -> None: ...

    def logs(self, bot: BotId, lines: int) -> list[str]:
        """The newest lines, oldest first."""

    def close(self) -> None: ...
