"""Kills and flattenings: what was ordered, what holds a scope, and the evidence that nothing is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, unique
from typing import Any

from alpha.domain.errors import AlphaError
from alpha.domain.ids import Symbol
from alpha.ledger.audit import add_audit_event
from alpha.ledger.connection import Connection, as_json, transaction
from alpha.ledger.controls import CONTROL_COLUMNS, Control, DesiredState, check_scope, control_of, name_of


class NotKilled(AlphaError):
    """No kill holds the scope, so none can be lifted."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"no kill holds {name_of(scope)}")
        self.scope = scope


@unique
class KillKind(StrEnum):
    KILL = "kill"
    """Closes everything and holds the scope until it is lifted."""
    FLATTEN = "flatten"
    """Closes everything and holds nothing afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One order to close everything of a scope. `symbols` narrows it down, None means all. Times are the wall clock of
    whoever carries it out, `evidence` is what the exchange showed (JSON, money as strings)."""

    id: str
    kind: KillKind
    scope: str
    by: str
    why: str
    asked_at: datetime
    symbols: tuple[Symbol, ...] | None = None
    proven_at: datetime | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    lifted_at: datetime | None = None
    lifted_by: str | None = None

    @property
    def is_held(self) -> bool:
        """Whether nothing may run or trade in its scope."""
        return self.kind is KillKind.KILL and self.lifted_at is None

    @property
    def is_unfinished(self) -> bool:
        """Whether it has still to be proven that nothing is left."""
        return self.proven_at is None and self.lifted_at is None


_COLUMNS = "kill, kind, scope, symbols, by, why, asked_at, proven_at, evidence, lifted_at, lifted_by"


def save_kill(connection: Connection, kill: Kill) -> None:
    """Writes the row, or brings it up to date; what a kill holds is written by `hold`. A later word is not taken back:
    a proof and a lifting stay."""
    with transaction(connection) as cursor:
        cursor.execute(
            """
            INSERT INTO trading.kills AS k (kill, kind, scope, symbols, by, why, asked_at, proven_at, evidence)
            VALUES (%(kill)s, %(kind)s, %(scope)s, %(symbols)s, %(by)s, %(why)s, %(asked_at)s, %(proven_at)s,
                    %(evidence)s)
            ON CONFLICT (kill) DO UPDATE SET
                proven_at = coalesce(excluded.proven_at, k.proven_at),
                evidence = CASE WHEN excluded.evidence = '{}' THEN k.evidence ELSE excluded.evidence END,
                updated_at = clock_timestamp()
            """,
            {
                "kill": kill.id,
                "kind": kill.kind,
                "scope": kill.scope,
                "symbols": None if kill.symbols is None else list(kill.symbols),
                "by": kill.by,
                "why": kill.why,
                "asked_at": kill.asked_at,
                "proven_at": kill.proven_at,
                "evidence": as_json(dict(kill.evidence)),
            },
        )


def hold(connection: Connection, kill: Kill) -> Control:
    """Writes the kill and lets it hold its scope: no entries, nothing running. Again it changes nothing.

    An older kill of the same scope is lifted by it, and what stood before that one is remembered as its own; where a
    newer one holds the scope already, this one is written as lifted by that.
    """
    check_scope(kill.scope)
    with transaction(connection) as cursor:
        # The control first, as everybody locks them: the other way round two would wait for each other.
        cursor.execute(f"SELECT {CONTROL_COLUMNS} FROM trading.controls WHERE scope = %s FOR UPDATE", (kill.scope,))
        row = cursor.fetchone()
        held = None if row is None else control_of(row)
        save_kill(connection, kill)
        cursor.execute("SELECT lifted_at IS NOT NULL FROM trading.kills WHERE kill = %s", (kill.id,))
        (is_lifted,) = cursor.fetchone() or (False,)
        if held is not None and (held.kill == kill.id or is_lifted):
            return held
        cursor.execute(
            "SELECT 1 FROM trading.kills WHERE kill = %s AND asked_at > %s",
            (None if held is None else held.kill, kill.asked_at),
        )
        if held is not None and cursor.fetchone() is not None:
            _lift(connection, kill.id, f"kill {held.kill}")
            return held
        cursor.execute(
            """
            UPDATE trading.kills SET before = coalesce(
                (SELECT o.before FROM trading.kills o WHERE o.kill = %(older)s),
                (SELECT jsonb_build_object('entries_allowed', c.entries_allowed, 'desired_state', c.desired_state)
                 FROM trading.controls c WHERE c.scope = %(scope)s))
            WHERE kill = %(kill)s
            """,
            {"older": None if held is None else held.kill, "scope": kill.scope, "kill": kill.id},
        )
        if held is not None and held.kill is not None:
            _lift(connection, held.kill, f"kill {kill.id}")
        cursor.execute(
            f"""
            INSERT INTO trading.controls (scope, entries_allowed, desired_state, by, why, at, kill, desired_state_at)
            VALUES (%(scope)s, false, 'stopped', %(by)s, %(why)s, clock_timestamp(), %(kill)s, clock_timestamp())
            ON CONFLICT (scope) DO UPDATE SET
                entries_allowed = false, desired_state = 'stopped', by = excluded.by, why = excluded.why,
                at = excluded.at, kill = excluded.kill, desired_state_at = excluded.desired_state_at
            RETURNING {CONTROL_COLUMNS}
            """,
            {"scope": kill.scope, "by": kill.by, "why": kill.why, "kill": kill.id},
        )
        control = control_of(cursor.fetchone() or ())
        add_audit_event(
            connection, actor=kill.by, action="kill", subject=kill.scope, why=kill.why, detail={"kill": kill.id}
        )
    return control


