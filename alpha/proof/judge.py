"""All the evidence on an account, and the verdict on it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from alpha.domain.fill import Fill
from alpha.exchange.account_books import ClosedPnl, LogEntry
from alpha.ledger.rebuild import AccountRebuild
from alpha.ledger.rollup_check import DayMismatch
from alpha.proof.account_fold import Booking
from alpha.proof.closings import Closing, OrderKey, compare_closings
from alpha.proof.days import day_of, days_between, end_of_day, start_of_day
from alpha.proof.double_entry import DoubleEntry, enter
from alpha.proof.finding import Check, CheckName, Finding, plain
from alpha.proof.pairing import differences, is_execution, pair_up
from alpha.proof.verdict import AccountProof, DayProof
from alpha.verify import VerifyReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What both sides say of an account from `verified.since` to `verified.until` (market time, both included).

    `bookings` are the fills of the interval with what they moved, folded with all that were before them, and `closings`
    what the orders among them and those of `completed` have closed; `unowned` are the times of the interval's fills
    that no bot owns. `unproven` are the stretches of the interval that nobody has read to their end. `log` is the
    exchange's transaction log of the interval in its order; bookings and log are a SAME_EVENT wider than the interval,
    because an event at its edge may be on either side of it by either clock. `balances_before` is what each coin held
    before the interval, `completed` the closed P&L of it and of what was updated since. `wallet` is the balance of each
    coin now and `log_balances` those that the log gives for the time in which it was asked, one of which has to be
    equal. `rebuilt` are the books folded again from their fills, beside the stored ones, and `wrong_sums` the sums of
    days that are not those of their fills.

    `ledger_read_at` and `log_read_at` are the database's clock when our rows and the log's were read: what is recorded
    later is not in the verdict.
    """

    verified: VerifyReport
    unproven: Sequence[tuple[datetime, datetime]]
    bookings: Sequence[Booking]
    closings: Mapping[OrderKey, Sequence[Closing]]
    unowned: Sequence[datetime]
    log: Sequence[LogEntry]
    balances_before: Mapping[str, Decimal]
    completed: Sequence[ClosedPnl]
    wallet: Mapping[str, Decimal]
    log_balances: Mapping[str, Sequence[Decimal]]
    rebuilt: AccountRebuild
    wrong_sums: Sequence[DayMismatch]
    ledger_read_at: datetime
    log_read_at: datetime


def judge(evidence: Evidence) -> AccountProof:
    """Every check of every day. A day is proven when nothing speaks against it; what is so now and of no day speaks
    against the last one."""
    verified = evidence.verified
    since, until = verified.since, verified.until
    # To which day an event belongs is known when both sides of it are.
    pairs = [
        pair for pair in pair_up(filter(is_execution, evidence.log), evidence.bookings) if since <= pair.at <= until
    ]
    days = days_between(since, until)
    log = [row for row in evidence.log if since <= row.at <= until]
    entries, against = enter(days, log, pairs, dict(evidence.balances_before))
    findings = [
        *_of_verify(verified),
        *_of_coverage(evidence.unproven, days),
        *differences(pairs),
        *compare_closings(evidence.completed, evidence.closings, since=since, until=until),
        *against,
        *_of_wallet(evidence),
        *_of_books(evidence),
        *_of_sums(evidence.wrong_sums),
    ]
    findings.sort(key=lambda found: list(CheckName).index(found.check))
    texts = {
        CheckName.EXECUTIONS: (
            f"{verified.fills.exchange_fills} at the exchange, {verified.fills.ledger_fills} in the ledger, "
            "field by field"
        ),
        CheckName.POSITIONS: f"{verified.positions.checked} compared",
        CheckName.COVERAGE: f"{since.isoformat()} to {until.isoformat()}, market time",
        CheckName.LOG: (
            f"{sum(pair.row is not None for pair in pairs)} rows beside "
            f"{sum(pair.booking is not None for pair in pairs)} fills"
        ),
        CheckName.CLOSED_PNL: (
            f"{sum(since <= row.updated_at <= until for row in evidence.completed)} closing orders, to the cent"
        ),
        CheckName.DOUBLE_ENTRY: f"{len(days)} {'day' if len(days) == 1 else 'days'}, {_coins(entries)}",
        CheckName.BALANCE: _wallet_text(evidence),
        CheckName.ROUND_TRIPS: f"{evidence.rebuilt.trades} of {evidence.rebuilt.books} books, folded again",
        CheckName.DAILY_SUMS: "of bots and portfolio, recomputed from the fills of their owners",
    }
    checks = _checks(texts, findings)
    return AccountProof(
        account=verified.account,
        environment=verified.environment,
        since=since,
        until=until,
        checks=checks,
        findings=tuple(findings),
        days=tuple(_day(evidence, day, days[-1], texts, findings, entries) for day in days),
        notes=(*verified.notes, *_of_owners(verified.fills.unattributed)),
    )


