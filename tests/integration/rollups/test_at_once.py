"""What is recorded in one call is counted by that call: the same sums as everybody else's."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alpha.domain.fill import ExecType
from alpha.domain.ids import AccountName, BotId, ExecId
from alpha.domain.side import Side
from alpha.ledger import fills as recording
from alpha.ledger.at_once import MOST_AT_ONCE, TOLD_FILL
from alpha.ledger.connection import Connection, connect, single_statement, transaction
from alpha.ledger.fill_rows import row_of_recorded
from alpha.ledger.fills import FillRecorder, HeardFill
from alpha.ledger.heads import take_account
from alpha.ledger.rollup_check import check_days
from alpha.ledger.rollups import set_reporting_zone
from alpha.ledger.row_literals import row_array
from tests.integration.ledger.heard import BOT, MAIN, heard
from tests.integration.rollups.days import FIRST, LAST, at_hour, rows
from tests.support import Database
from tests.unit.domain.fills import a_fill

_examples = itertools.count()

_fill = st.tuples(
    st.sampled_from(Side),
    st.decimals("0.1", "3", places=1),
    st.decimals("90", "110", places=1),
    st.decimals("-0.5", "1", places=2),
    st.sampled_from([ExecType.TRADE] * 5 + [ExecType.FUNDING]),
    st.booleans(),
)
_batches = st.lists(
    st.tuples(st.integers(0, 9), st.lists(_fill, min_size=1, max_size=MOST_AT_ONCE + 1)), min_size=1, max_size=12
)


@pytest.fixture(scope="module")
def owner(module_database: Database) -> Iterator[Connection]:
    with closing(connect(module_database.owner, "tests")) as connection:
        set_reporting_zone(connection, "Asia/Kolkata")
        yield connection


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(batches=_batches)
def test_sums_of_fills_in_their_order_are_those_of_the_fills(
    owner: Connection, batches: list[tuple[int, list[tuple[Side, Decimal, Decimal, Decimal, ExecType, bool]]]]
) -> None:
    number = next(_examples)
    account, bot = AccountName(f"once_{number}"), BotId(f"once_{number}")
    recorder = FillRecorder(owner, {account: take_account(owner, account, "tests")})
    hour, n = 0, itertools.count()
    for pause, fills in batches:
        hour += pause
        recorder.record([_heard(account, bot, hour, next(n), *fill) for fill in fills])
        assert check_days(owner, FIRST, LAST, bot) == []


@pytest.mark.patches_source
def test_a_round_trip_is_counted_once(
    writer: Connection, recorder: FillRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a book and its day, from when on nothing may go the long way
    recorder.record([heard(a_fill(Side.BUY, "1", at="100", fee="0.1", n=0))])
    monkeypatch.delattr(recording, "write_batch")
    # when a fill adds to it, and two close it and open the other side
    recorder.record([heard(a_fill(Side.BUY, "1", at="110", fee="0.2", n=1))])
    recorder.record(
        [
            heard(replace(a_fill(Side.SELL, "1", at="120", fee="0.3", n=2), is_maker=True)),
            heard(a_fill(Side.SELL, "3", at="90", fee="0.4", n=3)),
        ]
    )
    recorder.record([heard(a_fill(Side.BUY, "1", at="0.5", fee="0.5", n=4, exec_type=ExecType.FUNDING))])
    recorder.record([heard(a_fill(Side.BUY, "2", at="80", fee="0.6", n=5))])
    # then: bought 2 at 105, sold 1 at 120 and 1 at 90; sold 2 at 90, bought 2 at 80, of the fee of the flip a third
    (day,) = rows(writer, "SELECT * FROM trading.bot_symbol_days")
    share = Decimal("0.4") / 3
    assert (day["fills"], day["trades"], day["wins"], day["losses"]) == (6, 2, 1, 1)
    assert (day["volume"], day["maker_volume"]) == (100 + 110 + 120 + 270 + 160, 120)
    assert (day["fees"], day["funding"]) == (Decimal("1.6"), Decimal("-0.5"))
    assert day["gross_pnl"] == 20
    assert abs(day["lost"] - (0 - Decimal("0.6") - share)) < Decimal("1e-20")  # type: ignore[operator]
    assert abs(day["won"] - (20 - Decimal("1.1") - 2 * share)) < Decimal("1e-20")  # type: ignore[operator]


@pytest.mark.patches_source
def test_a_day_may_begin_with_it(writer: Connection, recorder: FillRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder.record([heard(at_hour(1, Side.BUY, "1", at="100"))])
    monkeypatch.delattr(recording, "write_batch")
    recorder.record([heard(at_hour(25, Side.BUY, "1", at="100"))])
    recorder.record([heard(at_hour(26, Side.SELL, "2", at="90", fee="0.5"))])
    days = rows(writer, "SELECT fills, trades, volume, net_pnl FROM trading.bot_symbol_days ORDER BY day")
    assert [tuple(day.values()) for day in days] == [(1, 0, 100, 0), (2, 1, 280, Decimal("-20.5"))]


def test_the_setting_does_not_outlast_the_call(writer: Connection, recorder: FillRecorder) -> None:
    (recorded,) = recorder.record([heard(a_fill(Side.BUY, "1", at="100"))]).recorded
    next_row = row_of_recorded(recorded) | {"exec_id": "exec-next", "bot_seq": 2}
    with transaction(writer) as cursor:
        cursor.execute(
            "SELECT trading.record_at_once(account, epoch, books_version, fills, %s, %s, 1, %s, %s, '{}')"
            " FROM trading.account_head WHERE account = %s",
            (
                recorded.fill.exec_time,
                BOT,
                row_array([[next_row[name] for name in TOLD_FILL]]),
                row_array([None]),
                MAIN,
            ),
        )
        cursor.execute("SELECT current_setting('alpha.at_once')")
        assert cursor.fetchone() == ("",)
    # and what comes behind it is counted by the triggers again
    recorder.record([heard(a_fill(Side.SELL, "2", at="100", n=2 + n)) for n in range(20)])
    assert [day["fills"] for day in rows(writer, "SELECT fills FROM trading.bot_symbol_days")] == [22]


def test_who_records_cannot_keep_fills_from_being_counted(
    writer: Connection, recorder: FillRecorder, login: Callable[[str], Connection]
) -> None:
    # given a listener that says of itself what only the function may say
    with single_statement(writer) as cursor:
        cursor.execute("SET alpha.at_once = 'on'")
    # when it records in every way: a new book, one fill in one call, many, a few, and one that is late
    for hours in ([1], [2], range(3, 30), [30, 31], [33], [32]):
        recorder.record([heard(at_hour(hour, Side.SELL if hour % 2 else Side.BUY, "1", at="100")) for hour in hours])
    with transaction(writer) as cursor:
        cursor.execute("SELECT current_setting('alpha.at_once')")
        assert cursor.fetchone() == ("on",)
    # then each is counted, and once
    reader = login("reader")
    assert rows(reader, "SELECT sum(fills) AS fills, sum(trades) AS trades FROM trading.bot_symbol_days") == [
        {"fills": 33, "trades": 16}
    ]
    assert check_days(reader, FIRST, LAST) == []


def _heard(
    account: AccountName,
    bot: BotId,
    hour: int,
    n: int,
    side: Side,
    quantity: Decimal,
    price: Decimal,
    fee: Decimal,
    exec_type: ExecType,
    is_maker: bool,
) -> HeardFill:
    fill = at_hour(hour, side, quantity, at=price, fee=fee, exec_type=exec_type, is_maker=is_maker)
    at = fill.exec_time + timedelta(milliseconds=n)
    return heard(replace(fill, exec_id=ExecId(f"{account}-{n}"), exec_time=at), bot, account=account)
