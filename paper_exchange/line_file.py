from __future__ import annotations

from pathlib import Path

import structlog

log = structlog.get_logger()


class LineFile:
    """A file that grows by whole lines: what could be written in part only, because the disk is full, is taken back.

    The death of the process can still tear the last line. Nobody was told of it, so it is dropped at the next start.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file, or makes it. Raises OSError."""
        if path.exists():
            _drop_torn_line(path)
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


def _drop_torn_line(path: Path) -> None:
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        log.warning("torn_line_dropped", file=str(path), bytes=len(content) - whole)
        with path.open("r+b") as file:
            file.truncate(whole)
