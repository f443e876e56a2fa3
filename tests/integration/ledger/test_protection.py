"""Who may write what. Tried as every role on both majors, the owner (here even a superuser) included."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace

import pytest

from alpha.ledger.connection import Connection, LedgerRefused, LedgerUnavailable, connect, transaction
from alpha.local.postgres import EmbeddedPostgres
from database.migrate import migrate
from database.roles import GROUPS, UnknownGroup, ensure_login

OpenAs = Callable[[str], Connection]

A_FILL = """
    INSERT INTO trading.fills VALUES (
        'main', 'linear', 'BTCUSDT', 'e-1', '2026-11-05T12:00:00.123Z', 1, 'Trade', 'Buy', 100, 2, 200, 0.11, 0.00055,
        'USDT', false, 0, 0, 'o-1', '', 'Market', 'CreateByUser', '', NULL, 'bot_001', 'entry', 'tag', 0, 1, 'stream',
        NULL, now(), now())
"""
AN_ALERT = "INSERT INTO trading.alerts (at, service, kind, severity, text) VALUES (now(), 'tests', 'k', 'info', 'text')"
AN_AUDIT_EVENT = "INSERT INTO trading.audit_events (actor, action, subject) VALUES ('tests', 'look', 'all')"
AN_ASSIGNMENT = """
    INSERT INTO trading.fill_assignments (account, category, symbol, exec_id, exec_time, bot, reason, by, why)
    VALUES ('main', 'linear', 'BTCUSDT', 'e-1', now(), 'bot_002', 'entry', 'tests', 'wrong owner')
