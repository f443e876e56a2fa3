"""`alpha assign` where no listener runs: it is done at once, with the listener's own login."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from alpha.commands.assign import assign
from alpha.domain.ids import AccountName
from alpha.domain.side import Side
from alpha.ledger.books import books_of_account
from alpha.ledger.connection import Connection
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import renew_leases
from tests.integration.accounting.scenes import ONE
from tests.integration.ledger.heard import MAIN, heard
from tests.support import Database
from tests.unit.domain.fills import a_fill

_GROUPS = {"listener": "ledger_writer", "commander": "commander", "reader": "reader"}


@pytest.fixture(autouse=True)
def _logins_of_the_database(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each role of a command logs in to the test's own database."""
    registry = SimpleNamespace(
        bot=lambda name: SimpleNamespace(id=name), account=lambda name: SimpleNamespace(name=name)
    )

    def settings_of(role: str) -> tuple[Any, Any]:
        return SimpleNamespace(dsn=lambda: database.dsn(_GROUPS[role])), registry

    monkeypatch.setattr("alpha.local.attach.settings_of", settings_of)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(assign, list(arguments))


def test_it_is_done_here_when_nobody_holds_the_account(recorder: FillRecorder, writer: Connection) -> None:
    recorder.record([heard(a_fill(Side.BUY, "1", at="100"), None)])
    listed = run("--list", "--json")
    assert listed.exit_code == 1
    assert [each["fill"] for each in json.loads(listed.stdout)["unattributed"]] == ["exec-0"]
    done = run("exec-0", ONE, "--why", "mine", "--reason", "manual")
    assert (done.exit_code, done.stdout) == (
        0,
        "exec-0: Buy 1 BTCUSDT at 100: nobody to bot_001; its books were folded again\n",
    )
    assert [book.position.quantity for book in books_of_account(writer, MAIN)] == [1]
    assert run("--list").stdout == "every fill has an owner\n"


def test_it_waits_for_the_listener_that_holds_the_account(
    recorder: FillRecorder, writer: Connection, epochs: Mapping[AccountName, int]
) -> None:
    recorder.record([heard(a_fill(Side.BUY, "1", at="100"), None)])
    renew_leases(writer, epochs, ttl_s=60)
    waiting = run("exec-0", ONE, "--why", "mine", "--wait", "0", "--json")
    assert waiting.exit_code == 1
    assert json.loads(waiting.stdout)["waiting"]
    assert books_of_account(writer, MAIN) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("exec-0",), "name a fill and a bot"),
        (("exec-0", ONE), "--why must say something"),
        (("exec-0", ONE, "--why", " "), "--why must say something"),
        (("exec-0", ONE, "--why", "x", "--reason", "fun"), "--reason is one of entry"),
        (("exec-7", ONE, "--why", "x"), "the ledger holds no execution exec-7"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments: tuple[str, ...], said: str) -> None:
    answer = run(*arguments)
    assert answer.exit_code == 2
    assert said in answer.output
