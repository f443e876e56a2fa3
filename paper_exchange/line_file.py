from __future__ import annotations

from pathlib import Path

import structlog

log = structlog.get_logger()


class LineFile:
    """A file that grows by whole lines: what could be written in part only, because the disk is full, is taken back."""

    def __init__(self, path: Path) -> None:
        """Opens the file, or makes it. Raises OSError."""
        self._file = path.open("ab", buffering=0)

    def append(self, lines: bytes) -> None:
        """Returns when the operating system has them. Raises OSError, and then the file is what it was."""
        length = self._file.tell()
        left = memoryview(lines)
        try:
            # One write may take less than it is given.
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            self._file.truncate(length)
            self._file.seek(length)
            raise

    def empty(self) -> None:
        self._file.truncate(0)
        self._file.seek(0)

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
