"""A proof as the rows it is stored in."""

from __future__ import annotations

from alpha.ledger.proofs import COLUMNS, EntryRow, ProofRow
from alpha.proof.double_entry import DoubleEntry
from alpha.proof.verdict import AccountProof


def rows_of(proof: AccountProof, *, by: str) -> list[ProofRow]:
    """One row for each day; `by` says who judged."""
    return [
        ProofRow(
            account=day.account,
            day=day.day,
            since=day.since,
            until=day.until,
            proven=day.proven,
            checks=[check.to_json() for check in day.checks],
            findings=[found.to_json() for found in day.findings],
            entries=[_entry(entry) for entry in day.entries],
            notes=day.notes,
            judged_by=by,
            ledger_read_at=day.ledger_read_at,
            log_read_at=day.log_read_at,
        )
        for day in proof.days
    ]


def _entry(entry: DoubleEntry) -> EntryRow:
    columns = COLUMNS[:-1]
    return EntryRow(
        coin=entry.coin,
        exchange=[*(getattr(entry.exchange, name) for name in columns), entry.closing],
        ledger=[*(getattr(entry.ledger, name) for name in columns), entry.ledger_closing],
        explanation=entry.explanation,
    )
