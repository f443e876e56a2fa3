"""The nightly job: every day that is over and not proven yet is judged, and what cannot be proven is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, timedelta

from alpha.domain.ids import AccountName, Symbol
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.connection import Connection
from alpha.ledger.coverage import start_of_account
from alpha.ledger.proofs import add_proofs, newest_proofs, overtaken_days
from alpha.proof.days import days_between, end_of_day, start_of_day
from alpha.proof.gathering import Refresh, prove_account
from alpha.proof.rows import rows_of
from alpha.proof.verdict import AccountProof
from alpha.service.alerts import AlertWriter
from alpha.verify import SETTLE_S

KIND = "proof_failed"
MISSING = "proof_missing"
_TOLD = 3
# A day that stays unproven for this long was told of every night; from then on `alpha proof --day` is for it.
_REACH = timedelta(days=14)


def prove_closed_days(
    client: ExchangeClient,
    ledger: Connection,
    refresh: Refresh,
    *,
    symbols: Iterable[Symbol] | None,
    alerts: AlertWriter,
    by: str = "nightly",
    settle_s: float = SETTLE_S,
) -> list[AccountProof]:
    """Judges each day of the account that is over and not proven, oldest first, stores the verdicts and alerts on those
    that are not proven. Raises ExchangeError and LedgerError; what was judged before is stored."""
    account = client.account
    traded = None if symbols is None else list(symbols)
    proofs = []
    today = client.market_time().astimezone(UTC).date()
    for first, last in _stretches(_open_days(ledger, account, today)):
        proof = prove_account(
            client,
            ledger,
            refresh,
            since=start_of_day(first),
            until=end_of_day(last),
            symbols=traded,
            settle_s=settle_s,
        )
        add_proofs(ledger, rows_of(proof, by=by))
        tell(proof, alerts)
        proofs.append(proof)
    return proofs


def tell_missing(ledger: Connection, account: AccountName, today: date, alerts: AlertWriter) -> bool:
    """Alerts when yesterday has no verdict that counts, whatever the reason. `today` is the market's. Raises
    LedgerError."""
    began, yesterday = start_of_account(ledger, account), today - timedelta(days=1)
    if began is None or began.date() > yesterday:
        return False
    judged = newest_proofs(ledger, account, since=yesterday, until=yesterday)
    if any(row.until >= end_of_day(yesterday) for row in judged):
        return False
    alerts.alert(
        MISSING,
        f"{account} {yesterday} has no verdict yet: nobody knows whether it is right; see alpha proof --account "
        f"{account} --day {yesterday}",
        severity="error",
        account=account,
        day=yesterday.isoformat(),
    )
    return True


def tell(proof: AccountProof, alerts: AlertWriter) -> None:
    """One alert for each day that is not proven, with the first rows that speak against it."""
    for day in proof.days:
        if day.proven:
            continue
        named = "; ".join(f"{found.check}: {found.subject}: {found.text}" for found in day.findings[:_TOLD])
        more = f"; and {len(day.findings) - _TOLD} more" if len(day.findings) > _TOLD else ""
        alerts.alert(
            KIND,
            f"{day.account} {day.day} is not proven: {named}{more}; see alpha proof --account {day.account} "
            f"--day {day.day}",
            severity="error",
            account=day.account,
            day=day.day.isoformat(),
            findings=len(day.findings),
            residuals={entry.coin: str(entry.residual) for entry in day.entries if entry.differing()},
        )


def _open_days(ledger: Connection, account: AccountName, today: date) -> list[date]:
    """The account's days that are over and have no verdict or one of not proven, oldest first. A verdict that something
    new has overtaken is none, however old it is."""
    began = start_of_account(ledger, account)
    if began is None:
        return []
    yesterday = today - timedelta(days=1)
    first = max(began, start_of_day(max(today, date.min + _REACH) - _REACH))
    if first > end_of_day(yesterday):
        return []
    judged = {row.day: row for row in newest_proofs(ledger, account, since=first.date(), until=yesterday)}
    overtaken = [day for day in overtaken_days(ledger, account) if began.date() <= day < first.date()]
    return overtaken + [
        day
        for day in days_between(first, end_of_day(yesterday))
        if (row := judged.get(day)) is None or not row.proven or row.until < end_of_day(day)
    ]


def _stretches(days: Sequence[date]) -> Iterator[tuple[date, date]]:
    """Days that follow one another as (first, last)."""
    start = previous = None
    for day in days:
        if start is None or previous is None:
            start = day
        elif day - previous > timedelta(days=1):
            yield start, previous
            start = day
        previous = day
    if start is not None and previous is not None:
        yield start, previous
