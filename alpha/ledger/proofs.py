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
    {name, ok, text} and `findings` {check, subject, text}; `notes` is what is not against it and should be known.
    `ledger_read_at` and `log_read_at` say when our rows and the exchange's log of the day were read, `judged_at` when
    the verdict was stored, all by the database's clock; where the first two are None they are that moment.
    """

    account: AccountName
    day: date
    since: datetime
    until: datetime
    proven: bool
    checks: Sequence[dict[str, Any]]
    findings: Sequence[dict[str, str]]
    entries: Sequence[EntryRow]
    judged_by: str
    notes: Sequence[str] = ()
    ledger_read_at: datetime | None = None
    log_read_at: datetime | None = None
    judged_at: datetime | None = None


def add_proofs(connection: Connection, proofs: Sequence[ProofRow]) -> None:
    """Stores verdicts; those of the same day before them count no more."""
    with transaction(connection) as cursor:
        for proof in proofs:
            cursor.execute(
                """
                INSERT INTO trading.proofs (account, day, since, until, proven, checks, findings, notes, judged_by,
                    ledger_read_at, log_read_at)
                VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s,
                    coalesce(%s, clock_timestamp()), coalesce(%s, clock_timestamp())) RETURNING id
                """,
                (
                    proof.account,
                    proof.day,
                    proof.since,
                    proof.until,
                    proof.proven,
                    as_json(list(proof.checks)),
                    as_json(list(proof.findings)),
                    as_json(list(proof.notes)),
                    proof.judged_by,
                    proof.ledger_read_at,
                    proof.log_read_at,
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
    """The verdict that counts on each judged day from `since` to `until`, both included, by account and day. A day of
    which something was recorded or doubted after it was proven has none."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"""
            SELECT d.proof, d.account, d.day, d.since, d.until, d.proven, d.checks, d.findings,
                   d.notes, d.judged_by, d.ledger_read_at, d.log_read_at, d.judged_at,
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
    for number, of_account, day, start, end, proven, checks, findings, *rest in rows:
        notes, by, ledger_read_at, log_read_at, at, coin, explanation, *amounts = rest
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
            notes=notes,
            judged_by=by,
            ledger_read_at=ledger_read_at,
            log_read_at=log_read_at,
            judged_at=at,
        )
    return list(found.values())


def overtaken_days(connection: Connection, account: AccountName) -> list[date]:
    """Days whose verdict counts no more, because something of them was recorded or doubted after it; oldest first."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT day FROM trading.proofs WHERE account = %(account)s"
            " EXCEPT SELECT day FROM trading.proven_days WHERE account = %(account)s ORDER BY day",
            {"account": account},
        )
        return [day for (day,) in cursor.fetchall()]


def ledger_clock(connection: Connection) -> datetime:
    """The database's clock, by which it is told what was recorded after something was read."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT clock_timestamp()")
        ((now,),) = cursor.fetchall()
    return now  # type: ignore[no-any-return]
