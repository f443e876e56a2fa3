"""The faster way of storing fills and round trips leaves out no column of the other one."""

from __future__ import annotations

from alpha.ledger import fill_copy, trade_copy
from alpha.ledger.batch_rows import TRADE_ROW
from alpha.ledger.fill_rows import RECORDED_COLUMNS


def test_a_copied_fill_has_the_columns_of_a_recorded_one() -> None:
    assert sorted(fill_copy.COLUMNS) == sorted((*RECORDED_COLUMNS, "epoch"))


def test_a_copied_round_trip_has_the_columns_of_a_stored_one() -> None:
    assert sorted(trade_copy.COLUMNS) == sorted(TRADE_ROW)
