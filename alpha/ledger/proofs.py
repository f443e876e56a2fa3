"""Verdicts on days of accounts as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from psycopg2.extras import execute_values

from alpha.domain.ids import AccountName
from alpha.ledger.connection import Connection, as_json, transaction

COLUMNS = ("opening", "trades", "fees", "funding", "transfers", "other", "closing")
_SIDES = tuple(f"{side}_{column}" for side in ("exchange", "ledger") for column in COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    """The double entry of one coin: what each of COLUMNS is to the exchange and to the ledger."""

    coin: str
    exchange: Sequence[Decimal]
    ledger: Sequence[Decimal]
    explanation: str

    @property
    def residual(self) -> Decimal:
        return self.exchange[-1] - self.ledger[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRow:
    """A verdict on a UTC day of an account. `since` to `until` (market time) is what was judged of it; `checks` are
    {name, ok, text} and `findings` {check, subject, text}. `judged_at` is the database's clock."""

    account: AccountName
    day: date
    since: datetime
    until: datetime
    proven: bool
    checks: Sequence[dict[str, Any]]
    findings: Sequence[dict[str, str]]
    entries: Sequence[EntryRow]
    judged_by: str
    judged_at: datetime | None = None


def add_proofs(connection: Connection, proofs: Sequence[ProofRow]) -> None:
    """Stores verdicts; those of the same day before them count no more."""
    with transaction(connection) as cursor:
        for proof in proofs:
            cursor.execute(
                """
                INSERT INTO trading.proofs (account, day, since, until, proven, checks, findings, judged_by)
                VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING id
                """,
                (
                    proof.account,
                    proof.day,
                    proof.since,
                    proof.until,
                    proof.proven,
                    as_json(list(proof.checks)),
                    as_json(list(proof.findings)),
                    proof.judged_by,
                ),
            )
            (number,) = cursor.fetchone() or (None,)
            if proof.entries:
                execute_values(
                    cursor,
                    f"INSERT INTO trading.double_entries (proof, coin, explanation, {', '.join(_SIDES)}) VALUES %s",
                    [
                        (number, entry.coin, entry.explanation, *entry.exchange, *entry.ledger)
                        for entry in proof.entries
                    ],
                )


def newest_proofs(
    connection: Connection,
    account: AccountName | None = None,
    *,
    since: date = date.min,
    until: date = date.max,
) -> list[ProofRow]:
    """The verdict that counts on each judged day from `since` to `until`, both included, by account and day."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"""
            SELECT d.proof, d.account, d.day, d.since, d.until, d.proven, d.checks, d.findings,
                   d.judged_by, d.judged_at,
                   e.coin, e.explanation, {", ".join("e." + name for name in _SIDES)}
            FROM trading.proven_days AS d
            LEFT JOIN trading.double_entries AS e USING (proof)
            WHERE d.day BETWEEN %(since)s AND %(until)s AND (%(account)s IS NULL OR d.account = %(account)s)
            ORDER BY d.account, d.day, e.coin
            """,
            {"account": account, "since": since, "until": until},
        )
        rows = cursor.fetchall()
    found: dict[int, ProofRow] = {}
    entries: dict[int, list[EntryRow]] = {}
    for number, of_account, day, start, end, proven, checks, findings, by, at, coin, explanation, *amounts in rows:
        entries.setdefault(number, [])
        if coin is not None:
            half = len(COLUMNS)
            entries[number].append(
                EntryRow(coin=coin, exchange=amounts[:half], ledger=amounts[half:], explanation=explanation)
            )
        found[number] = ProofRow(
            account=of_account,
            day=day,
            since=start,
            until=end,
            proven=proven,
            checks=checks,
            findings=findings,
            entries=entries[number],
            judged_by=by,
            judged_at=at,
        )
    return list(found.values())
