"""All the evidence on an account, and the verdict on it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from alpha.domain.fill import Fill
from alpha.exchange.account_books import ClosedPnl, LogEntry
from alpha.ledger.fill_rows import RecordedFill
from alpha.ledger.folding import OpeningPosition
from alpha.ledger.rebuild import AccountRebuild
from alpha.proof.account_fold import fold_account
from alpha.proof.closings import closings, compare_closings
from alpha.proof.days import day_of, days_between, end_of_day, start_of_day
from alpha.proof.double_entry import DoubleEntry, enter
from alpha.proof.finding import Check, CheckName, Finding, plain
from alpha.proof.pairing import differences, is_execution, pair_up
from alpha.proof.verdict import AccountProof, DayProof
from alpha.verify import VerifyReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What both sides say of an account from `verified.since` to `verified.until` (market time, both included).

    `fills` are all of the account since its first contact: what a fill closes depends on those before it.
    `unproven` are the stretches of the interval that nobody has read to their end. `log` is the exchange's transaction
    log of the interval in its order, `balances_before` what each coin held before it, `completed` its closed P&L of the
    interval. `wallet` is the balance of each coin now and `log_balances` those that the log gives for the time in which
    it was asked, one of which has to be equal. `rebuilt` are the books folded again from their fills, beside the stored
    ones.
    """

    verified: VerifyReport
    unproven: Sequence[tuple[datetime, datetime]]
    fills: Sequence[RecordedFill]
    openings: Sequence[OpeningPosition]
    log: Sequence[LogEntry]
    balances_before: Mapping[str, Decimal]
    completed: Sequence[ClosedPnl]
    wallet: Mapping[str, Decimal]
    log_balances: Mapping[str, Sequence[Decimal]]
    rebuilt: AccountRebuild


def judge(evidence: Evidence) -> AccountProof:
    """Every check of every day. A day is proven when nothing speaks against it; what is so now and of no day speaks
    against the last one."""
    verified = evidence.verified
    since, until = verified.since, verified.until
    bookings = fold_account(evidence.fills, evidence.openings)
    in_interval = [booking for booking in bookings if since <= booking.fill.exec_time <= until]
    executions = [row for row in evidence.log if is_execution(row)]
    pairs = pair_up(executions, in_interval)
    days = days_between(since, until)
    entries, against = enter(days, evidence.log, pairs, dict(evidence.balances_before))
    ours = closings(bookings)
    findings = [
        *_of_verify(verified),
        *_of_coverage(evidence.unproven, days),
        *differences(pairs),
        *compare_closings(evidence.completed, ours, since=since, until=until),
        *against,
        *_of_wallet(evidence),
        *_of_books(evidence.rebuilt),
    ]
    findings.sort(key=lambda found: list(CheckName).index(found.check))
    texts = {
        CheckName.EXECUTIONS: (
            f"{verified.fills.exchange_fills} at the exchange, {verified.fills.ledger_fills} in the ledger, "
            "field by field"
        ),
        CheckName.POSITIONS: f"{verified.positions.checked} compared",
        CheckName.COVERAGE: f"{since.isoformat()} to {until.isoformat()}, market time",
        CheckName.LOG: f"{len(executions)} rows beside {len(in_interval)} fills",
        CheckName.CLOSED_PNL: f"{len(evidence.completed)} closing orders, to the cent",
        CheckName.DOUBLE_ENTRY: f"{len(days)} {'day' if len(days) == 1 else 'days'}, {_coins(entries)}",
        CheckName.BALANCE: _wallet_text(evidence),
        CheckName.ROUND_TRIPS: f"{evidence.rebuilt.trades} of {evidence.rebuilt.books} books, folded again",
    }
    checks = _checks(texts, findings)
    return AccountProof(
        account=verified.account,
        environment=verified.environment,
        since=since,
        until=until,
        checks=checks,
        findings=tuple(findings),
        days=tuple(_day(verified, day, days[-1], texts, findings, entries) for day in days),
        notes=(*verified.notes, *_of_owners(verified)),
    )


def _checks(texts: Mapping[CheckName, str], findings: Sequence[Finding]) -> tuple[Check, ...]:
    failed = {found.check for found in findings}
    return tuple(Check(name=name, ok=name not in failed, text=text) for name, text in texts.items())


