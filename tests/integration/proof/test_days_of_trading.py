"""Days of trading on the paper exchange: its closed P&L, transaction log and wallet equal ours to the last digit."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from alpha.domain.clock import EPOCH
from alpha.ledger.account_log import log_between
from alpha.ledger.completed_trades import completed_between
from alpha.ledger.proofs import add_proofs, newest_proofs
from alpha.ledger.reading import fills_between
from alpha.proof.account_fold import fold_account
from alpha.proof.closings import closings
from alpha.proof.rows import rows_of
from tests.integration.proof.scene import ACCOUNT, Scene, findings

FAR = datetime(9999, 1, 1, tzinfo=UTC)


def test_log_closed_pnl_and_wallet_equal_ours_to_the_last_digit(traded: Scene) -> None:
    traded.refresh(traded.client.market_time())
    bookings = fold_account(fills_between(traded.sync, ACCOUNT, EPOCH, FAR))
    # the transaction log, row by row
    log = log_between(traded.sync, ACCOUNT, EPOCH, FAR)
    by_execution = {entry.trade_id: entry for entry in log}
    assert len(log) == len(bookings) == len(by_execution)
    assert any(booking.is_funding for booking in bookings)
    for booking in bookings:
        entry = by_execution[booking.fill.exec_id]
        assert (booking.pnl, booking.fees, booking.funding) == (entry.cash_flow, -entry.fee, entry.funding)
        assert booking.change == entry.change
    # closed P&L, order by order
    ours = closings(bookings)
    theirs = completed_between(traded.sync, ACCOUNT, EPOCH, FAR)
    assert {(row.symbol, row.order_id) for row in theirs} == set(ours)
    assert len(theirs) > 20
    for row in theirs:
        last = ours[row.symbol, row.order_id][-1]
        assert (last.side, last.closed_quantity, last.fill_count) == (row.side, row.closed_quantity, row.fill_count)
        assert (last.closed_pnl, last.open_fee, last.close_fee) == (row.closed_pnl, row.open_fee, row.close_fee)
    # the wallet
    moved = sum((booking.change for booking in bookings), Decimal(0))
    assert traded.client.wallet().balance == Decimal(10_000) + moved


def test_every_day_is_proven_without_a_residual_and_kept(traded: Scene) -> None:
    proof = traded.prove()
    assert findings(proof) == []
    assert proof.proven
    assert [day.day for day in proof.days] == [date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7), date(2026, 1, 8)]
    entries = [entry for day in proof.days for entry in day.entries]
    assert [entry.coin for entry in entries] == ["USDT"] * 4
    assert [entry.residual for entry in entries] == [0, 0, 0, 0]
    # each day opens with what the day before closed with, and the last closes with the wallet
    assert [entry.exchange.opening for entry in entries] == [Decimal(10_000), *(each.closing for each in entries[:-1])]
    assert entries[-1].closing == traded.client.wallet().balance
    assert entries[0].ledger.funding != 0
    # and what is stored is told again
    add_proofs(traded.sync, rows_of(proof, by="tests"))
    stored = newest_proofs(traded.sync, ACCOUNT)
    assert [(row.day, row.proven, row.entries[0].residual) for row in stored] == [
        (day.day, True, Decimal(0)) for day in proof.days
    ]
    assert stored[-1].entries[0].exchange[-1] == entries[-1].closing


def test_one_day_is_judged_by_what_came_before_it(traded: Scene) -> None:
    day = date(2026, 1, 7)
    start = datetime(2026, 1, 7, tzinfo=UTC)
    proof = traded.prove(since=start, until=datetime(2026, 1, 7, 23, 59, 59, 999_000, tzinfo=UTC))
    assert findings(proof) == []
    assert [each.day for each in proof.days] == [day]
    (entry,) = proof.days[0].entries
    # positions were open at midnight: their cost is that of fills of the day before
    assert entry.exchange.trades == entry.ledger.trades != 0
    assert entry.exchange.opening == log_between(traded.sync, ACCOUNT, EPOCH, start)[-1].balance
