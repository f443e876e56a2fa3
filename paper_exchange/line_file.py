from __future__ import annotations

from pathlib import Path

import structlog

log = structlog.get_logger()


class Unwritable(OSError):
    """A file takes no more of what has to be in it before anybody is told. Its text tells the operator what to do."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(error.errno, error.strerror, str(path))

    def __str__(self) -> str:
        return f"{self.filename} cannot be written: {self.strerror}; make room, and the exchange goes on where it is"


class LineFile:
    """A file that grows by whole lines: what could be written in part only, because the disk is full, is taken back."""

    def __init__(self, path: Path) -> None:
        """Opens the file, or makes it. Raises OSError."""
        self._path = path
        self._file = path.open("ab", buffering=0)
        self._length = self._file.tell()

    def append(self, lines: bytes) -> None:
        """Returns when the operating system has them. Raises Unwritable, and then the file is what it was."""
        left = memoryview(lines)
        try:
            # One write may take less than it is given.
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            self._file.truncate(self._length)
            raise Unwritable(self._path, error) from error
        self._length += len(lines)

    def empty(self) -> None:
        self._file.truncate(0)
        self._length = 0

    def close(self) -> None:
        self._file.close()


def whole_lines(path: Path) -> bytes:
    """What the file holds, nothing when there is none. Raises OSError.

    A last line without an end was torn by the death of the process. Nobody was told of it, so it is dropped.
    """
    if not path.exists():
        return b""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        log.warning("torn_line_dropped", file=str(path), bytes=len(content) - whole)
        with path.open("r+b") as file:
            file.truncate(whole)
    return content[:whole]