def _day(
    verified: VerifyReport,
    day: date,
    last: date,
    texts: Mapping[CheckName, str],
    findings: Sequence[Finding],
    entries: Sequence[DoubleEntry],
) -> DayProof:
    found = tuple(each for each in findings if (last if each.at is None else day_of(each.at)) == day)
    return DayProof(
        account=verified.account,
        day=day,
        since=max(verified.since, start_of_day(day)),
        until=min(verified.until, end_of_day(day)),
        checks=_checks(texts, found),
        findings=found,
        entries=tuple(entry for entry in entries if entry.day == day),
    )


def _of_verify(verified: VerifyReport) -> Iterator[Finding]:
    fills, positions = verified.fills, verified.positions
    for what, listed in (
        ("missing in the ledger", fills.missing),
        ("unknown to the exchange", fills.extra),
        ("more than once in the ledger", fills.repeated),
    ):
        for fill in listed:
            yield _execution(fill.exec_id, f"{what}: {_fill(fill)}", fill.exec_time)
    for found in fills.differing:
        yield _execution(
            found.exec_id,
            f"{found.symbol} {found.field}: exchange {found.exchange}, ledger {found.ledger}",
            found.exec_time,
        )
    for currency, total in fills.fees.items():
        if total.exchange != total.ledger:
            yield _execution(
                f"fees {currency}", f"exchange {plain(total.exchange)}, ledger {plain(total.ledger)}", None
            )
    for differing in positions.differing:
        row = f" [{differing.position_idx}]" if differing.position_idx else ""
        yield Finding(
            check=CheckName.POSITIONS,
            subject=f"{differing.symbol}{row}",
            text=f"exchange {plain(differing.exchange)}, ledger {plain(differing.ledger)}",
            at=None,
        )


def _execution(subject: str, text: str, at: datetime | None) -> Finding:
    return Finding(check=CheckName.EXECUTIONS, subject=subject, text=text, at=at)


def _of_coverage(unproven: Sequence[tuple[datetime, datetime]], days: Sequence[date]) -> Iterator[Finding]:
    """One finding for each day that a stretch touches: none of them is complete."""
    for start, end in unproven:
        for day in days_between(start, end):
            if day in days:
                yield Finding(
                    check=CheckName.COVERAGE,
                    subject=f"{start.isoformat(timespec='milliseconds')} to {end.isoformat(timespec='milliseconds')}",
                    text="is not proven: nobody has read it to its end twice",
                    at=max(start, start_of_day(day)),
                )


def _of_wallet(evidence: Evidence) -> Iterator[Finding]:
    for coin, held in evidence.wallet.items():
        told = evidence.log_balances.get(coin, ())
        if told and held not in told:
            yield Finding(
                check=CheckName.BALANCE,
                subject=f"wallet {coin}",
                text=f"the exchange's wallet holds {plain(held)}, its log ends at {plain(told[-1])}",
                at=None,
            )


def _of_books(rebuilt: AccountRebuild) -> Iterator[Finding]:
    for book in rebuilt.differing:
        key = book.key
        row = f" [{key.position_idx}]" if key.position_idx else ""
        # Every fill after a wrong one disagrees as well: the first tells where to look.
        first = next(iter(rebuilt.closings.get(key, ())), None)
        where = "" if first is None else f"; {first.exec_id} is the first that closes another quantity than it says"
        held, folded = book.stored.position.quantity, book.rebuilt.position.quantity
        yield Finding(
            check=CheckName.ROUND_TRIPS,
            subject=f"{key.bot} {key.symbol}{row}",
            text=(
                f"the stored book is not what its fills make: it holds {plain(held)}, they {plain(folded)}; "
                f"round trips {book.missing} missing, {book.extra} too many, {book.changed} changed{where}"
            ),
            at=None,
        )


def _of_owners(verified: VerifyReport) -> Iterator[str]:
    """Nothing against the account's books, but then its bots' results are not all of them."""
    if verified.fills.unattributed:
        yield f"{verified.fills.unattributed} fills have no owner, so no bot's result holds them: see alpha assign"


def _wallet_text(evidence: Evidence) -> str:
    compared = {coin: held for coin, held in evidence.wallet.items() if evidence.log_balances.get(coin)}
    if not compared:
        return "the log is without a row, so there is nothing to compare"
    return ", ".join(f"wallet {plain(held)} {coin}" for coin, held in compared.items())


def _coins(entries: Sequence[DoubleEntry]) -> str:
    return ", ".join(sorted({entry.coin for entry in entries})) or "no coin moved"


def _fill(fill: Fill) -> str:
    return (
        f"{fill.symbol} {fill.side.value} {plain(fill.quantity)} at {plain(fill.price)}, fee {plain(fill.fee)}, "
        f"{fill.exec_time.isoformat(timespec='milliseconds')}"
    )