def _checks(texts: Mapping[CheckName, str], findings: Sequence[Finding]) -> tuple[Check, ...]:
    failed = {found.check for found in findings}
    return tuple(Check(name=name, ok=name not in failed, text=text) for name, text in texts.items())


def _day(
    evidence: Evidence,
    day: date,
    last: date,
    texts: Mapping[CheckName, str],
    findings: Sequence[Finding],
    entries: Sequence[DoubleEntry],
) -> DayProof:
    verified = evidence.verified
    since, until = max(verified.since, start_of_day(day)), min(verified.until, end_of_day(day))
    found = tuple(each for each in findings if (last if each.at is None else day_of(each.at)) == day)
    return DayProof(
        account=verified.account,
        day=day,
        since=since,
        until=until,
        checks=_checks(texts, found),
        findings=found,
        entries=tuple(entry for entry in entries if entry.day == day),
        notes=tuple(_of_owners(sum(since <= at <= until for at in evidence.unowned))),
        ledger_read_at=evidence.ledger_read_at,
        log_read_at=evidence.log_read_at,
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
    named = [fill.exec_time for fill in (*fills.missing, *fills.extra, *fills.repeated)]
    first = min([*named, *(found.exec_time for found in fills.differing)], default=None)
    for currency, total in fills.fees.items():
        if total.exchange != total.ledger:
            yield _execution(
                f"fees {currency}", f"exchange {plain(total.exchange)}, ledger {plain(total.ledger)}", first
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


def _of_books(evidence: Evidence) -> Iterator[Finding]:
    """A finding is of the day of the fill from which on a book is wrong, where that day is judged."""
    rebuilt, since, until = evidence.rebuilt, evidence.verified.since, evidence.verified.until
    for book in rebuilt.differing:
        key = book.key
        row = f" [{key.position_idx}]" if key.position_idx else ""
        # Every fill after a wrong one disagrees as well: the first tells where to look.
        first = next(iter(rebuilt.closings.get(key, ())), None)
        where = "" if first is None else f"; {first.exec_id} is the first that closes another quantity than it says"
        at = book.wrong_since
        held, folded = book.stored.position.quantity, book.rebuilt.position.quantity
        yield Finding(
            check=CheckName.ROUND_TRIPS,
            subject=f"{key.bot} {key.symbol}{row}",
            text=(
                f"the stored book is not what its fills make: it holds {plain(held)}, they {plain(folded)}; "
                f"round trips {book.missing} missing, {book.extra} too many, {book.changed} changed{where}"
            ),
            at=at if at is not None and since <= at <= until else None,
        )


def _of_sums(wrong: Sequence[DayMismatch]) -> Iterator[Finding]:
    for found in wrong:
        yield Finding(
            check=CheckName.DAILY_SUMS,
            subject=f"{found.table} {found.key}",
            text=f"the sums that reports read are not those of the fills: {found}",
            at=start_of_day(found.key.day),
        )


def _of_owners(unattributed: int) -> Iterator[str]:
    """Nothing against the account's books, but then its bots' results are not all of them."""
    if unattributed:
        yield f"{unattributed} fills have no owner, so no bot's result holds them: see alpha assign"


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
