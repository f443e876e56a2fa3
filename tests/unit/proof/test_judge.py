"""The verdict on days, by hand: to which day an event belongs, and which day a wrong book speaks against."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from alpha.domain.fill import Attribution, AttributionMethod
from alpha.domain.ids import BotId
from alpha.domain.reason import Reason
from alpha.domain.trade import BookKey
from alpha.domain.trade_book import TradeBook
from alpha.exchange.account_books import ClosedPnl, LogEntry
from alpha.ledger.fill_rows import RecordedFill
from alpha.ledger.rebuild import AccountRebuild, BookDifference
from alpha.ledger.rollup_check import DayKey, DayMismatch, DaySums
from alpha.proof.account_fold import fold_account
from alpha.proof.closings import closings
from alpha.proof.days import end_of_day, start_of_day
from alpha.proof.judge import Evidence, judge
from alpha.proof.verdict import AccountProof
from alpha.verify import FillComparison, PositionComparison, VerifyReport
from tests.unit.proof.books import BTC, BUY, MAIN, SELL, START, a_fill, closed, log_of, replace

FRIDAY, SATURDAY = date(2025, 1, 31), date(2025, 2, 1)
MIDNIGHT = datetime(2025, 2, 1, tzinfo=UTC)
BOOK = BookKey(bot=BotId("bot_001"), account=MAIN, symbol=BTC)
NOTHING_WRONG = AccountRebuild(account=MAIN, fills=0, books=0, trades=0, seconds=0.0, differing=(), closings={})


def judged(
    first: date,
    last: date,
    *,
    fills: Sequence[RecordedFill] = (),
    log: Sequence[LogEntry] = (),
    completed: Sequence[ClosedPnl] = (),
    **evidence: Any,
) -> AccountProof:
    """The verdict on whole days, by evidence with which nothing else is wrong."""
    compared = FillComparison(
        exchange_fills=0, ledger_fills=0, missing=(), extra=(), repeated=(), differing=(), fees={}, unattributed=0
    )
    given: dict[str, Any] = {"rebuilt": NOTHING_WRONG, "wrong_sums": ()} | evidence
    return judge(
        Evidence(
            verified=VerifyReport(
                account=MAIN,
                environment="paper",
                since=start_of_day(first),
                until=end_of_day(last),
                fills=compared,
                positions=PositionComparison(checked=0, differing=(), not_ours=()),
            ),
            unproven=(),
            bookings=(bookings := fold_account(fills)),
            closings=closings(bookings),
            unowned=[each.fill.exec_time for each in fills if each.attribution.bot is None],
            log=log,
            balances_before={},
            completed=completed,
            wallet={},
            log_balances={},
            ledger_read_at=START,
            log_read_at=START,
            **given,
        )
    )


def red(proof: AccountProof) -> list[date]:
    return [day.day for day in proof.days if not day.proven]


def test_an_event_at_midnight_belongs_to_one_day_whatever_the_clocks_of_its_rows() -> None:
    # given a fill 2 ms before midnight, of which log and closed P&L tell 10 ms later
    entry = a_fill(BUY, "1", at="100", n=0)
    out = a_fill(SELL, "1", at="110", n=1)
    out = replace(out, fill=replace(out.fill, exec_time=MIDNIGHT - timedelta(milliseconds=2)))
    late = MIDNIGHT + timedelta(milliseconds=8)
    log = log_of(fold_account([entry, out]), opening_balance="1000")
    log[1] = replace(log[1], at=late)
    row = replace(closed("o1", SELL, "1", "10", n=1), updated_at=late)
    # when each of the days is judged by itself, and both together
    proofs = [
        judged(first, last, fills=[entry, out], log=log, completed=[row])
        for first, last in ((FRIDAY, FRIDAY), (SATURDAY, SATURDAY), (FRIDAY, SATURDAY))
    ]
    # then it is nowhere on one side only, and of the day on which the exchange booked it
    assert [[found.text for found in proof.findings] for proof in proofs] == [[], [], []]
    assert [[entry.ledger.trades for day in proof.days for entry in day.entries] for proof in proofs] == [
        [Decimal(0)],
        [Decimal(10)],
        [Decimal(0), Decimal(10)],
    ]


def test_an_order_that_went_on_closing_after_midnight_is_the_next_days_to_judge() -> None:
    fills = [a_fill(BUY, "2", at="100", n=0), a_fill(SELL, "1", at="110", n=1, order="out")]
    whole = replace(closed("out", SELL, "2", "20", n=0), updated_at=MIDNIGHT + timedelta(hours=1))
    log = log_of(fold_account(fills), opening_balance="1000")
    assert judged(FRIDAY, FRIDAY, fills=fills, log=log, completed=[whole]).proven


def a_wrong_book(since: datetime | None) -> BookDifference:
    book = TradeBook(key=BOOK)
    return BookDifference(key=BOOK, stored=book, rebuilt=book, missing=0, extra=0, changed=1, wrong_since=since)


def test_a_wrong_book_speaks_against_the_day_of_the_fill_from_which_on_it_is_wrong() -> None:
    fills = [
        a_fill(BUY, "1", at="100", n=0),
        a_fill(SELL, "1", at="110", n=1),
        a_fill(BUY, "1", at="100", n=2, hours=20),
    ]
    log = log_of(fold_account(fills), opening_balance="1000")
    completed = [closed("o1", SELL, "1", "10", n=1)]

    def days_against(book: BookDifference) -> list[date]:
        rebuilt = replace(NOTHING_WRONG, differing=(book,))
        return red(judged(FRIDAY, SATURDAY, fills=fills, log=log, completed=completed, rebuilt=rebuilt))

    assert days_against(a_wrong_book(fills[1].fill.exec_time)) == [FRIDAY]
    # where nobody knows since when, or it was before these days, it is so now
    assert days_against(a_wrong_book(None)) == [SATURDAY]
    assert days_against(a_wrong_book(start_of_day(FRIDAY) - timedelta(hours=1))) == [SATURDAY]


def test_sums_that_are_not_those_of_the_fills_speak_against_their_day() -> None:
    key = DayKey(FRIDAY, BOOK.bot, BTC, MAIN, FRIDAY)
    wrong = DayMismatch("bot_symbol_days", key, DaySums(gross_pnl=Decimal(1010)), DaySums(gross_pnl=Decimal(10)))
    proof = judged(FRIDAY, SATURDAY, wrong_sums=[wrong])
    assert red(proof) == [FRIDAY]
    (found,) = proof.findings
    assert (found.check, found.subject) == ("daily sums", f"bot_symbol_days {key}")
    assert "gross_pnl 1010 instead of 10" in found.text


def test_a_fill_without_an_owner_is_a_note_of_its_day() -> None:
    fill = a_fill(BUY, "1", at="100", n=0)
    nobody = Attribution(bot=None, reason=Reason.ENTRY, method=AttributionMethod.NONE)
    nobodys = replace(fill, attribution=nobody, bot_seq=None)
    proof = judged(FRIDAY, SATURDAY, fills=[nobodys], log=log_of(fold_account([nobodys]), opening_balance="1000"))
    friday, saturday = proof.days
    assert friday.notes == ("1 fills have no owner, so no bot's result holds them: see alpha assign",)
    assert saturday.notes == ()
