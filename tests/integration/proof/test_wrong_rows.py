"""What is wrong in the ledger fails the proof and is named."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from alpha.domain.clock import EPOCH
from alpha.domain.fill import ExecType
from alpha.domain.ids import ExecId
from alpha.ledger.coverage import CoverageKind, add_interval
from alpha.ledger.fill_rows import RecordedFill
from alpha.ledger.reading import fills_between
from tests.integration.proof.scene import ACCOUNT, Scene, findings
from tests.integration.proof.test_days_of_trading import FAR

UNLOCK = "ALTER TABLE trading.fills DISABLE TRIGGER USER"
GRANT = "GRANT UPDATE, DELETE ON trading.fills TO CURRENT_USER"


def some_closing_fill(scene: Scene) -> RecordedFill:
    """One from the middle that closed a part of a position."""
    closed = [
        each
        for each in fills_between(scene.sync, ACCOUNT, EPOCH, FAR)
        if each.fill.closed_quantity > 0 and each.fill.exec_type is ExecType.TRADE
    ]
    return closed[len(closed) // 2]


def corrupt(scene: Scene, statement: str) -> None:
    scene.as_owner(UNLOCK, GRANT, statement)


def of(exec_id: ExecId) -> str:
    return f"WHERE exec_id = '{exec_id}'"


def test_a_corrupted_fee_is_named_with_both_values(traded: Scene) -> None:
    fill = some_closing_fill(traded).fill
    corrupt(traded, f"UPDATE trading.fills SET fee = fee + 0.01 {of(fill.exec_id)}")
    proof = traded.prove()
    assert not proof.proven
    named = [found for found in proof.findings if found.subject == fill.exec_id]
    assert {found.check.value for found in named} == {"executions", "transaction log"}
    assert any(f"exchange {fill.fee}, ledger {fill.fee + Decimal('0.01')}" in found.text for found in named)
    # one cent of fees is one cent of balance
    (day,) = [each for each in proof.days if not each.proven]
    assert day.day == fill.exec_time.date()
    (entry,) = day.entries
    assert entry.residual == Decimal("0.01")
    assert entry.differing() == {"fees": Decimal("0.01"), "closing": Decimal("0.01")}
    assert all(each.proven for each in proof.days if each.day != day.day)


def test_a_removed_fill_is_named(traded: Scene) -> None:
    fill = some_closing_fill(traded).fill
    corrupt(traded, f"DELETE FROM trading.fills {of(fill.exec_id)}")
    proof = traded.prove()
    assert not proof.proven
    checks = {check for check, subject in findings(proof) if subject == fill.exec_id}
    assert checks == {"executions", "transaction log"}
    (found,) = [each for each in proof.findings if each.subject == fill.exec_id and each.check == "executions"]
    assert found.text.startswith("missing in the ledger: ")
    # and the order that it closed by, and the book that it is of
    assert ("closed P&L", fill.order_id) in findings(proof)
    assert any(check == "round trips" for check, _ in findings(proof))


def test_a_wrong_side_is_named(traded: Scene) -> None:
    fill = some_closing_fill(traded).fill
    wrong = "Sell" if fill.side == "Buy" else "Buy"
    corrupt(traded, f"UPDATE trading.fills SET side = '{wrong}' {of(fill.exec_id)}")
    proof = traded.prove()
    assert not proof.proven
    texts = [found.text for found in proof.findings if found.subject == fill.exec_id]
    assert f"{fill.symbol} side: exchange {fill.side}, ledger {wrong}" in texts
    assert any(text.startswith(f"side: exchange {fill.side}, ledger {wrong} (") for text in texts)
    assert any(check == "double entry" for check, _ in findings(proof))


def test_an_invented_fill_is_named(traded: Scene) -> None:
    fill = some_closing_fill(traded).fill
    corrupt(
        traded,
        "CREATE TEMPORARY TABLE copy AS SELECT * FROM trading.fills "
        f"{of(fill.exec_id)}; UPDATE copy SET exec_id = 'invented', bot_seq = 9999; "
        "INSERT INTO trading.fills SELECT * FROM copy",
    )
    proof = traded.prove()
    assert ("executions", "invented") in findings(proof)
    assert ("transaction log", "invented") in findings(proof)


def test_a_changed_round_trip_and_a_changed_book_are_named(traded: Scene) -> None:
    traded.as_owner(
        "UPDATE trading.trades SET gross_pnl = gross_pnl + 1 WHERE ctid = (SELECT min(ctid) FROM trading.trades)"
    )
    found, *sums = traded.prove().findings
    assert found.check == "round trips"
    assert "1 changed" in found.text
    # and so are the sums that it is in
    assert {each.check.value for each in sums} == {"daily sums"}
    assert found.at is not None
    assert {found.at.date()} == {each.at.date() for each in sums if each.at}
    traded.as_owner("UPDATE trading.books SET fees = fees + 1 WHERE symbol = 'ETHUSDT'")
    assert ("round trips", "canary_002 ETHUSDT") in findings(traded.prove())


def test_a_changed_sum_of_a_day_is_named(traded: Scene) -> None:
    traded.as_owner(
        "UPDATE trading.bot_symbol_days SET gross_pnl = gross_pnl + 1000"
        " WHERE bot = 'canary_001' AND day = '2026-01-06' AND symbol = 'BTCUSDT'"
    )
    proof = traded.prove()
    assert findings(proof) == [("daily sums", "bot_symbol_days 2026-01-06 canary_001 canary BTCUSDT")]
    assert [day.proven for day in proof.days] == [True, False, True, True]


def test_an_entry_that_the_log_does_not_have_breaks_the_balance_at_the_next(traded: Scene) -> None:
    # given a log of which one entry was never stored
    traded.refresh(traded.client.market_time())
    fill = some_closing_fill(traded).fill
    traded.as_owner(
        "ALTER TABLE trading.account_log DISABLE TRIGGER USER",
        "GRANT DELETE ON trading.account_log TO CURRENT_USER",
        f"DELETE FROM trading.account_log WHERE trade_id = '{fill.exec_id}'",
    )
    # when it is judged by what is stored
    proof = traded.prove_stored()
    # then the fill has no entry, and the balance jumps by what the entry had moved
    assert ("transaction log", fill.exec_id) in findings(proof)
    assert any(check == "balance" for check, _ in findings(proof))
    assert any(check == "double entry" for check, _ in findings(proof))


def test_a_gap_in_coverage_fails_its_day_and_no_other(traded: Scene) -> None:
    start = traded.began + timedelta(days=1, hours=3)
    add_interval(traded.ledger, ACCOUNT, CoverageKind.UNPROVEN, start, start + timedelta(minutes=5), detail="tests")
    proof = traded.prove()
    assert [check for check, _ in findings(proof)] == ["coverage"]
    assert [day.proven for day in proof.days] == [True, False, True, True]


def test_a_corrected_ledger_is_proven_again(traded: Scene) -> None:
    fill = some_closing_fill(traded).fill
    corrupt(traded, f"UPDATE trading.fills SET fee = fee + 0.01 {of(fill.exec_id)}")
    assert not traded.prove().proven
    corrupt(traded, f"UPDATE trading.fills SET fee = fee - 0.01 {of(fill.exec_id)}")
    assert traded.prove().proven
