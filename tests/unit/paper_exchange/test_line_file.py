"""A full disk or a death in the middle of a write leaves whole lines behind."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from unittest.mock import Mock

import pytest

from paper_exchange.line_file import LineFile, whole_lines
from tests.unit.paper_exchange.small_disk import disk_of


def test_what_does_not_fit_leaves_nothing_behind_and_the_next_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    with closing(LineFile(path)) as lines:
        lines.append(b"first\n")
        with disk_of(8):
            for _ in range(2):
                with pytest.raises(OSError, match="too large"):
                    lines.append(b"second\n")
            assert path.read_bytes() == b"first\n"
        lines.append(b"third\n")
    assert path.read_bytes() == b"first\nthird\n"


@pytest.mark.parametrize("torn", [b"sec", b"first", b"\0" * 20])
def test_a_torn_last_line_is_dropped_and_told(tmp_path: Path, torn: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by what is printed: other tests of this process may have set up logging in their own way.
    log = Mock()
    monkeypatch.setattr("paper_exchange.line_file.log", log)
    path = tmp_path / "lines"
    path.write_bytes(b"first\n" + torn)
    assert whole_lines(path) == path.read_bytes() == b"first\n"
    with closing(LineFile(path)) as lines:
        lines.append(b"second\n")
    assert path.read_bytes() == b"first\nsecond\n"
    log.warning.assert_called_once_with("torn_line_dropped", file=str(path), bytes=len(torn))
