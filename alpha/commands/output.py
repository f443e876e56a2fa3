"""Files that a command writes at its end: whether they can be written is known before the work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alpha.domain.errors import Misconfigured


class OutputRefused(Misconfigured):
    """The file or folder that a command was told to write cannot be written."""


def check_file(path: Path | None) -> None:
    """Raises OutputRefused. None is no file to write."""
    if path is None:
        return
    if not path.parent.is_dir():
        raise OutputRefused(f"{path} cannot be written: there is no folder {path.parent}")
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise OutputRefused(f"{path} cannot be written: it is a folder, or this user may not")


def check_folder(path: Path | None) -> None:
    """The same of a folder, which is made with those above it where it is not there."""
    if path is None:
        return
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise OutputRefused(f"nothing can be written to {path}: {there} is no folder, or this user may not")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What goes wrong all the same (a full disk) in one sentence. Raises OutputRefused."""
    try:
        yield
    except OSError as error:
        raise OutputRefused(f"{path} cannot be written: {error.strerror or error}") from error
