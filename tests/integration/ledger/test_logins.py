"""Logins of the processes, and what PgBouncer may look up."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

from alpha.ledger.connection import LedgerRefused, connect, transaction
from database.roles import ensure_pooler
from tests.support import Database


def test_the_pooler_reads_verifiers_and_nothing_else(database: Database) -> None:
    with closing(connect(database.owner, "tests")) as owner:
        ensure_pooler(owner, "test_pooler", "first")
        ensure_pooler(owner, "test_pooler", "drawn at random")
    login, _ = database.passwords["bot"]
    with closing(connect(replace(database.owner, user="test_pooler", password="drawn at random"), "tests")) as pooler:
        with transaction(pooler) as cursor:
            cursor.execute("SELECT name, verifier FROM trading.login_of_pooler(%s)", (login,))
            ((name, verifier),) = cursor.fetchall()
            assert name == login
            assert verifier.startswith("SCRAM-SHA-256$")
            cursor.execute("SELECT name FROM trading.login_of_pooler('alpha_bot')")
            assert cursor.fetchall() == []  # a group, which nobody logs in as
        with pytest.raises(LedgerRefused, match="permission denied"), transaction(pooler) as cursor:
            cursor.execute("SELECT * FROM trading.fills")


def test_nobody_else_reads_verifiers(database: Database) -> None:
    with closing(connect(database.owner, "tests")) as owner:
        ensure_pooler(owner, "test_pooler", "drawn at random")
    with (
        closing(connect(database.dsn("bot"), "tests")) as bot,
        pytest.raises(LedgerRefused, match="permission denied"),
        transaction(bot) as cursor,
    ):
        cursor.execute("SELECT * FROM trading.login_of_pooler('trading_user')")
