from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import Any

from alpha.domain.errors import AlphaError, InvalidValue
from alpha.domain.ids import AccountName, BotId
from alpha.ledger.audit import add_audit_event
from alpha.ledger.connection import Connection, as_json, single_statement, transaction

PLATFORM = "platform"
"""The scope over everything. Its row always exists: the first migration writes it with entries allowed."""

ALL = "all"
"""How a person names that scope."""


def bot_scope(bot: BotId) -> str:
    return f"bot:{bot}"


def account_scope(account: AccountName) -> str:
    return f"account:{account}"


def name_of(scope: str) -> str:
    """As a person names the scope: the bot's or the account's own name, or `all`."""
    return ALL if scope == PLATFORM else scope.rpartition(":")[2]


class HeldByKill(AlphaError):
    """A kill holds the scope: only lifting that lets anything run or trade there again."""

    def __init__(self, scope: str, kill: str) -> None:
        name = name_of(scope)
        super().__init__(f"{name} is held by kill {kill}: /unkill {name} lifts it")
        self.scope, self.kill = scope, kill


@unique
class DesiredState(StrEnum):
    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What a person wants of a scope. An entry passes only when every scope over it allows entries; a scope without a
    row says nothing of its own. `resumed_at` is when entries were last allowed by a command, None if never: what halted
    a bot before that is lifted. `kill` is what holds the scope; each value of `restart_asked_at` is obeyed once
    by whoever runs the bot. `desired_state_at` is when a command last said whether it shall run, None if none ever did:
    a pause leaves it. Times are the database's clock."""

    scope: str
    entries_allowed: bool
    desired_state: DesiredState
    by: str
    why: str
    at: datetime
    resumed_at: datetime | None = None
    kill: str | None = None
    restart_asked_at: datetime | None = None
    desired_state_at: datetime | None = None


CONTROL_COLUMNS = (
    "scope, entries_allowed, desired_state, by, why, at, resumed_at, kill, restart_asked_at, desired_state_at"
)


def load_controls(connection: Connection) -> dict[str, Control]:
    """Every control by scope (`platform`, `account:<name>`, `bot:<id>`)."""
    with transaction(connection) as cursor:
        cursor.execute(f"SELECT {CONTROL_COLUMNS} FROM trading.controls")
        return {row[0]: control_of(row) for row in cursor.fetchall()}


def load_controls_version(connection: Connection) -> tuple[int, dict[str, Control]]:
    """The same, with a number of the ledger's state that they were read in: whatever is read after something was
    committed has a higher one. It counts the transactions that have ended, which no clock can set back."""
    with single_statement(connection) as cursor:
        cursor.execute(
            f"""
            SELECT pg_snapshot_xmax(s)::text::bigint - (SELECT count(*) FROM pg_snapshot_xip(s)), {CONTROL_COLUMNS}
            FROM trading.controls, pg_current_snapshot() AS s
            """
        )
        rows = cursor.fetchall()
    return max((row[0] for row in rows), default=0), {row[1]: control_of(row[1:]) for row in rows}


def set_control(
    connection: Connection,
    scope: str,
    *,
    by: str,
    why: str,
    entries_allowed: bool | None = None,
    desired_state: DesiredState | None = None,
    restart: bool = False,
) -> Control:
    """Changes what is given, leaves what is None (a new row begins with entries allowed and running), and writes the
    audit event in the same transaction. `restart` asks whoever runs the bot to start it anew, once. What is forbidden
    while a kill holds the scope is still forbidden when that is lifted.

    Raises InvalidValue for an unknown kind of scope, HeldByKill for what a kill of this very scope forbids.
    """
    check_scope(scope)
    with transaction(connection) as cursor:
        cursor.execute("SELECT kill FROM trading.controls WHERE scope = %s FOR UPDATE", (scope,))
        (kill,) = cursor.fetchone() or (None,)
        if kill is not None and (entries_allowed or desired_state is DesiredState.RUNNING or restart):
            raise HeldByKill(scope, kill)
        if kill is not None:
            forbidden: dict[str, object] = {} if entries_allowed is None else {"entries_allowed": False}
            if desired_state is not None:
                forbidden["desired_state"] = DesiredState.STOPPED
            cursor.execute(
                """
                UPDATE trading.kills SET updated_at = clock_timestamp(),
                    before = coalesce(before, '{"entries_allowed": true, "desired_state": "running"}') || %s
                WHERE kill = %s
                """,
                (as_json(forbidden), kill),
            )
        cursor.execute(
            f"""
            INSERT INTO trading.controls AS c (scope, entries_allowed, desired_state, by, why, at, resumed_at,
                                               restart_asked_at, desired_state_at)
            VALUES (%(scope)s, coalesce(%(entries)s, true), coalesce(%(state)s, 'running'), %(by)s, %(why)s,
                    clock_timestamp(), CASE WHEN %(entries)s THEN clock_timestamp() END,
                    CASE WHEN %(restart)s THEN clock_timestamp() END,
                    CASE WHEN %(restart)s OR %(state)s::text IS NOT NULL THEN clock_timestamp() END)
            ON CONFLICT (scope) DO UPDATE SET
                entries_allowed = coalesce(%(entries)s, c.entries_allowed),
                desired_state = coalesce(%(state)s, c.desired_state),
                by = excluded.by, why = excluded.why, at = excluded.at,
                resumed_at = coalesce(excluded.resumed_at, c.resumed_at),
                restart_asked_at = coalesce(excluded.restart_asked_at, c.restart_asked_at),
                desired_state_at = coalesce(excluded.desired_state_at, c.desired_state_at)
            RETURNING {CONTROL_COLUMNS}
            """,
            {
                "scope": scope,
                "entries": entries_allowed,
                "state": desired_state,
                "by": by,
                "why": why,
                "restart": restart,
            },
        )
        control = control_of(cursor.fetchone() or ())
        detail: dict[str, object] = {
            "entries_allowed": control.entries_allowed,
            "desired_state": control.desired_state,
        }
        if restart:
            detail["restart"] = True
        add_audit_event(connection, actor=by, action="set_control", subject=scope, why=why, detail=detail)
    return control


def check_scope(scope: str) -> None:
    """Raises InvalidValue."""
    if scope != PLATFORM and not scope.startswith(("bot:", "account:")):
        raise InvalidValue(f"control scope {scope!r} must be platform, account:<name> or bot:<id>")


def control_of(row: Sequence[Any]) -> Control:
    """From the columns in the order in which they are read."""
    scope, entries_allowed, desired_state, by, why, at, resumed_at, kill, restart_asked_at, desired_state_at = row
    return Control(
        scope=scope,
        entries_allowed=entries_allowed,
        desired_state=DesiredState(desired_state),
        by=by,
        why=why,
        at=at,
        resumed_at=resumed_at,
        kill=kill,
        restart_asked_at=restart_asked_at,
        desired_state_at=desired_state_at,
    )
