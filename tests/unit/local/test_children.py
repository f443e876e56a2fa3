"""Children end with their parent, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from alpha.local.children import HAS_PARENT_DEATH_SIGNAL, Child
from alpha.local.errors import StartFailed
from tests.support import eventually

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]
GUARDS = [pytest.param(True, id="guard")]
if HAS_PARENT_DEATH_SIGNAL:
    GUARDS.append(pytest.param(False, id="kernel"))


def child_of(folder: Path, argv: list[str], *, guard: bool = not HAS_PARENT_DEATH_SIGNAL) -> Child:
    return Child("sleeper", argv, env=dict(os.environ), log=folder / "child.log", guard=guard)


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def is_up(child: Child) -> bool:
    return child.log.exists() and "up" in child.log.read_text()


@pytest.mark.parametrize("guard", GUARDS)
def test_a_child_starts_and_stops(tmp_path: Path, guard: bool) -> None:
    child = child_of(tmp_path, SLEEP, guard=guard)
    child.start()
    eventually(lambda: is_up(child), what="the child is up")
    pid = child.pid
    assert pid is not None
    assert child.running
    child.stop()
    assert child.exit_code == -signal.SIGTERM
    assert child.pid is None
    assert not exists(pid)


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    child = child_of(tmp_path, STUBBORN)
    child.start()
    eventually(lambda: is_up(child), what="the child is up")
    child.stop(grace_s=0.1)
    assert child.exit_code == -signal.SIGKILL


def test_what_a_killed_child_has_started_ends_with_it(tmp_path: Path) -> None:
    child = child_of(tmp_path, ["sh", "-c", "sleep 60 & echo $! up; wait"])
    child.start()
    eventually(lambda: is_up(child), what="the child has started another")
    started = int(child.log.read_text().split()[0])
    child.kill()
    eventually(lambda: not exists(started), what="that one has ended")


@pytest.mark.slow
@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("argv", [SLEEP, STUBBORN], ids=["sleep", "stubborn"])
def test_kill_9_of_the_parent_leaves_no_child(tmp_path: Path, guard: bool, argv: list[str]) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from alpha.local.children import Child\n"
        f"log = Path({str(tmp_path / 'child.log')!r})\n"
        f"child = Child('sleeper', {argv!r}, env=dict(os.environ), log=log, guard={guard})\n"
        "child.start()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=environ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        eventually(lambda: "up" in (tmp_path / "child.log").read_text(), what="the child is up")
        parent.kill()
        parent.wait()
        eventually(lambda: not exists(pid), what="the child has ended")


def test_ctrl_c_does_not_reach_a_child(tmp_path: Path) -> None:
    child = child_of(tmp_path, SLEEP)
    child.start()
    eventually(lambda: is_up(child), what="the child is up")
    assert child.pid is not None
    assert os.getpgid(child.pid) != os.getpgid(0)
    child.stop()


def test_a_child_is_started_by_the_main_thread_only(tmp_path: Path) -> None:
    child = child_of(tmp_path, SLEEP)
    refused: list[str] = []

    def start() -> None:
        try:
            child.start()
        except StartFailed as error:
            refused.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert refused == ["sleeper must be started by the main thread; a child ends with the thread that starts it"]


def test_a_program_that_is_not_there_ends_with_words(tmp_path: Path) -> None:
    child = child_of(tmp_path, ["/no/such/program"])
    child.start()
    eventually(lambda: not child.running, what="the launcher ends")
    assert child.exit_code != 0
    assert "/no/such/program" in child.log.read_text() or "No such file" in child.last_words()


def test_a_child_sees_its_environment_and_nothing_secret_in_its_arguments(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import os; print(os.environ['SECRET'])"]
    child = Child("printer", argv, env={"SECRET": "s-1"}, log=tmp_path / "child.log")
    child.start()
    assert child.wait(10)
    assert child.last_words() == "s-1"
    assert not any("s-1" in argument for argument in child.argv)
