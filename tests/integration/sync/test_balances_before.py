"""What a transaction log left in the wallet before a time, in whatever order the entries of one instant came."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import permutations

import pytest

from alpha.domain.ids import AccountName
from alpha.exchange.account_books import LogEntry
from alpha.ledger.account_log import add_log_entries, balances_before
from alpha.ledger.connection import connect
from tests.support import Database
from tests.unit.sync.books import MONDAY, entry
from trade_sync_service.balance_chain import jumps

CANARY = AccountName("canary")
# 1000 -> 995 -> 998 -> 990
TOGETHER = [entry(1, "-5", "995"), entry(1, "3", "998"), entry(1, "-8", "990")]
CIRCLE = [entry(1, "-5", "995"), entry(1, "5", "1000")]


@pytest.fixture
def left(database: Database) -> Callable[[list[LogEntry], datetime], dict[str, Decimal]]:
    """The balances before a time by a log that came in this order."""

    def stored(entries: list[LogEntry], at: datetime) -> dict[str, Decimal]:
        with closing(connect(database.dsn("sync_writer"), "tests")) as ledger:
            add_log_entries(ledger, entries)
            return balances_before(ledger, CANARY, at)

    return stored


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_entries_of_one_instant_leave_what_none_of_them_begins_from(
    left: Callable[[list[LogEntry], datetime], dict[str, Decimal]], order: tuple[int, ...]
) -> None:
    before = left(
        [entry(0, "1000", "1000"), *(TOGETHER[n] for n in order), entry(0, "2", "2", currency="BTC")],
        MONDAY + timedelta(minutes=1, milliseconds=1),
    )
    assert before == {"USDT": Decimal(990), "BTC": Decimal(2)}
    # so the day after begins without a jump
    assert jumps([entry(2, "-1", "989")], before) == []


@pytest.mark.parametrize("order", [CIRCLE, CIRCLE[::-1]], ids=["there", "back"])
def test_entries_that_run_in_a_circle_leave_what_was_before_them(
    left: Callable[[list[LogEntry], datetime], dict[str, Decimal]], order: list[LogEntry]
) -> None:
    assert left([entry(0, "1000", "1000"), *order], MONDAY + timedelta(hours=1)) == {"USDT": Decimal(1000)}


def test_only_what_was_before_counts(left: Callable[[list[LogEntry], datetime], dict[str, Decimal]]) -> None:
    assert left([entry(0, "1000", "1000"), entry(1, "-5", "995")], MONDAY + timedelta(minutes=1)) == {
        "USDT": Decimal(1000)
    }
    assert left([], MONDAY) == {}