"""
FACTS = (
    "fills",
    "fills_2026_11",
    "fills_default",
    "alerts",
    "audit_events",
    "fill_assignments",
    "assignment_outcomes",
)


@pytest.fixture(scope="module")
def open_as(server: EmbeddedPostgres) -> Iterator[OpenAs]:
    """Connections to a migrated database with rows in each append-only table. No test leaves anything there."""
    server.create_database("protection")
    owner_dsn = server.dsn(dbname="protection")
    migrate(owner_dsn)
    opened: dict[str, Connection] = {}

    def opener(group: str) -> Connection:
        if group not in opened:
            password = secrets.token_urlsafe(12)
            ensure_login(opened["owner"], f"protection_{group}", password, group)
            opened[group] = connect(replace(owner_dsn, user=f"protection_{group}", password=password), "tests")
        return opened[group]

    opened["owner"] = connect(owner_dsn, "tests")
    with transaction(opened["owner"]) as cursor:
        cursor.execute("SELECT trading.ensure_fills_partition('2026-11-01')")
        for statement in (A_FILL, A_FILL.replace("2026-11", "2026-12"), AN_ALERT, AN_AUDIT_EVENT, AN_ASSIGNMENT):
            cursor.execute(statement)
    yield opener
    for connection in opened.values():
        connection.close()
    server.drop_database("protection")


def run(connection: Connection, *statements: str) -> None:
    """Runs the statements and takes them back."""
    with suppress(TakenBack), transaction(connection) as cursor:
        for statement in statements:
            cursor.execute(statement)
        raise TakenBack


class TakenBack(Exception):
    """Ends a transaction that has shown what it should."""


@pytest.mark.parametrize("group", ["owner", *GROUPS])
def test_nobody_changes_deletes_or_empties_what_is_a_fact(open_as: OpenAs, group: str) -> None:
    connection = open_as(group)
    for table in FACTS:
        column = "exec_id" if table.startswith("fill") else "assignment" if table.startswith("assign") else "id"
        for statement in (
            f"UPDATE trading.{table} SET {column} = {column}",
            f"DELETE FROM trading.{table}",
            f"TRUNCATE trading.{table}",
            f"TRUNCATE trading.{table} CASCADE",
        ):
            with pytest.raises(LedgerRefused):
                run(connection, statement)
    with transaction(open_as("owner")) as cursor:
        cursor.execute("SELECT count(*) FROM trading.fills")
        assert cursor.fetchone() == (2,)


def test_not_by_an_upsert_or_a_merge_or_as_a_replica_either(open_as: OpenAs) -> None:
    owner = open_as("owner")
    for statement in (
        A_FILL + " ON CONFLICT (account, category, symbol, exec_id, exec_time) DO UPDATE SET fee = 0",
        "MERGE INTO trading.fills f USING (SELECT 'e-1' AS id) s ON f.exec_id = s.id WHEN MATCHED THEN DELETE",
        "SET LOCAL session_replication_role = replica; DELETE FROM trading.fills",
        "SET LOCAL session_replication_role = replica; TRUNCATE trading.fills_2026_11",
        "SET LOCAL session_replication_role = replica; UPDATE trading.alerts SET text = ''",
    ):
        with pytest.raises(LedgerRefused, match="refused: its rows are facts"):
            run(owner, statement)


@pytest.mark.parametrize("group", [group for group in GROUPS if group != "ledger_writer"])
def test_only_the_listener_writes_fills(open_as: OpenAs, group: str) -> None:
    connection = open_as(group)
    for statement in (
        A_FILL.replace("e-1", "e-2"),
        A_FILL.replace("e-1", "e-2").replace("trading.fills", "trading.fills_2026_11"),
        "SELECT trading.ensure_fills_partition('2026-12-01')",
        "COPY trading.fills FROM '/dev/null'",
    ):
        with pytest.raises(LedgerRefused, match="permission denied"):
            run(connection, statement)


def test_the_listener_writes_fills_and_makes_months_and_nothing_else_of_the_schema(open_as: OpenAs) -> None:
    listener = open_as("ledger_writer")
    run(
        listener,
        "SELECT trading.ensure_fills_partition('2026-10-01')",
        A_FILL.replace("e-1", "e-2").replace("2026-11", "2026-10"),
    )
    for statement in (
        "CREATE TABLE trading.mine (id integer)",
        "DROP TABLE trading.fills_2026_11",
        "ALTER TABLE trading.fills DISABLE TRIGGER ALL",
        "ALTER TABLE trading.fills DETACH PARTITION trading.fills_2026_11",
        "SELECT trading.protect_fills_partition('trading.alerts')",
    ):
        with pytest.raises(LedgerRefused):
            run(listener, statement)


WRITES = {
    "INSERT INTO trading.bot_state (bot, run) VALUES ('b', 'r')": {"bot"},
    "INSERT INTO trading.controls (scope, by, why) VALUES ('bot:b', 'p', 'w')": {"commander"},
    "UPDATE trading.controls SET entries_allowed = false": {"commander"},
    "INSERT INTO trading.sync_status (account, task, ok) VALUES ('main', 'hourly', true)": {"sync_writer"},
    "INSERT INTO trading.bot_heads VALUES ('b', 1)": {"ledger_writer"},
    "DELETE FROM trading.books": {"ledger_writer"},
    "DELETE FROM trading.bot_state": set(),
    "DELETE FROM trading.controls": set(),
    "INSERT INTO trading.coverage (account, kind, started_at, ended_at) VALUES ('a', 'proven', now(), now())": {
        "ledger_writer"
    },
    "SELECT trading.mark_unproven('main', now(), now(), 'ids differ')": {"ledger_writer", "sync_writer", "commander"},
    AN_ALERT: {"ledger_writer", "sync_writer", "bot", "commander", "backup"},
    "INSERT INTO trading.backups (taken_at, file, ok, seconds) VALUES (now(), '', false, 1)": {"backup"},
    "INSERT INTO trading.backup_requests (asked_by) VALUES ('p')": {"commander"},
    AN_AUDIT_EVENT: {"bot", "commander"},
    "INSERT INTO trading.leases (name, holder, expires_at) VALUES ('n', 'h', now())": {
        "ledger_writer",
        "sync_writer",
        "bot",
        "commander",
    },
}


@pytest.mark.parametrize("group", GROUPS)
def test_each_table_has_its_writer_and_no_other(open_as: OpenAs, group: str) -> None:
    connection = open_as(group)
    for statement, allowed in WRITES.items():
        if group in allowed:
            run(connection, statement)
        else:
            with pytest.raises(LedgerRefused, match="permission denied"):
                run(connection, statement)


@pytest.mark.parametrize("group", GROUPS)
def test_everybody_reads(open_as: OpenAs, group: str) -> None:
    connection = open_as(group)
    for name in (
        "fills",
        "fills_2026_11",
        "trades",
        "controls",
        "bot_daily_performance",
        "position_summaries",
        "exit_reason_analysis",
    ):
        run(connection, f"SELECT * FROM trading.{name}")


def test_a_login_moves_from_one_group_to_another_and_gets_a_new_password(
    open_as: OpenAs, server: EmbeddedPostgres
) -> None:
    owner = open_as("owner")
    ensure_login(owner, "mover", "first", "bot")
    ensure_login(owner, "mover", "second", "reader")
    dsn = replace(server.dsn(dbname="protection"), user="mover", password="second")
    try:
        with pytest.raises(LedgerUnavailable, match=r"does not let mover into protection: .*authentication failed"):
            connect(replace(dsn, password="first"), "tests")
        with closing(connect(dsn, "tests")) as connection:
            run(connection, "SELECT * FROM trading.fills")
            with pytest.raises(LedgerRefused, match="permission denied"):
                run(connection, "INSERT INTO trading.bot_state (bot, run) VALUES ('b', 'r')")
    finally:
        with transaction(owner) as cursor:
            cursor.execute("DROP ROLE mover")


def test_an_unknown_group_is_named(open_as: OpenAs) -> None:
    with pytest.raises(UnknownGroup, match=r"no group 'admin'; the groups are ledger_writer"):
        ensure_login(open_as("owner"), "somebody", "secret", "admin")


def test_functions_of_another_ones_rights_look_nowhere_else_and_are_not_for_everybody(open_as: OpenAs) -> None:
    """A function that runs with its owner's rights finds its tables by no path of the caller's, and who may call it is
    said. What a trigger calls cannot be called by anybody."""
    with transaction(open_as("owner")) as cursor:
        cursor.execute("""
            SELECT proname FROM pg_proc AS p
            WHERE pronamespace = 'trading'::regnamespace AND prosecdef AND (
                NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false)
                OR prorettype <> 'trigger'::regtype AND EXISTS (
                    SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0
                )
            )
        """)
        assert cursor.fetchall() == []
