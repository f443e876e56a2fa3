"""The checked exchange on a disk that is full for one of its files while another file, named first, names it."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from paper_exchange.__main__ import main as run_exchange
from tests.checked_exchange import FieldTap

_open = Path.open


class _FullFile(io.FileIO):
    """Takes a part of what it is given, as a full disk does, and then nothing."""

    def write(self, data: Any, /) -> int:
        if FULL.exists() and FULL.read_text() == Path(str(self.name)).name:
            super().write(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


def _opened(path: Path, mode: str = "r", buffering: int = -1, *arguments: Any, **options: Any) -> Any:
    if (mode, buffering) == ("ab", 0):
        return _FullFile(path, "ab")
    return _open(path, mode, buffering, *arguments, **options)


if __name__ == "__main__":
    tap = Path(sys.argv[1])
    FULL = tap.parent / "full"
    patch.object(Path, "open", _opened).start()
    FieldTap(tap).install()
    sys.exit(run_exchange(sys.argv[2:]))
