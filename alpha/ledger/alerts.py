from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, unique
from typing import Any

from alpha.domain.ids import AccountName, BotId
from alpha.ledger.connection import Connection, as_json, transaction

ALERT_COLUMNS = "a.at, a.service, a.kind, a.severity, a.account, a.bot, a.text, a.fields"


@unique
class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something a person should know. `kind` is a constant name, `at` the wall clock of the service that saw it."""

    kind: str
    text: str
    severity: Severity
    service: str
    at: datetime
    account: AccountName | None = None
    bot: BotId | None = None
    fields: Mapping[str, object] = field(default_factory=dict)


def add_alert(connection: Connection, alert: Alert) -> int:
    """Appends the alert and returns its number. Append-only: delivery is noted elsewhere."""
    with transaction(connection) as cursor:
        cursor.execute(
            """
            INSERT INTO trading.alerts (at, service, kind, severity, account, bot, text, fields)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING id
            """,
            (
                alert.at,
                alert.service,
                alert.kind,
                alert.severity.value,
                alert.account,
                alert.bot,
                alert.text,
                as_json(dict(alert.fields)),
            ),
        )
        (number,) = cursor.fetchone() or (0,)
    return int(number)


def alerts_after(connection: Connection, number: int, limit: int = 100) -> list[tuple[int, Alert]]:
    """Alerts with a higher number, oldest first."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT a.id, {ALERT_COLUMNS} FROM trading.alerts AS a WHERE a.id > %s ORDER BY a.id LIMIT %s",
            (number, limit),
        )
        return [(row[0], alert_of_row(row[1:])) for row in cursor.fetchall()]


def alert_of_row(row: Sequence[Any]) -> Alert:
    """A row of `ALERT_COLUMNS`."""
    at, service, kind, severity, account, bot, text, fields = row
    return Alert(
        kind=kind,
        text=text,
        severity=Severity(severity),
        service=service,
        at=at,
        account=account,
        bot=bot,
        fields=fields,
    )


def alert_answering(connection: Connection, request: int) -> Alert | None:
    """The alert that answers a request (`request` among its fields is the number of the audit event), or None yet."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT id FROM trading.alerts WHERE fields->'request' = to_jsonb(%s::bigint)"
            " AND at > (SELECT at - interval '1 hour' FROM trading.audit_events WHERE id = %s) ORDER BY id LIMIT 1",
            (request, request),
        )
        row = cursor.fetchone()
    found = [] if row is None else alerts_after(connection, row[0] - 1, limit=1)
    return found[0][1] if found else None