def rehearse_hold(connection: Connection, kill: Kill) -> Control:
    """What `hold` would write, taken back. Raises LedgerError as that would."""
    try:
        with transaction(connection):
            held = hold(connection, kill)
            raise _TakenBack
    except _TakenBack:
        return held


class _TakenBack(Exception):
    """Ends a transaction that shall leave nothing."""


def release(connection: Connection, scope: str, *, by: str, why: str) -> Control:
    """Lifts the kill that holds a scope: its control is again what it was before. Raises NotKilled."""
    check_scope(scope)
    with transaction(connection) as cursor:
        cursor.execute(
            """
            SELECT c.kill, k.before FROM trading.controls c LEFT JOIN trading.kills k USING (kill)
            WHERE c.scope = %s AND c.kill IS NOT NULL FOR UPDATE OF c
            """,
            (scope,),
        )
        row = cursor.fetchone()
        if row is None:
            raise NotKilled(scope)
        kill, before = row
        before = before or {"entries_allowed": True, "desired_state": DesiredState.RUNNING}
        cursor.execute(
            f"""
            UPDATE trading.controls SET kill = NULL, entries_allowed = %(entries)s, desired_state = %(state)s,
                by = %(by)s, why = %(why)s, at = clock_timestamp(), desired_state_at = clock_timestamp()
            WHERE scope = %(scope)s RETURNING {CONTROL_COLUMNS}
            """,
            {
                "entries": before["entries_allowed"],
                "state": before["desired_state"],
                "by": by,
                "why": why,
                "scope": scope,
            },
        )
        control = control_of(cursor.fetchone() or ())
        _lift(connection, kill, by)
        add_audit_event(connection, actor=by, action="unkill", subject=scope, why=why, detail={"kill": kill})
    return control


def held_kills(connection: Connection) -> list[Kill]:
    """The kills that hold a scope now, oldest first."""
    return _select(connection, "kind = 'kill' AND lifted_at IS NULL")


def unfinished_kills(connection: Connection) -> list[Kill]:
    """Kills and flattenings of which it is not proven that nothing is left, oldest first."""
    return _select(connection, "proven_at IS NULL AND lifted_at IS NULL")


def find_kill(connection: Connection, kill: str) -> Kill | None:
    found = _select(connection, "kill = %s", (kill,))
    return found[0] if found else None


def recent_kills(connection: Connection, most: int) -> list[Kill]:
    """The newest kills and flattenings, newest first."""
    return _select(connection, "true", order="asked_at DESC LIMIT %s", values=(most,))


def _lift(connection: Connection, kill: str, by: str) -> None:
    with transaction(connection) as cursor:
        cursor.execute(
            "UPDATE trading.kills SET lifted_at = clock_timestamp(), lifted_by = %s, updated_at = clock_timestamp()"
            " WHERE kill = %s AND lifted_at IS NULL",
            (by, kill),
        )


def _select(
    connection: Connection, condition: str, values: Sequence[object] = (), order: str = "asked_at, kill"
) -> list[Kill]:
    with transaction(connection) as cursor:
        cursor.execute(f"SELECT {_COLUMNS} FROM trading.kills WHERE {condition} ORDER BY {order}", values)
        return [_kill(row) for row in cursor.fetchall()]


def _kill(row: Sequence[Any]) -> Kill:
    kill, kind, scope, symbols, by, why, asked_at, proven_at, evidence, lifted_at, lifted_by = row
    return Kill(
        id=kill,
        kind=KillKind(kind),
        scope=scope,
        symbols=None if symbols is None else tuple(map(Symbol, symbols)),
        by=by,
        why=why,
        asked_at=asked_at,
        proven_at=proven_at,
        evidence=evidence,
        lifted_at=lifted_at,
        lifted_by=lifted_by,
    )
