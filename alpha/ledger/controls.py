from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import Any

from alpha.domain.errors import InvalidValue
from alpha.domain.ids import AccountName, BotId
from alpha.ledger.audit import add_audit_event
from alpha.ledger.connection import Connection, transaction

PLATFORM = "platform"
"""The scope over everything. Its row always exists: the first migration writes it with entries allowed."""


def bot_scope(bot: BotId) -> str:
    return f"bot:{bot}"


def account_scope(account: AccountName) -> str:
    return f"account:{account}"


@unique
class DesiredState(StrEnum):
    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What a person wants of a scope. An entry passes only when every scope over it allows entries; a scope without a
    row says nothing of its own. `resumed_at` is when entries were last allowed by a command, None if never: what halted
    a bot before that is lifted. Times are the database's clock."""

    scope: str
    entries_allowed: bool
    desired_state: DesiredState
    by: str
    why: str
    at: datetime
    resumed_at: datetime | None = None


def load_controls(connection: Connection) -> dict[str, Control]:
    """Every control by scope (`platform`, `account:<name>`, `bot:<id>`)."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT scope, entries_allowed, desired_state, by, why, at, resumed_at FROM trading.controls")
        return {row[0]: _control(row) for row in cursor.fetchall()}


def load_controls_version(connection: Connection) -> tuple[int, dict[str, Control]]:
    """The same, with a number of the ledger's state that they were read in: whatever is read after something was
    committed has a higher one. It counts the transactions that have ended, which no clock can set back."""
    with transaction(connection) as cursor:
        cursor.execute(
            """
            SELECT pg_snapshot_xmax(s)::text::bigint - (SELECT count(*) FROM pg_snapshot_xip(s)),
                   scope, entries_allowed, desired_state, by, why, at, resumed_at
            FROM trading.controls, pg_current_snapshot() AS s
            """
        )
        rows = cursor.fetchall()
    return max((row[0] for row in rows), default=0), {row[1]: _control(row[1:]) for row in rows}


def set_control(
    connection: Connection,
    scope: str,
    *,
    by: str,
    why: str,
    entries_allowed: bool | None = None,
    desired_state: DesiredState | None = None,
) -> Control:
    """Changes what is given, leaves what is None (a new row begins with entries allowed and running), and writes the
    audit event in the same transaction. Raises InvalidValue for an unknown kind of scope."""
    if scope != PLATFORM and not scope.startswith(("bot:", "account:")):
        raise InvalidValue(f"control scope {scope!r} must be platform, account:<name> or bot:<id>")
    with transaction(connection) as cursor:
        cursor.execute(
            """
            INSERT INTO trading.controls AS c (scope, entries_allowed, desired_state, by, why, at, resumed_at)
            VALUES (%(scope)s, coalesce(%(entries)s, true), coalesce(%(state)s, 'running'), %(by)s, %(why)s,
                    clock_timestamp(), CASE WHEN %(entries)s THEN clock_timestamp() END)
            ON CONFLICT (scope) DO UPDATE SET
                entries_allowed = coalesce(%(entries)s, c.entries_allowed),
                desired_state = coalesce(%(state)s, c.desired_state),
                by = excluded.by, why = excluded.why, at = excluded.at,
                resumed_at = coalesce(excluded.resumed_at, c.resumed_at)
            RETURNING entries_allowed, desired_state, at, resumed_at
            """,
            {"scope": scope, "entries": entries_allowed, "state": desired_state, "by": by, "why": why},
        )
        allowed, state, at, resumed_at = cursor.fetchone() or (None, None, None, None)
        control = Control(
            scope=scope,
            entries_allowed=allowed,
            desired_state=DesiredState(state),
            by=by,
            why=why,
            at=at,
            resumed_at=resumed_at,
        )
        add_audit_event(
            connection,
            actor=by,
            action="set_control",
            subject=scope,
            why=why,
            detail={"entries_allowed": control.entries_allowed, "desired_state": control.desired_state},
        )
    return control


def _control(row: Sequence[Any]) -> Control:
    scope, entries_allowed, desired_state, by, why, at, resumed_at = row
    return Control(
        scope=scope,
        entries_allowed=entries_allowed,
        desired_state=DesiredState(desired_state),
        by=by,
        why=why,
        at=at,
        resumed_at=resumed_at,
    )
