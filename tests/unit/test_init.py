"""`alpha init`, in a copy of the files that it reads."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from alpha.commands.init import init
from alpha.config.env_file import written

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (".env.example", "docker-compose.production.yml", "bots.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(init, arguments)


def env(project: Path) -> dict[str, str]:
    return written((project / ".env").read_text())


def test_every_password_is_drawn_and_the_file_is_its_owners(project: Path) -> None:
    done = run()
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
    passwords = [value for name, value in env(project).items() if name.endswith("_PASSWORD")]
    assert all(len(value) >= 32 for value in passwords)
    assert len(set(passwords)) == len(passwords) > 20
    assert not [value for value in passwords if value in done.output]


def test_every_variable_that_compose_requires_has_a_value(project: Path) -> None:
    run()
    text = (project / "docker-compose.production.yml").read_text()
    required = {part.split(":?")[0] for part in text.split("${")[1:] if ":?" in part.split("}")[0]}
    assert required
    assert not {name for name in required if not env(project).get(name)}


def test_what_is_there_stays_and_what_is_missing_comes(project: Path) -> None:
    run()
    path = project / ".env"
    lines = path.read_text().splitlines()
    kept = env(project)["REDIS_PASSWORD"]
    path.write_text("\n".join(line for line in lines if not line.startswith("LXALGO_001_")) + "\n")
    assert run().exit_code == 0
    assert env(project)["REDIS_PASSWORD"] == kept
    assert env(project)["LXALGO_001_REDIS_PASSWORD"]


def test_keys_are_made_up_for_paper_only_and_for_the_canary_when_asked(project: Path) -> None:
    run()
    assert env(project)["SHORTSELLER_BYBIT_API_KEY"]
    assert not env(project)["CANARY_BYBIT_API_KEY"]
    run("--canary")
    assert env(project)["CANARY_BYBIT_API_KEY"]
    (project / ".env").unlink()
    assert run("--mode", "demo").exit_code == 0
    assert env(project)["ALPHA_MODE"] == "demo"
    assert not env(project)["SHORTSELLER_BYBIT_API_KEY"]


def test_another_mode_is_not_slipped_into_an_env_that_has_one(project: Path) -> None:
    run()
    refused = run("--mode", "live")
    assert refused.exit_code == 2
    assert env(project)["ALPHA_MODE"] == "paper"


def test_folders_of_logs_and_backups_belong_to_whom_the_services_run_as(project: Path) -> None:
    run()
    uid = int(env(project)["ALPHA_UID"])
    for folder in ("websocket_listener/logs", "strategies/shortseller/logs", "database/backups/postgres"):
        found = (project / folder).stat()
        assert found.st_uid == uid
        assert stat.S_IMODE(found.st_mode) == 0o750
    assert uid == (10001 if os.getuid() == 0 else os.getuid())


def test_elsewhere_it_says_where_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run().exit_code == 2
