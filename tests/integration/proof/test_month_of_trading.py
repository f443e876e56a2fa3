"""The report of a month that was traded on the paper exchange."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal

from alpha.ledger.connection import connect
from alpha.ledger.proofs import add_proofs, newest_proofs
from alpha.proof.rows import rows_of
from alpha.reporting.month import Month
from alpha.reporting.reading import newest_month, read_month
from tests.integration.proof.scene import ACCOUNT, BTC, ETH, Scene, Venue
from tests.support import Database


def test_the_month_ties_to_the_double_entry_and_bears_its_verdict(traded: Scene) -> None:
    add_proofs(traded.sync, rows_of(traded.prove(), by="tests"))
    with closing(connect(traded.database.dsn("reader"), "tests")) as reader:
        assert newest_month(reader) == Month(2026, 1)
        report = read_month(reader, Month(2026, 1))
    assert report.proof.holds
    (account,) = report.accounts
    assert account.account == ACCOUNT
    assert account.residual == 0
    # fees and funding of the bots are those of the account
    assert account.exchange[2] == -report.portfolio.fees
    assert account.exchange[3] == report.portfolio.funding
    # it began with 10,000 and ends with the wallet
    assert account.exchange[0] == Decimal(10_000)
    assert account.exchange[-1] == traded.client.wallet().balance
    assert sum(bot.result for bot in report.bots) == report.portfolio.result


def test_a_day_that_was_judged_before_its_last_fill_is_not_judged(traded: Scene) -> None:
    # the last fills are of 00:05 on the last day
    midnight = datetime(2026, 1, 8, tzinfo=UTC)
    add_proofs(traded.sync, rows_of(traded.prove(until=midnight), by="tests"))
    with closing(connect(traded.database.dsn("reader"), "tests")) as reader:
        report = read_month(reader, Month(2026, 1))
    assert not report.proof.holds
    assert report.proof.not_judged == [(ACCOUNT, midnight.date())]


def test_days_without_a_fill_are_judged_as_well(traded: Scene) -> None:
    # given a listener that went silent on the 8th, while the sync service saw the market for two days more
    add_proofs(traded.sync, rows_of(traded.prove(), by="tests"))
    traded.as_owner(
        "INSERT INTO trading.equity_snapshots (account, at, equity, balance, available, unrealized_pnl, source)"
        f" VALUES ('{ACCOUNT}', '2026-01-10 12:00+00', 1, 1, 1, 0, 'tests')"
    )
    with closing(connect(traded.database.dsn("reader"), "tests")) as reader:
        report = read_month(reader, Month(2026, 1))
    assert not report.proof.holds
    assert report.proof.not_judged == [(ACCOUNT, date(2026, 1, 8)), (ACCOUNT, date(2026, 1, 9))]


def test_fills_that_nobody_owns_are_told_and_the_month_is_not_proven(
    days_of_trading: Venue, database: Database
) -> None:
    with Scene(days_of_trading, database) as scene:
        scene.record(nobodys=[ETH])
        proof = scene.prove(symbols=[BTC])
        assert proof.proven  # the account's books are right
        add_proofs(scene.sync, rows_of(proof, by="tests"))
        stored = newest_proofs(scene.sync, ACCOUNT)
    with closing(connect(database.dsn("reader"), "tests")) as reader:
        report = read_month(reader, Month(2026, 1))
    (left,) = report.proof.unattributed
    assert not report.proof.holds
    # bots and what nobody owns are together the account
    (account,) = report.accounts
    assert account.exchange[2] == -(report.portfolio.fees + left.fees)
    assert account.exchange[3] == report.portfolio.funding + left.funding
    assert left.fills > 0
    # and the verdict says so too
    assert any("have no owner" in note for row in stored for note in row.notes)
