"""A past that was read after the account's first contact: what it cost is in no result, and the report says so."""

from __future__ import annotations

from datetime import UTC, timedelta
from decimal import Decimal

from alpha.domain.fill import Attribution, AttributionMethod, ExecType
from alpha.domain.reason import Reason
from alpha.domain.trade import BookKey
from alpha.domain.trade_book import TradeBook, fold
from alpha.exchange.executions import walk_executions
from alpha.ledger.connection import transaction
from alpha.ledger.coverage import CoverageKind, add_interval
from alpha.ledger.fill_rows import FillSource, HeardFill
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import take_account
from alpha.ledger.opening_positions import OpeningPosition, adopt_positions
from alpha.ledger.rollup_check import check_days
from alpha.reporting.month import Month
from alpha.reporting.reading import read_month
from tests.integration.proof.scene import ACCOUNT, OWNERS, Scene, Venue, findings
from tests.support import Database


def test_a_backfilled_past_costs_no_bot_anything_and_the_report_says_what_it_leaves_out(
    days_of_trading: Venue, database: Database
) -> None:
    with Scene(days_of_trading, database) as scene:
        # given an account that was first seen on its third day of trading
        now = scene.client.market_time()
        contact = (scene.began + timedelta(days=2)).astimezone(UTC)
        fills = [fill for window in walk_executions(scene.client, scene.began, now) for fill in window]
        early = [fill for fill in fills if fill.exec_time < contact]
        openings = []
        for symbol, bot in OWNERS.items():
            key = BookKey(bot=bot, account=ACCOUNT, symbol=symbol)
            book, _ = fold(TradeBook(key=key), [(fill, Reason.ENTRY) for fill in early if fill.symbol == symbol])
            openings.append(OpeningPosition(key=key, position=book.position, seq=None, at=contact))
        epochs = {ACCOUNT: take_account(scene.ledger, ACCOUNT, "tests")}
        assert len(adopt_positions(scene.ledger, openings, epochs)) == len(openings)
        # when its whole past is recorded
        add_interval(scene.ledger, ACCOUNT, CoverageKind.PROVEN, scene.began, now)
        FillRecorder(scene.ledger, epochs).record(
            [
                HeardFill(
                    fill=fill,
                    attribution=Attribution(bot=OWNERS[fill.symbol], reason=Reason.ENTRY, method=AttributionMethod.TAG),
                    source=FillSource.RECOVERY,
                    received_at=now,
                )
                for fill in fills
            ]
        )
        month = Month(scene.began.year, scene.began.month)
        report = read_month(scene.sync, month)
        assert check_days(scene.sync, month.first, month.last) == []
        listed = _listed(scene)
        proof = scene.prove()
    # then the days before have neither profits nor costs
    assert contact.month == scene.began.month
    before = [day for day in month.days if day < contact.date()]
    assert all(report.portfolio.daily.get(day, Decimal(0)) == 0 for day in before)
    # and what they had cost stands beside, so that nothing is gone
    (told,) = report.before
    assert told.fills == len(early) > 0
    fees = {
        kind: sum((fill.fee for fill in fills if (fill.exec_type is ExecType.FUNDING) is kind), Decimal(0))
        for kind in (False, True)
    }
    assert (report.portfolio.fees + told.fees, report.portfolio.funding + told.funding) == (fees[False], -fees[True])
    assert told.fees > 0
    # the view names each of them, and no other
    assert listed == {fill.exec_id for fill in early}
    # while the account, whose log has all of them, is proven from its first fill on: no bot's, and still the exchange's
    assert findings(proof) == []
    assert proof.since <= min(fill.exec_time for fill in early)


def _listed(scene: Scene) -> set[str]:
    with transaction(scene.sync) as cursor:
        cursor.execute("SELECT exec_id FROM trading.fills_before_beginning WHERE account = %s", (ACCOUNT,))
        return {exec_id for (exec_id,) in cursor.fetchall()}
