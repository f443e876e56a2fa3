"""The `alpha` command from outside: help, one-line errors, exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from alpha import cli
from alpha.commands.shape import exit_code
from alpha.config import ConfigError
from alpha.domain.errors import AlphaError
from alpha.ledger.connection import LedgerUnavailable
from alpha.local.errors import AlreadyRunning, NotRunning

ROOT = Path(__file__).parents[2]
COMMANDS = sorted(cli.alpha.commands)


def run(*arguments: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """The command in a folder of its own, with nothing of ours in the environment."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("ALPHA_", "POSTGRES_", "BYBIT_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "alpha.cli", *arguments],
        cwd=folder,
        env=clean | {"PYTHONPATH": str(ROOT)} | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_commands_of_the_platform_are_there() -> None:
    assert {"demo", "up", "status", "verify", "migrate", "paper-exchange", "feed", "listener", "bot"} <= set(COMMANDS)
    assert {"start", "stop", "pause", "resume"} <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_an_example(name: str) -> None:
    command = cli.alpha.commands[name]
    shown = command.get_help(click.Context(command, info_name=f"alpha {name}"))
    assert command.help
    assert f"alpha {name}" in shown.split("Example:")[1]


def test_help_is_quick_because_it_imports_nothing_heavy(tmp_path: Path) -> None:
    before = time.monotonic()
    shown = run("--help", folder=tmp_path)
    assert shown.returncode == 0
    assert time.monotonic() - before < 5
    heavy = ("pydantic", "psycopg2", "redis", "rich.console", "pybit", "structlog", "pandas")
    code = f"import sys, alpha.cli; sys.exit(any(name in sys.modules for name in {heavy}))"
    checked = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert checked.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "says"),
    [
        (("status",), {}, 3, "no platform is running in .alpha: start one with `alpha up`"),
        (("stop", "x_001", "--why", "test"), {}, 3, "no platform is running"),
        (("stop", "x_001"), {}, 2, "Missing option '--why'"),
        (("demo", "--speed", "0"), {}, 2, "Invalid value for '--speed'"),
        (("listener",), {}, 2, "bots.yaml does not exist: run in the project's directory or set ALPHA_BOTS_FILE"),
        (
            ("listener",),
            {"ALPHA_MODE": "live", "BYBIT_DEMO": "true"},
            2,
            "ALPHA_MODE=live and BYBIT_DEMO=true disagree",
        ),
        (("bot", "nobody"), {"ALPHA_BOTS_FILE": str(ROOT / "bots.yaml")}, 2, "no bot nobody in bots.yaml; there are:"),
        (("up",), {"POSTGRES_PORT": "many"}, 2, "POSTGRES_PORT should be a valid integer"),
        (("nonsense",), {}, 2, "alpha: No such command 'nonsense'; see alpha --help"),
        (("demo", "--seconds", "nan"), {}, 2, "Invalid value for '--seconds'"),
        (("up", "--speed", "inf"), {}, 2, "inf is not a finite number; see alpha up --help"),
        (("verify", "--since", "nonsense"), {}, 2, "--since 'nonsense' is no time"),
        (("demo", "--candles", "/missing"), {}, 2, "alpha demo: Invalid value for '--candles'"),
        (("up", "--candles", "/missing"), {}, 2, "alpha up: Invalid value for '--candles'"),
        (("paper-exchange", "--candles", "/missing"), {}, 2, "alpha paper-exchange: Invalid value for '--candles'"),
        (("up",), {"ALPHA_MODE": "demo", "ALPHA_BOTS_FILE": str(ROOT / "bots.yaml")}, 2, "_API_KEY of account"),
        (
            ("status",),
            {
                "POSTGRES_PASSWORD": "p-1",
                "REDIS_PASSWORD": "p-1",
                "POSTGRES_PORT": "1",
                "ALPHA_BOTS_FILE": str(ROOT / "bots.yaml"),
            },
            3,
            "PostgreSQL at 127.0.0.1:1",
        ),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_code(
    tmp_path: Path, arguments: tuple[str, ...], environ: dict[str, str], code: int, says: str
) -> None:
    done = run(*arguments, folder=tmp_path, **environ)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("alpha")


def test_ctrl_c_before_a_command_has_begun_is_one_quiet_line(tmp_path: Path) -> None:
    code = "import sys, time; sys.argv[0] = 'alpha'; import alpha.cli; print(1, flush=True); time.sleep(30)"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=10)
    assert (process.returncode, stderr) == (130, "alpha: interrupted\n")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2),
        (AlreadyRunning("x"), 2),
        (NotRunning("x"), 3),
        (LedgerUnavailable("x"), 3),
        (AlphaError("x"), 1),
    ],
)
def test_exit_codes(error: AlphaError, code: int) -> None:
    assert exit_code(error) == code
