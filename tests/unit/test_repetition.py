"""A repetition of what failed may not pass for a run of the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PASSES = "def test_passes(): pass\n"
ONCE = """
from pathlib import Path
import pytest

def test_unsteady():
    seen = Path(__file__).with_name("seen")
    if not seen.exists():
        seen.touch()
        assert False, "the first time"
    {afterwards}
"""


def run(folder: Path, report: str, *options: str) -> Path:
    """A run of pytest in the folder, with its report."""
    xml = folder / report
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-c",
        "/dev/null",
        "--rootdir",
        str(folder),
        "--junitxml",
        str(xml),
    ]
    subprocess.run([*command, *options, str(folder)], cwd=folder, capture_output=True, check=False)
    return xml


def judged(*reports: Path) -> tuple[int, str]:
    command = [sys.executable, str(ROOT / ".ci/repetition.py"), *map(str, reports)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("afterwards", "code"), [("pass", 0), ("assert False, 'again'", 1), ("pytest.skip('no engine')", 1)]
)
def test_what_failed_must_have_passed_alone(tmp_path: Path, afterwards: str, code: int) -> None:
    (tmp_path / "test_once.py").write_text(ONCE.format(afterwards=afterwards) + PASSES)
    first = run(tmp_path, "first.xml")
    assert judged(first)[0] == 0
    second = run(tmp_path, "second.xml", "--last-failed")
    found, said = judged(first, second)
    assert found == code
    assert "unsteady: test_once::test_unsteady" in said


def test_a_run_that_collected_not_everything_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "test_whole.py").write_text(PASSES)
    (tmp_path / "test_broken.py").write_text("import nothing_of_that_name\n")
    code, said = judged(run(tmp_path, "first.xml"))
    assert code == 1
    assert "could not be collected" in said


def test_a_run_without_a_report_or_without_a_failure_is_not_repeated(tmp_path: Path) -> None:
    assert judged(tmp_path / "none.xml")[0] == 1
    (tmp_path / "test_whole.py").write_text(PASSES)
    assert "no test failed" in judged(run(tmp_path, "first.xml"))[1]
