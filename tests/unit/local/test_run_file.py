from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from alpha.local.errors import AlreadyRunning, NotRunning
from alpha.local.run_file import HomeLock, RunFile, attach

RUN = RunFile(
    pid=1,
    mode="paper",
    started_at="2025-01-01T00:00:00+00:00",
    bots=("a_001",),
    pids={"postgres": 2},
    ports={"postgres": 3},
    env={"reader": {"POSTGRES_PASSWORD": "s-1"}},
    exchange_url="http://127.0.0.1:4",
)


def test_a_running_platform_is_found(tmp_path: Path) -> None:
    lock = HomeLock(tmp_path)
    lock.take()
    RUN.write(tmp_path)
    assert attach(tmp_path) == RUN
    assert stat.S_IMODE((tmp_path / "run.json").stat().st_mode) == 0o600
    assert "s-1" not in repr(RUN)
    lock.release()
    with pytest.raises(NotRunning, match="start one with `alpha up`"):
        attach(tmp_path)


def test_a_file_that_a_killed_supervisor_left_is_no_platform(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom alpha.local.run_file import HomeLock\n"
        "HomeLock(Path(sys.argv[1])).take()\nos.kill(os.getpid(), 9)\n"
    )
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    assert subprocess.run([sys.executable, "-c", code, tmp_path], env=environ, check=False).returncode == -9
    RUN.write(tmp_path)
    with pytest.raises(NotRunning):
        attach(tmp_path)
    lock = HomeLock(tmp_path)
    lock.take()
    lock.release()


def test_nothing_there_is_no_platform(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        attach(tmp_path / "nowhere")


def test_the_second_in_one_home_is_told_of_the_first(tmp_path: Path) -> None:
    lock = HomeLock(tmp_path)
    lock.take()
    with pytest.raises(AlreadyRunning, match=rf"already running in .* \(pid {os.getpid()}\)"):
        HomeLock(tmp_path).take()
    lock.release()


def test_asking_does_not_keep_a_platform_from_starting(tmp_path: Path) -> None:
    HomeLock(tmp_path).take()
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            with pytest.raises(NotRunning):
                attach(tmp_path)

    (tmp_path / "lock").unlink()
    (tmp_path / "lock").touch()
    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(50):
            lock = HomeLock(tmp_path)
            lock.take()
            os.close(lock._descriptor)  # type: ignore[arg-type]  # let go without touching run.json
    finally:
        stop.set()
        asking.join()


def test_a_run_file_of_another_version_says_so(tmp_path: Path) -> None:
    lock = HomeLock(tmp_path)
    lock.take()
    for content in ('{"bots": []}', "not json", "[]"):
        (tmp_path / "run.json").write_text(content)
        with pytest.raises(NotRunning, match="is not of this version"):
            attach(tmp_path)
    lock.release()


def test_a_fresh_start_keeps_the_lock(tmp_path: Path) -> None:
    lock = HomeLock(tmp_path)
    lock.take()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").touch()
    (tmp_path / "journal").touch()
    lock.clear_home()
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    with pytest.raises(AlreadyRunning):
        HomeLock(tmp_path).take()
    lock.release()
