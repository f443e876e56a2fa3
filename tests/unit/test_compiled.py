from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alpha.compiled import changed_since, compiled_modules

REPO = Path(__file__).parents[2]
MADE = 1_700_000_000_000_000_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout of two modules, of which it says that both were compiled."""
    (tmp_path / "alpha").mkdir()
    for name in ("__init__.py", "compiled.py"):
        (tmp_path / "alpha" / name).write_text((REPO / "alpha" / name).read_text())
    for name in ("fold.py", "match.py"):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, ns=(MADE, MADE))
    manifest = tmp_path / "alpha" / "compiled.txt"
    manifest.write_text("fold.py\nmatch.py\n")
    os.utime(manifest, ns=(MADE, MADE))
    return tmp_path


def imported(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", "import alpha"], cwd=root, capture_output=True, text=True, check=False)


def test_nothing_is_compiled_without_a_manifest(tmp_path: Path) -> None:
    assert compiled_modules(tmp_path / "compiled.txt") == []
    assert changed_since(tmp_path / "compiled.txt", tmp_path) == []


def test_what_was_compiled_of_its_source_runs(root: Path) -> None:
    manifest = root / "alpha" / "compiled.txt"
    assert compiled_modules(manifest) == ["fold.py", "match.py"]
    assert changed_since(manifest, root) == []
    assert imported(root).returncode == 0


def test_a_source_that_was_edited_since_is_refused_with_what_to_do(root: Path) -> None:
    os.utime(root / "match.py", ns=(MADE + 1, MADE + 1))
    assert changed_since(root / "alpha" / "compiled.txt", root) == ["match.py"]
    ended = imported(root)
    assert ended.returncode == 2
    assert ended.stderr == (
        "match.py changed after `make compile`; run it again, or `make interpreted` to do without\n"
    )


def test_a_service_need_not_have_what_it_does_not_run(root: Path) -> None:
    (root / "fold.py").unlink()
    assert imported(root).returncode == 0
