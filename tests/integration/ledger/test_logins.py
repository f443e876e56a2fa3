"""Logins of the processes, whose end, and what PgBouncer may look up."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from alpha.config.registry import load_registry
from alpha.config.service_accounts import service_accounts
from alpha.config.settings import load_settings
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.ledger.connection import Connection, LedgerRefused, LedgerUnavailable, connect, transaction
from alpha.ledger.registry import AccountKind, RegisteredAccount, RegisteredBot, sync_registry
from database.provision import provision_logins
from database.roles import close_logins, ensure_login, ensure_pooler
from tests.support import Database, eventually

PROJECT = Path(__file__).parents[3]


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


def register(database: Database, *names: str) -> None:
    """In trading.bots, as a listener does."""
    account = RegisteredAccount(account=AccountName("main"), kind=AccountKind.PAPER, uid=None)
    bots = [
        RegisteredBot(
            bot=BotId(name),
            code=f"r{number}",
            account=account.account,
            strategy="strategies.canary:Canary",
            symbols=[Symbol("BTCUSDT")],
            redis_db=number,
        )
        for number, name in enumerate(names)
    ]
    with closing(connect(database.dsn("ledger_writer"), "tests")) as writer:
        sync_registry(writer, [account], bots)


def test_a_login_that_is_closed_is_ended_and_can_be_made_again(database: Database) -> None:
    kept, _ = database.passwords["bot"]
    gone = replace(database.owner, user="gone_001", password="drawn at random")
    register(database, kept, gone.user)
    with closing(connect(database.owner, "tests")) as owner:
        ensure_login(owner, gone.user, gone.password, "bot")
        with closing(connect(gone, "tests")) as session:
            assert close_logins(owner, "bot", keep={kept}) == [gone.user]
            eventually(lambda: _is_ended(session), 5, "the end of its session")
        with pytest.raises(LedgerUnavailable, match="password authentication failed"):
            connect(gone, "tests")
        assert close_logins(owner, "bot", keep={kept}) == []
        ensure_login(owner, gone.user, gone.password, "bot")
        connect(gone, "tests").close()
        close_logins(owner, "bot", keep={kept})
    connect(database.dsn("bot"), "tests").close()


def _is_ended(session: Connection) -> bool:
    try:
        with transaction(session) as cursor:
            cursor.execute("SELECT 1")
    except LedgerUnavailable:
        return True
    return False


def test_a_bot_that_is_gone_from_the_registry_cannot_log_in_any_more(database: Database) -> None:
    owner = database.owner
    settings = load_settings(
        {
            "POSTGRES_HOST": owner.host,
            "POSTGRES_PORT": str(owner.port),
            "POSTGRES_DB": owner.dbname,
            "POSTGRES_USER": owner.user,
            "POSTGRES_PASSWORD": owner.password,
        }
    )
    registry = load_registry(PROJECT / "bots.yaml")
    environ = {account.postgres_variable: "drawn at random" for account in service_accounts(registry)}
    first, *_, last = registry.bots.values()
    fewer = replace(registry, bots={first.id: first})
    register(database, *registry.bots)
    provision_logins(settings, registry, environ)
    connect(replace(owner, user=last.id, password="drawn at random"), "tests").close()
    assert last.id not in provision_logins(settings, fewer, environ)

    with pytest.raises(LedgerUnavailable, match="password authentication failed"):
        connect(replace(owner, user=last.id, password="drawn at random"), "tests")
    connect(replace(owner, user=first.id, password="drawn at random"), "tests").close()
    # Of no bot in bots.yaml either, and none that was ever registered here.
    connect(database.dsn("bot"), "tests").close()


def test_members_of_the_group_who_are_no_bots_of_this_ledger_keep_their_logins(database: Database) -> None:
    gone = replace(database.owner, user="gone_002", password="drawn at random")
    person = replace(database.owner, user="a_person", password="drawn at random")
    register(database, gone.user)
    with closing(connect(database.owner, "tests")) as owner:
        for login in (gone, person):
            ensure_login(owner, login.user, login.password, "bot")
        with closing(connect(person, "tests")) as session:
            assert close_logins(owner, "bot", keep=()) == [gone.user]
            with transaction(session) as cursor:
                cursor.execute("SELECT 1")
    for login in (person, database.dsn("bot")):
        connect(login, "tests").close()
