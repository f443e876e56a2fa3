"""The report of a month, by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from alpha.domain.errors import InvalidValue
from alpha.domain.ids import AccountName, BotId, ExecId, Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Direction
from alpha.domain.trade import BookKey, Trade
from alpha.ledger.monthly import BeforeBeginning, BotDay, KnownBot, Unattributed
from alpha.ledger.proofs import EntryRow, ProofRow
from alpha.reporting.month import Month, MonthReport, report_of
from alpha.reporting.page import as_page, signed

JANUARY = Month(2025, 1)
MAIN = AccountName("main")
ONE, TWO, GONE = BotId("bot_001"), BotId("bot_002"), BotId("bot_009")
BOTS = [
    KnownBot(bot=ONE, account=MAIN, strategy="strategies.one:One", capital=Decimal(1000), active=True),
    KnownBot(bot=TWO, account=MAIN, strategy="strategies.two:Two", capital=Decimal(500), active=True),
    KnownBot(bot=GONE, account=MAIN, strategy="strategies.gone:Gone", capital=None, active=False),
]


def a_day(bot: BotId, day: int, *, gross: str, fees: str, funding: str = "0", trades: int = 1) -> BotDay:
    return BotDay(
        bot=bot,
        day=date(2025, 1, day),
        fills=2 * trades,
        volume=Decimal(1000),
        fees=Decimal(fees),
        funding=Decimal(funding),
        trades=trades,
        gross_pnl=Decimal(gross),
        net_pnl=Decimal(gross) - Decimal(fees),
    )


def a_trade(bot: BotId, day: int, gross: str, *, reason: Reason = Reason.TAKE_PROFIT) -> Trade:
    at = datetime(2025, 1, day, 12, tzinfo=UTC)
    return Trade(
        key=BookKey(bot=bot, account=MAIN, symbol=Symbol("BTCUSDT")),
        first_exec_id=ExecId(f"{bot}-{day}"),
        last_exec_id=ExecId(f"{bot}-{day}-out"),
        direction=Direction.LONG,
        opened_at=at - timedelta(hours=1),
        closed_at=at,
        quantity=Decimal(1),
        entry_price=Decimal(100),
        exit_price=Decimal(100) + Decimal(gross),
        gross_pnl=Decimal(gross),
        fees=Decimal(1),
        funding=Decimal(0),
        fill_count=2,
        entry_reason=Reason.ENTRY,
        exit_reason=reason,
    )


def a_proof(day: int, *, proven: bool = True, moved: str = "5", ours: str | None = None) -> ProofRow:
    """A day that began with 1000 + day and moved by so much, by the exchange and by us."""
    zero, before = Decimal(0), Decimal(1000 + day)
    exchange, ledger = Decimal(moved), Decimal(moved if ours is None else ours)
    return ProofRow(
        account=MAIN,
        day=date(2025, 1, day),
        since=datetime(2025, 1, day, tzinfo=UTC),
        until=datetime(2025, 1, day, 23, 59, 59, 999_000, tzinfo=UTC),
        proven=proven,
        checks=[],
        findings=[] if proven else [{"check": "executions", "subject": "e<7>", "text": "missing in the ledger"}],
        entries=[
            EntryRow(
                coin="USDT",
                exchange=[before, exchange, zero, zero, zero, zero, before + exchange],
                ledger=[before, ledger, zero, zero, zero, zero, before + ledger],
                explanation="",
            )
        ],
        judged_by="tests",
    )


DAYS = [
    a_day(ONE, 2, gross="10", fees="1", funding="-0.5"),
    a_day(ONE, 4, gross="-6", fees="1"),
    a_day(TWO, 4, gross="3", fees="0.5"),
]
TRADES = [a_trade(ONE, 2, "10"), a_trade(ONE, 4, "-6", reason=Reason.STOP_LOSS), a_trade(TWO, 4, "3")]
LAST = date(2025, 1, 5)


def made(*proofs: ProofRow) -> MonthReport:
    return report_of(JANUARY, BOTS, DAYS, TRADES, proofs, due=(), last=LAST)


def test_what_a_bot_made_is_gross_less_fees_plus_funding() -> None:
    one, two = made().bots
    # 10 - 6 - 2 - 0.5, in percent of 1000
    assert (one.name, one.result, one.return_percent) == (ONE, Decimal("1.5"), Decimal("0.15"))
    assert (two.result, two.return_percent) == (Decimal("2.5"), Decimal("0.5"))
    # nothing, 8.5, 8.5, 1.5, 1.5: the fall is 7
    assert one.curve == [Decimal(0), Decimal("8.5"), Decimal("8.5"), Decimal("1.5"), Decimal("1.5")]
    assert one.drawdown == Decimal(7)
    # 9 net won over 7 net lost
    assert one.profit_factor == Decimal(9) / Decimal(7)
    assert [(group.name, group.trades, group.won) for group in one.by_exit_reason()] == [
        ("stop_loss", 1, 0),
        ("take_profit", 1, 1),
    ]


def test_the_portfolio_is_all_bots_and_its_capital_the_sum() -> None:
    portfolio = made().portfolio
    assert (portfolio.result, portfolio.capital, len(portfolio.trades)) == (Decimal(4), Decimal(1500), 3)
    assert portfolio.result == sum(bot.result for bot in made().bots)


def test_a_month_is_proven_when_every_day_of_trading_is() -> None:
    report = made(a_proof(2), a_proof(3), a_proof(4))
    assert report.proof.holds
    assert report.proof.words == "Proven: the books of 3 days equal the exchange's."


def test_a_day_of_trading_that_nobody_judged_is_not_proven() -> None:
    proof = made(a_proof(2)).proof
    assert not proof.holds
    assert proof.not_judged == [(MAIN, date(2025, 1, 4))]
    assert "1 day of trading not judged yet (main 2025-01-04; run alpha proof)" in proof.words
    assert not made().proof.holds


def test_a_day_on_which_nobody_traded_needs_a_verdict_as_well() -> None:
    # given a listener that was dead from the 3rd on: its ledger has no fill of then
    days = [a_day(ONE, 2, gross="10", fees="1")]
    due = [(MAIN, date(2025, 1, day)) for day in (2, 3, 4)]
    proof = report_of(JANUARY, BOTS, days, [], [a_proof(2)], due=due, last=date(2025, 1, 2)).proof
    assert not proof.holds
    assert proof.not_judged == [(MAIN, date(2025, 1, 3)), (MAIN, date(2025, 1, 4))]
    proofs = [a_proof(2), a_proof(3), a_proof(4)]
    assert report_of(JANUARY, BOTS, days, [], proofs, due=due, last=date(2025, 1, 2)).proof.holds


def test_fills_without_an_owner_are_a_line_of_their_own_and_no_proven_month() -> None:
    left = Unattributed(account=MAIN, fills=7, fees=Decimal("1.25"), funding=Decimal("-0.5"))
    proofs = [a_proof(2), a_proof(4)]
    report = report_of(JANUARY, BOTS, DAYS, TRADES, proofs, due=(), unattributed=[left], last=LAST)
    assert not report.proof.holds
    assert "7 fills have no owner and are in no bot's result" in report.proof.words
    assert report.to_json()["proof"]["unattributed"] == [
        {"account": "main", "fills": 7, "fees": "1.25", "funding": "-0.5"}
    ]
    assert "<td>main unattributed</td><td>7</td><td>1.25</td><td>-0.5</td>" in as_page(report)


def test_fills_from_before_the_ledgers_beginning_are_told_and_in_no_result() -> None:
    early = BeforeBeginning(account=MAIN, fills=12, fees=Decimal("3.5"), funding=Decimal("-0.25"))
    report = report_of(JANUARY, BOTS, DAYS, TRADES, [a_proof(2), a_proof(4)], due=(), before=[early], last=LAST)
    # what was made is what it is without them, and proven
    assert report.proof.holds
    assert report.portfolio.result == made().portfolio.result
    assert report.to_json()["before_beginning"] == [{"account": "main", "fills": 12, "fees": "3.5", "funding": "-0.25"}]
    assert "<td>main</td><td>12</td><td>3.5</td><td>-0.25</td>" in as_page(report)
    assert "Before the ledger" not in as_page(made())


def test_a_day_that_failed_is_told_with_its_row() -> None:
    report = made(a_proof(2), a_proof(4, proven=False, moved="5", ours="4.5"))
    assert not report.proof.holds
    assert "1 day failed (main 2025-01-04)" in report.proof.words
    page = as_page(report)
    assert "e&lt;7&gt;" in page
    assert 'class="card verdict no"' in page
    assert report.to_json()["proof"]["failed"][0]["findings"][0]["subject"] == "e<7>"


def test_the_double_entry_of_the_month_is_the_sum_of_its_days() -> None:
    (account,) = made(a_proof(2, moved="5"), a_proof(4, moved="7", ours="6.5")).accounts
    assert (account.exchange[0], account.exchange[1], account.exchange[-1]) == (
        Decimal(1002),
        Decimal(12),
        Decimal(1011),
    )
    assert account.residual == Decimal("0.5")


def test_the_page_needs_nothing_but_itself_and_is_the_same_every_time() -> None:
    report = made(a_proof(2), a_proof(4))
    page = as_page(report)
    assert page == as_page(report)
    assert "<script" not in page
    assert not [word for word in ('src="http', 'href="http', "@import") if word in page]
    assert page.count("<svg") == 4  # all together, the portfolio, and the two bots that traded
    assert 'class="card verdict"' in page
    assert ">+4.00</" in page


def test_a_bot_that_is_no_more_is_shown_only_where_it_traded() -> None:
    assert [bot.name for bot in made().bots] == [ONE, TWO]
    report = report_of(JANUARY, BOTS, [*DAYS, a_day(GONE, 3, gross="1", fees="0")], TRADES, [], due=(), last=LAST)
    assert [bot.name for bot in report.bots] == [ONE, TWO, GONE]
    assert report.portfolio.return_percent is None  # it declared no capital


def test_months_are_written_as_year_and_month() -> None:
    assert Month.parse("2024-02").last == date(2024, 2, 29)
    assert Month.parse("2024-12").end == datetime(2025, 1, 1, tzinfo=UTC)
    assert str(JANUARY) == "2025-01"
    for text in ("2025", "2025-13", "January", "2025-01-02", ""):
        with pytest.raises(InvalidValue, match="write it as 2025-01"):
            Month.parse(text)


def test_nothing_is_shown_as_minus_nothing() -> None:
    assert (signed(Decimal("-0.001")), signed(Decimal("1234.5")), signed(None)) == ("+0.00", "+1,234.50", "-")
