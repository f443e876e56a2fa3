"""How a bot stands, in one word, and why."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum, unique

from alpha.ledger.controls import Control, DesiredState


@unique
class Standing(StrEnum):
    RUNNING = "running"
    STARTING = "starting"
    """It runs and reads what happened while it was down."""
    PAUSED = "paused"
    """A person forbids entries; exits go on."""
    HALTED = "halted"
    """Its drawdown forbids entries until a person resumes it."""
    UNHEALTHY = "unhealthy"
    """It shall run and gives no sign of life, or does not know its positions."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    KILLED = "killed"
    """Stopped, and held so until the kill is lifted."""
    UNKNOWN = "unknown"
    """Live state is away."""


def standing_of(
    *, heartbeat: str | None, positions_fresh: bool, halted: bool, controls: Iterable[Control], known: bool = True
) -> tuple[Standing, str]:
    """The word and its reason, "" where there is none to tell. `heartbeat` is the state that the bot tells, None when
    it has said nothing for five seconds; `controls` are those over it; `known` is whether live state answers."""
    over = tuple(controls)
    killed = next((control for control in over if control.kill is not None), None)
    stopped = next((control for control in over if control.desired_state is DesiredState.STOPPED), None)
    paused = next((control for control in over if not control.entries_allowed), None)
    alive = heartbeat is not None and heartbeat != "stopped"
    if killed is not None:
        return Standing.KILLED, _said(killed)
    if not known:
        return Standing.UNKNOWN, "Redis does not answer"
    if stopped is not None:
        return Standing.STOPPING if alive else Standing.STOPPED, _said(stopped)
    if not alive:
        return Standing.UNHEALTHY, "no sign of life"
    if heartbeat == "catching_up":
        return Standing.STARTING, "reading what it missed"
    if not positions_fresh:
        return Standing.UNHEALTHY, "its positions are not fresh"
    if halted:
        return Standing.HALTED, "by its drawdown"
    if paused is not None:
        return Standing.PAUSED, _said(paused)
    return Standing.RUNNING, ""


def _said(control: Control) -> str:
    return f"by {control.by}: {control.why}"
