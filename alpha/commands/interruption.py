"""Ctrl-C in a command that has to leave things as they were."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType

import click

from alpha.service.exit_codes import INTERRUPTED

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Within it the first Ctrl-C (or SIGTERM) raises KeyboardInterrupt, so that what was begun is undone; further ones
    do not disturb that. Then it says what is left, and the process ends with code 130.

    A statement that the database is at work on is waited for: the driver does not let itself be interrupted.
    """

    def __init__(self, left: str) -> None:
        self.left = left
        """What is left when it is interrupted now, for people. Changes as the work goes on."""
        self._before: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> Interruption:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if isinstance(error, KeyboardInterrupt):
            click.echo(f"alpha: interrupted: {self.left}", err=True)
            raise SystemExit(INTERRUPTED) from None

    def _interrupt(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt
