"""What the scan of `make lint` takes for a secret."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "secret_scan.py"


@pytest.fixture(scope="module")
def scan() -> ModuleType:
    spec = importlib.util.spec_from_file_location("secret_scan", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["secret_scan"] = module
    spec.loader.exec_module(module)
    return module


# Put together here, so that the scan of this file finds nothing.
RANDOM = "q7Rk2" + "Vd9Xw4LtZ8mPb1Ns6"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (f"POSTGRES_PASSWORD={RANDOM}", "value of a secret"),
        (f'api_key: "{RANDOM}"', "value of a secret"),
        (f"REDIS_PASSWORD={RANDOM[:9]}_{RANDOM[9:]}", "value of a secret"),
        (f"postgresql://alpha:{RANDOM}@db/trading", "password in a URL"),
        ("-----BEGIN " + "PRIVATE KEY-----", "private key"),
        ("123456789:" + "AA" + "h" * 33, "Telegram token"),
    ],
)
def test_what_looks_like_a_secret_is_found_in_its_line(scan: ModuleType, line: str, kind: str) -> None:
    assert list(scan.findings(f"first\n{line}\n")) == [(2, kind)]


@pytest.mark.parametrize(
    "line",
    [
        "POSTGRES_PASSWORD=",
        "POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?run alpha init}",
        "password = secrets.token_urlsafe(24)",
        '_TELEGRAM_TOKEN = "C2_TELEGRAM_BOT_TOKEN"',
        'api_key="the_key_of_a_test_account"',
        f"password={RANDOM}  # not a secret",
    ],
)
def test_names_templates_and_what_is_excused_are_not(scan: ModuleType, line: str) -> None:
    assert list(scan.findings(line)) == []


def test_an_environment_file_must_not_be_carried(
    scan: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".env").write_text("ALPHA_MODE=paper\n")
    assert scan.main([str(tmp_path / ".env")]) == 1
    (tmp_path / "password.txt").write_text(f"password={RANDOM}\n")
    assert scan.main([str(tmp_path / "password.txt")]) == 1
    assert RANDOM not in capsys.readouterr().out
