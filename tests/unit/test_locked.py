"""What of the lock file an image installs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "locked.py"

LOCK = """\
# made by a tool
anyio==4.1 \\
    --hash=sha256:aa
    # via httpx
certifi==1 ; sys_platform != 'win32' \\
    --hash=sha256:bb \\
    --hash=sha256:cc
    # via
    #   httpx
    #   requests
httpx[http2]==0.28 \\
    --hash=sha256:dd
    # via bot-library
bot-library==22 \\
    --hash=sha256:ee
    # via alpha-trading (pyproject.toml)
numpy==2.4 ; python_full_version < '3.12' \\
    --hash=sha256:ab
    # via pandas
numpy==2.5 ; python_full_version >= '3.12' \\
    --hash=sha256:ac
    # via pandas
requests==2 \\
    --hash=sha256:ff
    # via alpha-trading (pyproject.toml)
"""


@pytest.fixture(scope="module")
def locked() -> ModuleType:
    spec = importlib.util.spec_from_file_location("locked", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kept(locked: ModuleType, *wanted: str) -> list[str]:
    found: list[str] = locked.closure(locked.blocks(LOCK), list(wanted))
    return found


def test_what_is_asked_for_comes_with_all_it_leads_to(locked: ModuleType) -> None:
    assert kept(locked, "bot-library") == ["anyio", "bot-library", "certifi", "httpx"]
    assert kept(locked, "requests") == ["certifi", "requests"]


def test_markers_and_hashes_stay(locked: ModuleType) -> None:
    block = locked.blocks(LOCK)["certifi"]
    assert block.startswith("certifi==1 ; sys_platform != 'win32' \\\n")
    assert block.count("--hash=") == 2


def test_of_a_package_that_is_locked_for_two_pythons_both_are_kept(locked: ModuleType) -> None:
    assert locked.blocks(LOCK)["numpy"].count("numpy==") == 2


def test_a_package_that_is_not_locked_is_named(
    locked: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "requirements.lock").write_text(LOCK)
    assert locked.main([str(tmp_path / "requirements.lock"), "requests", "pandas"]) == 1
    assert "does not lock pandas" in capsys.readouterr().err
