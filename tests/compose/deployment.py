"""A copy of the project that is run by a real engine, as an operator would: `alpha init`, then `docker compose`."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support import eventually

ROOT = Path(__file__).parents[2]
FILE = "docker-compose.production.yml"
FAST_CHECKS = Path(__file__).with_name("fast-checks.yml")
PROJECT = "alpha"
SERVICES = (
    "postgres",
    "redis",
    "pgbouncer",
    "paper_exchange",
    "websocket_listener",
    "market_feed",
    "shortseller",
    "lxalgo",
    "momentum",
    "canary",
    "canary_002",
    "trade_sync_service",
    "docker_proxy",
    "telegram_manager",
    "postgres_backup",
)
_WITHIN_S = 600.0


def run(arguments: Sequence[str], *, within_s: float = _WITHIN_S, **given: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, timeout=within_s, check=False, **given)


def docker(*arguments: str, within_s: float = _WITHIN_S) -> str:
    """What a `docker` command answers. Raises AssertionError when it fails."""
    done = run(["docker", *arguments], within_s=within_s)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr or done.stdout}"
    return done.stdout.strip()


def inspect(container: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("inspect", container))[0]
    return found


def health(container: str) -> str:
    """healthy, unhealthy, starting, or what the container does when it has no check or does not run."""
    state = inspect(container)["State"]
    return str(state["Health"]["Status"] if state["Running"] and "Health" in state else state["Status"])


def last_check(container: str) -> str:
    checks = inspect(container)["State"]["Health"]["Log"]
    return str(checks[-1]["Output"]) if checks else ""


def signalled(service: str, what: signal.Signals) -> None:
    """Sends a signal to the first process of a container, which as root can be done from outside.

    Not `docker kill`: the engine takes that for an operator's wish, and does not start again what ends afterwards.
    """
    if os.getuid() != 0:
        pytest.skip("a process of a container can be signalled by root only")
    pid = int(inspect(f"trading_{service}")["State"]["Pid"])
    # 0 for a container that does not run, and to the system it means this process and all that it has started.
    assert pid > 0, f"{service} does not run"
    os.kill(pid, what)


def becomes(container: str, wanted: str, within_s: float = 300.0) -> None:
    eventually(lambda: _is(container, wanted), within_s, f"{container} being {wanted}", every_s=0.5)


def _is(container: str, wanted: str) -> bool:
    found = health(container)
    assert found == wanted, f"{found}: {last_check(container) if found != wanted else ''}"
    return True


def containers() -> dict[str, str]:
    """Service -> id of its container, of the whole project, running or not."""
    lines = docker(
        "ps", "--all", "--no-trunc", "--filter", f"label=com.docker.compose.project={PROJECT}",
        "--format", '{{.Label "com.docker.compose.service"}} {{.ID}}',
    ).splitlines()  # fmt: skip
    return dict(line.split() for line in lines)


class Deployment:
    """The project in a folder of its own, with an .env of its own."""

    def __init__(self, folder: Path, *, speed: int = 900) -> None:
        self.folder = folder
        _copy_project(folder)
        self.initialised = self.alpha("init", "--canary")
        assert self.initialised.returncode == 0, self.initialised.stderr
        self.set_variable("PAPER_SPEED", str(speed))

    @property
    def env(self) -> dict[str, str]:
        """The variables of its .env."""
        lines = (self.folder / ".env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))

    def set_variable(self, name: str, value: str) -> None:
        path = self.folder / ".env"
        lines = path.read_text().splitlines()
        path.write_text("\n".join(f"{name}={value}" if line.startswith(f"{name}=") else line for line in lines) + "\n")

    def alpha(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The `alpha` command in this folder, against what its .env names."""
        return run([sys.executable, "-m", "alpha.cli", *arguments], cwd=self.folder, env=_bare_environment(self.folder))

    def compose(self, *arguments: str, fast: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
        files = ["-f", FILE, *(["-f", str(FAST_CHECKS)] if fast else [])]
        # A second file would otherwise decide what "." is.
        return run(
            ["docker", "compose", "--project-directory", str(self.folder), *files, *arguments],
            cwd=self.folder,
            env=_bare_environment(self.folder) | variables,
        )

    def build(self) -> None:
        """Every image as the project stands, so that nothing older is run. Raises AssertionError with what failed."""
        done = self.compose("--profile", "*", "build", "--quiet")
        assert done.returncode == 0, done.stderr

    def up(self, *services: str, profiles: Iterable[str] = (), fast: bool = False, options: Iterable[str] = ()) -> None:
        """Up and healthy. Raises AssertionError with what compose and the unhealthy ones say."""
        chosen = [part for name in profiles for part in ("--profile", name)]
        done = self.compose(*chosen, "up", "--detach", "--wait", *options, *services, fast=fast)
        assert done.returncode == 0, f"{done.stderr}\n{_complaints()}"

    def typed(self, line: str, *, within_s: float = _WITHIN_S) -> str:
        """What a line typed at a terminal in this folder shows. Raises AssertionError when it fails or takes longer."""
        leader, follower = pty.openpty()
        try:
            with subprocess.Popen(
                line, shell=True, cwd=self.folder, env=_bare_environment(self.folder),
                stdin=follower, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            ) as shell:  # fmt: skip
                shown, _ = shell.communicate(timeout=within_s)
        finally:
            os.close(leader)
            os.close(follower)
        assert shell.returncode == 0, f"{line}: {shown}"
        return shown

    def remove(self) -> None:
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "5")

    def sql(self, statement: str) -> str:
        return docker("exec", "trading_postgres", "psql", "-U", "trading_user", "-d", "trading_db", "-Atc", statement)


def _copy_project(folder: Path) -> None:
    listed = run(["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]).stdout
    for name in filter(None, listed.split("\0")):
        source = ROOT / name
        if source.is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def _bare_environment(folder: Path) -> dict[str, str]:
    """Nothing of ours that the tests themselves may run under."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "DOCKER_HOST", "TERM") if name in os.environ}
    return kept | {"PYTHONPATH": str(folder), "TERM": kept.get("TERM", "xterm")}


def _complaints() -> str:
    """What each container says that is not well."""
    found = []
    for service, container in containers().items():
        state = inspect(container)["State"]
        well = state.get("Health", {}).get("Status") == "healthy" or (not state["Running"] and state["ExitCode"] == 0)
        if not well:
            log = run(["docker", "logs", "--tail", "5", container])
            check = last_check(container) if "Health" in state else ""
            found.append(f"{service}: {state['Status']} {check}{log.stdout}{log.stderr}")
    return "\n".join(found)
