"""A proof in words: lines for a terminal, each with the style it is shown in."""

from __future__ import annotations

from collections.abc import Iterator

from alpha.proof.double_entry import DoubleEntry
from alpha.proof.finding import plain
from alpha.proof.verdict import AccountProof

_LISTED = 20
_DAYS_LISTED = 31

Line = tuple[str, str | None]


def lines(proof: AccountProof) -> Iterator[Line]:
    """The verdict first, then what was asked, then the rows that speak against it, then the double entry."""
    verdict, style = ("proven", "green") if proof.proven else ("NOT PROVEN", "bold red")
    yield f"{proof.account} ({proof.environment}): {verdict}", style
    yield f"  market time {proof.since.isoformat()} to {proof.until.isoformat()}", None
    for check in proof.checks:
        mark = "yes" if check.ok else "NO"
        yield f"  {mark:3}  {check.name:16} {check.text}", None if check.ok else "red"
    for found in proof.findings[:_LISTED]:
        yield f"    {found.check}: {found.subject}: {found.text}", "red"
    if len(proof.findings) > _LISTED:
        yield f"    and {len(proof.findings) - _LISTED} more; --json lists all", "red"
    days = proof.days[-_DAYS_LISTED:]
    if len(days) < len(proof.days):
        yield f"  the last {len(days)} of {len(proof.days)} days; --json lists all", None
    for day in days:
        for entry in day.entries:
            yield from _entry(entry)
    for note in proof.notes:
        yield f"  note: {note}", None


def _entry(entry: DoubleEntry) -> Iterator[Line]:
    moved = entry.exchange.change or entry.ledger.change or entry.residual
    if not moved and not entry.explanation:
        return
    yield f"  {entry.day} {entry.coin}", None
    columns = ("opening", "trades", "fees", "funding", "transfers", "other")
    sides = (("exchange", entry.exchange, entry.closing), ("ledger", entry.ledger, entry.ledger_closing))
    for side, told, closing in sides:
        parts = [f"{name} {plain(getattr(told, name))}" for name in columns if name == "opening" or getattr(told, name)]
        yield f"    {side:8} {', '.join(parts)}: closing {plain(closing)}", None
    if entry.residual or entry.explanation:
        why = f" ({entry.explanation})" if entry.explanation else ""
        yield f"    residual {plain(entry.residual)}{why}", "red" if entry.differing() else None
