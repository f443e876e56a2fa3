"""Every view answers, in Telegram's form and in a terminal, on a full platform and on one that never ran."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from matplotlib.image import imread

from alpha.commands.c2 import c2
from telegram_manager.asking import ask
from telegram_manager.parsing import parse
from telegram_manager.rendering.answer import Answer
from telegram_manager.rendering.telegram import pages, pictures
from telegram_manager.rendering.terminal import text
from tests.integration.seeing.stage import FIRST, TODAY, Stage, settings_of

VIEWS = (
    "/status",
    f"/status {FIRST}",
    "/positions",
    "/orders",
    "/fills",
    f"/fills {FIRST} 3",
    "/trades 3",
    f"/trades {FIRST}",
    "/daily",
    f"/daily {FIRST} 5",
    "/analytics",
    "/analytics all 7",
    f"/analytics {FIRST} 90",
    "/balance",
    "/proof",
    "/drift",
    "/alerts",
    "/health",
    "/version",
    "/help",
)


def answered(stage: Stage, spoken: str) -> Answer:
    context = stage.context()
    return ask(context, parse(spoken, context.registry, context.commands))


@pytest.fixture
def environment(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A terminal whose environment names the servers."""
    stage.registry()
    given = settings_of(stage.database.dsn("commander"), stage.redis)
    for name, value in given.items():
        shown = value.get_secret_value() if "password" in name else str(value)
        monkeypatch.setenv(name.upper(), shown)
    for name, value in {
        "ALPHA_ENV_FILE": "",
        "ALPHA_HOME": str(stage.folder / "home"),
        "ALPHA_BOTS_FILE": str(stage.folder / "bots.yaml"),
        "G0_API_KEY": "key",
        "G0_API_SECRET": "secret",
    }.items():
        monkeypatch.setenv(name, value)
    return stage


def test_every_view_answers(stage: Stage) -> None:
    for spoken in VIEWS:
        answer = answered(stage, spoken)
        assert answer.ok, (spoken, text(answer))
        assert pages(answer), spoken


def test_every_view_answers_where_nothing_ever_was(empty_stage: Stage) -> None:
    for spoken in VIEWS:
        assert pages(answered(empty_stage, spoken)), spoken


def test_status_shows_position_result_and_last_fill(stage: Stage) -> None:
    told = text(answered(stage, "/status"), 200)
    assert "S01USDT +0.5 at 1,000.00 (+5.00)" in told
    assert "All well, paper: 2 running" in told
    assert "0.00 USDT" in told or f"{TODAY:%m-%d}" in told


def test_analytics_sends_a_picture_that_is_not_empty(stage: Stage) -> None:
    (picture,) = pictures(answered(stage, "/analytics all 90"))
    assert picture.name == "analytics-all-90.png"
    dots = imread(BytesIO(picture.png), format="png")
    assert dots.shape[:2] == (720, 960)
    assert dots[:, :, :3].std() > 0.05


def test_the_terminal_shows_the_same_and_writes_pictures(environment: Stage, tmp_path: Path) -> None:
    done = CliRunner().invoke(c2, ["analytics", "all", "90", "--out", str(tmp_path / "charts")])
    assert done.exit_code == 0, done.output
    assert "By exit reason, USDT" in done.output
    written = tmp_path / "charts" / "analytics-all-90.png"
    assert str(written) in done.output
    assert written.read_bytes().startswith(b"\x89PNG")
    assert text(answered(environment, "/daily"), 200) in CliRunner().invoke(c2, ["daily"]).output


@pytest.mark.parametrize(("words", "code"), [(["stauts"], 2), (["fills", "nobody"], 2), (["kill"], 2), (["drift"], 0)])
def test_exit_codes_of_the_terminal(environment: Stage, words: list[str], code: int) -> None:  # noqa: ARG001
    done = CliRunner().invoke(c2, words)
    assert done.exit_code == code, done.output


def test_what_is_not_well_is_exit_code_one(environment: Stage) -> None:
    from alpha.live.connection import STATE_DB, open_redis

    with open_redis(environment.redis, STATE_DB) as redis:
        redis.flushdb()
    assert CliRunner().invoke(c2, ["status"]).exit_code == 1
