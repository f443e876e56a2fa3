"""The sums of a day are those of its fills: as of the last commit, whatever came late, and in every calendar."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from alpha.domain.fill import Attribution, AttributionMethod, ExecType
from alpha.domain.ids import AccountName, BotId, ExecId
from alpha.domain.position import Position
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.domain.trade import BookKey
from alpha.ledger.assignments import Assignment, apply_assignments, find_fill, request_assignment
from alpha.ledger.connection import Connection, LedgerRefused, LedgerUnavailable, connect, single_statement, transaction
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import lock_heads
from alpha.ledger.opening_positions import OpeningPosition, adopt_positions
from alpha.ledger.registry import AccountKind, RegisteredAccount, RegisteredBot, sync_registry
from alpha.ledger.rollup_check import check_days, recorded_days
from alpha.ledger.rollups import (
    IndexTakesTooLong,
    fold_closed_days,
    pack_indexes,
    pack_month,
    rebuild_rollups,
    reporting_zone,
    set_reporting_zone,
)
from tests.integration.ledger.heard import BOT, MAIN, heard
from tests.integration.rollups.days import FIRST, LAST, a_week_later, at_hour, rows
from tests.support import Database, eventually
from tests.unit.domain.fills import BTCUSDT

Login = Callable[[str], Connection]
OTHER = BotId("other_001")
DAYS = "SELECT day, fills, volume, fees, funding, trades, net_pnl FROM trading.bot_daily_performance ORDER BY day"


@pytest.fixture
def two_days(recorder: FillRecorder) -> None:
    """A round trip on the 1st, one that runs into the 2nd, and funding on the 2nd."""
    recorder.record(
        [
            heard(at_hour(10, Side.BUY, "2", at="100", fee="0.5")),
            heard(at_hour(11, Side.SELL, "2", at="110", fee="0.5"), reason=Reason.TAKE_PROFIT),
            heard(at_hour(23, Side.SELL, "1", at="200", fee="0.25")),
            heard(at_hour(24, Side.SELL, "1", at="200", fee="-0.1", exec_type=ExecType.FUNDING), reason=Reason.FUNDING),
            heard(at_hour(30, Side.BUY, "1", at="210", fee="0.25"), reason=Reason.STOP_LOSS),
        ]
    )


def seen(connection: Connection) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in rows(connection, DAYS)]


TWO_DAYS = [
    # 2 * 100 + 2 * 110 + 200; 2 * (110 - 100) - 1 of fees
    (date(2025, 10, 1), 3, Decimal(620), Decimal("1.25"), Decimal(0), 1, Decimal(19)),
    # 200 - 210, 0.5 of fees, 0.1 of funding received
    (date(2025, 10, 2), 2, Decimal(210), Decimal("0.25"), Decimal("0.1"), 1, Decimal("-10.4")),
]


@pytest.mark.usefixtures("two_days")
def test_days_are_the_same_before_and_after_they_are_folded(login: Login) -> None:
    reader, sync = login("reader"), login("sync_writer")
    assert seen(reader) == TWO_DAYS
    assert fold_closed_days(sync) == 2
    assert [row["folded"] for row in rows(reader, "SELECT folded FROM trading.bot_symbol_days")] == [True, True]
    assert seen(reader) == TWO_DAYS
    assert rows(reader, "SELECT sum(fills) AS fills FROM trading.bot_days") == [{"fills": 5}]
    # done is done
    assert fold_closed_days(sync) == 0


@pytest.mark.usefixtures("two_days")
def test_a_late_fill_corrects_the_days_that_its_round_trips_close_on(recorder: FillRecorder, login: Login) -> None:
    fold_closed_days(login("sync_writer"))
    # when one more unit turns out to have been sold on the 1st at noon, after the first round trip
    recorder.record([heard(at_hour(12, Side.SELL, "1", at="120", fee="0.1"))])
    # then the short of the 1st has an average entry of 160 and two units, of which one is open after the 2nd
    reader = login("reader")
    assert seen(reader) == [
        (date(2025, 10, 1), 4, Decimal(740), Decimal("1.35"), Decimal(0), 1, Decimal(19)),
        (date(2025, 10, 2), 2, Decimal(210), Decimal("0.25"), Decimal("0.1"), 0, Decimal(0)),
    ]
    portfolio = "SELECT day, fills, trades FROM trading.portfolio_daily_performance ORDER BY day"
    corrected = [(date(2025, 10, 1), 4, 1), (date(2025, 10, 2), 2, 0)]
    assert [tuple(row.values()) for row in rows(reader, portfolio)] == corrected
    assert check_days(reader, FIRST, LAST) == []
    # and folding again leaves what was seen
    assert fold_closed_days(login("sync_writer")) == 2
    assert [tuple(row.values()) for row in rows(reader, portfolio)] == corrected
    assert check_days(reader, FIRST, LAST) == []


def test_a_single_fill_is_counted_into_its_day_as_many_are(recorder: FillRecorder, login: Login) -> None:
    for n in (10, 11):
        recorder.record([heard(replace(at_hour(n, Side.BUY, "1", at="100"), is_maker=n == 11))])
    reader = login("reader")
    (day,) = rows(reader, "SELECT fills, volume, maker_volume FROM trading.bot_symbol_days")
    assert tuple(day.values()) == (2, Decimal(200), Decimal(100))
    assert check_days(reader, FIRST, LAST) == []


def test_a_single_fill_that_an_opening_includes_is_counted_into_no_day(
    recorder: FillRecorder, writer: Connection, epochs: dict[AccountName, int], login: Login
) -> None:
    opening = OpeningPosition(
        key=BookKey(bot=BOT, account=MAIN, symbol=BTCUSDT, position_idx=0),
        position=Position(Decimal(1), Decimal(100)),
        seq=None,
        at=at_hour(12, Side.BUY, "1", at="1").exec_time,
    )
    adopt_positions(writer, [opening], epochs)
    for n in (14, 10):
        recorder.record([heard(at_hour(n, Side.SELL if n == 14 else Side.BUY, "1", at="110"))])
    reader = login("reader")
    (day,) = rows(reader, "SELECT fills, volume FROM trading.bot_symbol_days")
    assert tuple(day.values()) == (1, Decimal(110))
    assert check_days(reader, FIRST, LAST) == []


def test_a_day_is_closed_when_the_market_has_reached_the_next(recorder: FillRecorder, login: Login) -> None:
    # given a market a century ahead of the world
    for n in (1, 2):
        fill = at_hour(n, Side.BUY, "1", at="100")
        recorder.record([heard(replace(fill, exec_time=fill.exec_time.replace(year=2125, day=n)))])
    # then its first day is closed, its second is not
    assert fold_closed_days(login("sync_writer")) == 1
    days = rows(login("reader"), "SELECT fills FROM trading.portfolio_daily_performance")
    assert [row["fills"] for row in days] == [1, 1]


def test_a_fill_that_is_recorded_while_its_day_is_folded_is_not_lost(
    database: Database, recorder: FillRecorder
) -> None:
    recorder.record([heard(at_hour(1, Side.BUY, "1", at="100"))])
    with (
        closing(connect(database.dsn("sync_writer"), "tests")) as folding,
        closing(connect(database.dsn("reader"), "tests")) as reader,
    ):
        with transaction(folding) as cursor:
            cursor.execute("SELECT trading.fold_closed_days()")
            late = threading.Thread(target=recorder.record, args=([heard(at_hour(2, Side.SELL, "1", at="110"))],))
            late.start()
            # the recorder waits for the row of the day
            waiting = (
                "SELECT count(*) AS n FROM pg_stat_activity"
                " WHERE wait_event_type = 'Lock' AND datname = current_database() AND backend_type = 'client backend'"
            )
            with closing(connect(database.owner, "tests")) as looking:
                eventually(lambda: rows(looking, waiting) == [{"n": 1}], what="the recorder to wait")
        late.join()
        assert seen(reader)[0][1:] == (2, Decimal(210), Decimal(0), Decimal(0), 1, Decimal(10))
        assert fold_closed_days(folding) == 1
        assert seen(reader)[0][1:] == (2, Decimal(210), Decimal(0), Decimal(0), 1, Decimal(10))
        assert check_days(reader, FIRST, LAST) == []


def test_folding_does_not_wait_for_who_records_and_leaves_out_the_days_it_works_on(
    database: Database, recorder: FillRecorder, login: Login
) -> None:
    # given three days of which the last is being recorded, and then the first: in another order than they are folded
    recorder.record([heard(at_hour(hour, Side.BUY, "1", at="100")) for hour in (1, 25, 49)])
    sync, reader = login("sync_writer"), login("reader")
    touch = "UPDATE trading.bot_symbol_days SET folded = false WHERE day = %s"
    with closing(connect(database.owner, "tests")) as recording, transaction(recording) as cursor:
        cursor.execute(touch, (date(2025, 10, 3),))
        # when days are folded meanwhile
        with transaction(sync) as folding:
            folding.execute("SET LOCAL lock_timeout = '5s'")
            folding.execute("SELECT trading.fold_closed_days()")
            assert folding.fetchall() == [(2,)]
        cursor.execute(touch, (date(2025, 10, 1),))
    # then nobody waited for the other, and every day is what its fills are, the ones that wait included
    folded = "SELECT day FROM trading.bot_symbol_days WHERE folded ORDER BY day"
    assert rows(reader, folded) == [{"day": date(2025, 10, 2)}]
    assert [row["fills"] for row in rows(reader, DAYS)] == [1, 1, 1]
    assert check_days(reader, FIRST, LAST) == []
    # and what waited is folded the next time
    assert fold_closed_days(sync) == 2
    assert check_days(reader, FIRST, LAST) == []


def test_a_day_that_two_bots_share_is_left_whole_when_one_of_them_is_recorded(
    database: Database, recorder: FillRecorder, login: Login
) -> None:
    recorder.record([heard(at_hour(1, Side.BUY, "1", at="100")), heard(at_hour(2, Side.BUY, "1", at="100"), OTHER)])
    with closing(connect(database.owner, "tests")) as recording, transaction(recording) as cursor:
        cursor.execute("UPDATE trading.bot_symbol_days SET folded = false WHERE bot = %s", (OTHER,))
        assert fold_closed_days(login("sync_writer")) == 0
    folded = "SELECT count(*) AS n FROM trading.bot_symbol_days WHERE folded"
    assert rows(login("reader"), folded) == [{"n": 0}]


def test_fills_that_the_opening_position_includes_are_in_no_sum(
    writer: Connection, recorder: FillRecorder, epochs: dict[AccountName, int], login: Login
) -> None:
    # given an account that was first seen at noon of the 1st, when one bot was long and the other flat
    at = at_hour(12, Side.BUY, "1", at="1").exec_time
    held = {BOT: Position(Decimal(2), Decimal(100)), OTHER: Position(Decimal(0), Decimal(0))}
    openings = [
        OpeningPosition(
            key=BookKey(bot=bot, account=MAIN, symbol=BTCUSDT),
            position=position,
            # the exchange's number of the report, where it says one
            seq=(12 * 3600) if bot == BOT else None,
            at=at,
        )
        for bot, position in held.items()
    ]
    assert len(adopt_positions(writer, openings, epochs)) == 2
    # when the past is read after what came since
    recorder.record([heard(at_hour(14, Side.SELL, "2", at="110", fee="0.3"))])
    recorder.record(
        [
            heard(at_hour(10, Side.BUY, "2", at="100", fee="0.2")),
            heard(at_hour(11, Side.BUY, "2", at="100", fee="-0.1", exec_type=ExecType.FUNDING)),
            heard(at_hour(10.5, Side.BUY, "1", at="100", fee="0.1"), OTHER),
            heard(at_hour(11.5, Side.SELL, "1", at="100", fee="0.1"), OTHER),
        ]
    )
    # then the day has the fees of the round trip that it has the profit of, and nothing else
    reader = login("reader")
    whole = [(date(2025, 10, 1), 1, Decimal(220), Decimal("0.3"), Decimal(0), 1, Decimal("19.7"))]
    assert seen(reader) == whole
    assert check_days(reader, FIRST, LAST) == []
    assert len(rows(reader, "SELECT exec_id FROM trading.fills_before_beginning")) == 4
    # also made anew
    rebuild_rollups(login("commander"))
    assert seen(reader) == whole
    # and when one of them turns out to be the other's, whose opening includes it as well
    commander = login("commander")
    sync_registry(
        writer,
        [RegisteredAccount(account=MAIN, kind=AccountKind.PAPER)],
        [
            RegisteredBot(bot=bot, code=code, account=MAIN, strategy="x", symbols=[BTCUSDT], redis_db=n)
            for n, (bot, code) in enumerate([(BOT, "aa"), (OTHER, "bb")])
        ],
    )
    request_assignment(
        commander,
        Assignment(
            fill=find_fill(commander, at_hour(10.5, Side.BUY, "1", at="1").exec_id),
            bot=BOT,
            reason=Reason.MANUAL,
            by="me",
            why="mine",
        ),
    )
    with transaction(writer) as cursor:
        lock_heads(cursor, epochs)
        apply_assignments(cursor, [MAIN])
    assert seen(reader) == whole
    assert check_days(reader, FIRST, LAST) == []


def test_a_sum_that_counts_what_the_opening_position_includes_is_found(
    writer: Connection, recorder: FillRecorder, epochs: dict[AccountName, int], login: Login
) -> None:
    opening = OpeningPosition(
        key=BookKey(bot=BOT, account=MAIN, symbol=BTCUSDT),
        position=Position(Decimal(1), Decimal(100)),
        seq=None,
        at=at_hour(12, Side.BUY, "1", at="1").exec_time,
    )
    adopt_positions(writer, [opening], epochs)
    recorder.record([heard(at_hour(10, Side.BUY, "1", at="100", fee="0.2"))])
    owner = login("owner")
    with transaction(owner) as cursor:
        cursor.execute(
            "INSERT INTO trading.bot_symbol_days (account, bot, symbol, day, zone_day, fills, volume, fees)"
            " VALUES (%s, %s, %s, %s, %s, 1, 100, 0.2)",
            (MAIN, BOT, BTCUSDT, FIRST, FIRST),
        )
    (found,) = check_days(owner, FIRST, LAST)
    assert "fees 0.2 instead of 0" in str(found)


def test_nothing_of_a_batch_that_is_rolled_back_is_counted(
    writer: Connection, recorder: FillRecorder, login: Login
) -> None:
    with transaction(writer):
        recorder.record([heard(at_hour(1, Side.BUY, "1", at="100"))])
        writer.rollback()
    assert seen(login("reader")) == []


def test_an_assigned_fill_moves_from_one_bot_to_another(
    writer: Connection, recorder: FillRecorder, epochs: dict[AccountName, int], login: Login
) -> None:
    # given a round trip of one bot, whose exit was recorded as the other's, and a fill of nobody's
    sync_registry(
        writer,
        [RegisteredAccount(account=MAIN, kind=AccountKind.PAPER)],
        [
            RegisteredBot(bot=bot, code=code, account=MAIN, strategy="x", symbols=[BTCUSDT], redis_db=n)
            for n, (bot, code) in enumerate([(BOT, "aa"), (OTHER, "bb")])
        ],
    )
    recorder.record(
        [
            heard(at_hour(1, Side.BUY, "1", at="100", fee="0.1")),
            heard(at_hour(2, Side.SELL, "1", at="110", fee="0.2", is_maker=True), OTHER),
            heard(at_hour(3, Side.BUY, "1", at="110", fee="0.3"), None),
        ]
    )
    fold_closed_days(login("sync_writer"))
    reader, commander = login("reader"), login("commander")
    by_bot = "SELECT bot, fills, fees, trades, maker_volume FROM trading.bot_daily_performance ORDER BY bot"
    assert [tuple(row.values()) for row in rows(reader, by_bot)] == [
        (BOT, 1, Decimal("0.1"), 0, Decimal(0)),
        (OTHER, 1, Decimal("0.2"), 0, Decimal(110)),
    ]
    # when both are assigned to the first
    for hour in (2, 3):
        request_assignment(
            commander,
            Assignment(
                fill=find_fill(commander, at_hour(hour, Side.BUY, "1", at="1").exec_id),
                bot=BOT,
                reason=Reason.MANUAL,
                by="me",
                why="mine",
            ),
        )
    with transaction(writer) as cursor:
        lock_heads(cursor, epochs)
        apply_assignments(cursor, [MAIN])
    # then it has all, and the other nothing, not even a day
    assert [tuple(row.values()) for row in rows(reader, by_bot)] == [(BOT, 3, Decimal("0.6"), 1, Decimal(110))]
    assert check_days(reader, FIRST, LAST) == []
    fold_closed_days(login("sync_writer"))
    assert check_days(reader, FIRST, LAST) == []


def test_days_of_the_zone_are_cut_at_its_midnight_also_when_clocks_change(recorder: FillRecorder, login: Login) -> None:
    # Berlin is two hours ahead until October 26th 2025, 01:00 UTC, and one hour afterwards.
    before, after = 24 * 24 + 22, 25 * 24 + 22
    recorder.record([heard(at_hour(hour, Side.BUY, "1", at="100")) for hour in (before - 1, before, after, after + 1)])
    commander, reader = login("commander"), login("reader")
    local = "SELECT day, fills FROM trading.bot_daily_performance_local ORDER BY day"
    assert [tuple(row.values()) for row in rows(reader, local)] == [(date(2025, 10, 25), 2), (date(2025, 10, 26), 2)]
    assert set_reporting_zone(commander, "Europe/Berlin") == 4
    assert reporting_zone(reader) == "Europe/Berlin"
    # 21:00 UTC on the 25th is 23:00 there, 22:00 is midnight; on the 26th 22:00 is 23:00, 23:00 is midnight
    in_berlin = [(date(2025, 10, 25), 1), (date(2025, 10, 26), 2), (date(2025, 10, 27), 1)]
    assert [tuple(row.values()) for row in rows(reader, local)] == in_berlin
    # UTC days are as they were, and a new fill is counted in both
    recorder.record([heard(at_hour(after + 0.5, Side.SELL, "1", at="100"))])
    assert [row["fills"] for row in rows(reader, DAYS)] == [2, 3]
    assert [row["fills"] for row in rows(reader, local)] == [1, 3, 1]
    fold_closed_days(login("sync_writer"))
    assert [row["fills"] for row in rows(reader, DAYS)] == [2, 3]
    portfolio = "SELECT fills FROM trading.portfolio_daily_performance_local ORDER BY day"
    assert [row["fills"] for row in rows(reader, portfolio)] == [1, 3, 1]
    assert check_days(reader, FIRST, LAST) == []


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "Australia/Eucla", "America/St_Johns", "Pacific/Chatham", "UTC"])
def test_many_fills_are_counted_into_the_days_of_a_zone_that_is_ahead_by_no_whole_hours(
    recorder: FillRecorder, login: Login, zone: str
) -> None:
    reader = login("reader")
    set_reporting_zone(login("commander"), zone)
    # Of each quarter of an hour of two days the first and the last second, in one batch.
    hours = [quarter / 4 + of_it for quarter in range(4 * 48) for of_it in (0.0, 899 / 3600)]
    fills = [at_hour(hour, Side.BUY, "1", at="100") for hour in hours]
    recorder.record([heard(fill) for fill in fills])
    local = "SELECT day, fills FROM trading.bot_daily_performance_local ORDER BY day"
    expected = Counter([fill.exec_time.astimezone(ZoneInfo(zone)).date() for fill in fills])
    assert {row["day"]: row["fills"] for row in rows(reader, local)} == expected
    assert [row["fills"] for row in rows(reader, DAYS)] == [192, 192]
    assert check_days(reader, FIRST, LAST) == []


def test_what_is_no_zone_is_refused(login: Login) -> None:
    with pytest.raises(LedgerRefused, match="CEST5 is no time zone"):
        set_reporting_zone(login("commander"), "CEST5")


@pytest.mark.usefixtures("two_days")
def test_a_portfolio_is_summed_again_when_an_account_turns_out_to_be_a_backtests(
    writer: Connection, login: Login
) -> None:
    fold_closed_days(login("sync_writer"))
    reader = login("reader")
    days = "SELECT count(*) AS n FROM trading.portfolio_daily_performance"
    assert rows(reader, days) == [{"n": 2}]
    sync_registry(writer, [RegisteredAccount(account=MAIN, kind=AccountKind.BACKTEST)], [])
    assert rows(reader, days) == [{"n": 0}]
    fold_closed_days(login("sync_writer"))
    assert rows(reader, days) == [{"n": 0}]
    with transaction(reader) as cursor:
        cursor.execute("SET LOCAL alpha.include_backtest = 'on'")
        assert rows(reader, days) == [{"n": 2}]


@pytest.mark.usefixtures("two_days")
@pytest.mark.parametrize("table", ["bot_symbol_days", "bot_days", "portfolio_days"])
def test_the_check_names_a_sum_that_is_wrong_and_rebuilding_mends_it(login: Login, table: str) -> None:
    reader, owner = login("reader"), login("owner")
    fold_closed_days(login("sync_writer"))
    assert check_days(reader, FIRST, LAST) == []
    with transaction(owner) as cursor:
        cursor.execute(f"UPDATE trading.{table} SET fees = fees + 0.01 WHERE day = '2025-10-02'")
    first, *others = [str(each) for each in check_days(reader, FIRST, LAST)]
    assert first.startswith(f"{table} 2025-10-02")
    assert "fees 0.26 instead of 0.25" in first
    # what a wrong row was not folded into is not what it says either
    assert len(others) == (2 if table == "bot_symbol_days" else 0)
    assert rebuild_rollups(login("commander")) == 2
    assert check_days(reader, FIRST, LAST) == []
    assert seen(reader) == TWO_DAYS


@pytest.mark.usefixtures("two_days")
def test_the_check_folds_fills_and_does_not_believe_the_stored_round_trips(login: Login) -> None:
    owner, reader = login("owner"), login("reader")
    with transaction(owner) as cursor:
        cursor.execute("DELETE FROM trading.trades WHERE closed_at >= '2025-10-02'")
    (found,) = check_days(reader, FIRST, LAST)
    assert "trades 0 instead of 1" in str(found)
    assert recorded_days(reader) == (date(2025, 10, 1), date(2025, 10, 2))


@pytest.mark.parametrize("table", ["bot_symbol_days", "bot_days", "portfolio_days", "reporting_zone"])
def test_nobody_writes_sums_by_hand(login: Login, table: str) -> None:
    for group in ("ledger_writer", "sync_writer", "bot", "reader", "commander"):
        connection = login(group)
        for statement in (f"DELETE FROM trading.{table}", f"INSERT INTO trading.{table} DEFAULT VALUES"):
            with pytest.raises(LedgerRefused, match="permission denied"), transaction(connection) as cursor:
                cursor.execute(statement)


@pytest.mark.parametrize("year", [2025, 2125])
def test_a_month_is_over_when_nothing_was_recorded_of_it_for_a_week(
    login: Login, recorder: FillRecorder, year: int
) -> None:
    # given a month of the past, or of the future, of which something was recorded just now
    fill = at_hour(1, Side.BUY, "1", at="100")
    fill = replace(fill, exec_time=fill.exec_time.replace(year=year))
    recorder.record([heard(fill)])
    owner, sync = login("owner"), login("sync_writer")
    # then it is being written and is as small as it is
    assert pack_indexes(sync) == 0
    # and over a week later
    a_week_later(owner, year)
    assert pack_indexes(sync) > 0
    assert pack_indexes(sync) == 0


def test_a_large_month_is_left_alone_while_it_is_written(login: Login, recorder: FillRecorder) -> None:
    # given a month that is written, whose indexes are all larger than when they were packed
    recorder.record([heard(at_hour(1, Side.BUY, "1", at="100"))])
    owner = login("owner")
    with transaction(owner) as cursor:
        cursor.execute(
            "INSERT INTO trading.packed_indexes (name, bytes_before, bytes) SELECT c.relname, 1, 1 FROM pg_index AS x"
            " JOIN pg_class AS c ON c.oid = x.indexrelid WHERE x.indrelid = 'trading.fills_2025_10'::regclass"
        )
    size = "pg_relation_size('trading.fills_2025_10')"
    smaller, as_large = (f"SELECT trading.pack_next_index({size} - {n}) IS NOT NULL AS packed" for n in (1, 0))
    # then none of them is packed where the month is larger than may be
    assert rows(owner, smaller) == [{"packed": False}]
    assert rows(owner, as_large) == [{"packed": True}]
    # and all are when it is over
    a_week_later(owner)
    assert rows(owner, smaller) == [{"packed": True}]


def test_a_month_that_is_over_is_packed_once(login: Login, recorder: FillRecorder) -> None:
    # given a month that is over, and one that is being written
    fill = at_hour(1, Side.BUY, "1", at="100")
    recorder.record(
        [heard(fill), heard(replace(fill, exec_id=ExecId("x"), exec_time=fill.exec_time.replace(year=2125)))]
    )
    a_week_later(login("owner"))
    sync, reader = login("sync_writer"), login("reader")
    indexes = "SELECT count(*) AS n FROM pg_index WHERE indrelid = 'trading.fills_2025_10'::regclass"
    (of_month,) = rows(reader, indexes)
    assert pack_indexes(sync) == of_month["n"]
    names = {str(row["name"]) for row in rows(reader, "SELECT name FROM trading.packed_indexes")}
    assert all(name.startswith("fills_2025_10") for name in names)
    assert pack_indexes(sync) == 0
    # a late fill still comes in
    recorder.record([heard(at_hour(2, Side.SELL, "1", at="110"))])
    assert check_days(reader, FIRST, LAST) == []


@pytest.mark.parametrize("is_over", [True, False])
def test_an_index_that_has_grown_by_an_eighth_is_packed_again(
    login: Login, recorder: FillRecorder, is_over: bool
) -> None:
    # given fills of a month that is over, or not, and an index that was smaller when it was packed
    month = "2025_10"
    recorder.record([heard(at_hour(1, Side.BUY, "1", at="100"))])
    owner, sync, reader = login("owner"), login("sync_writer"), login("reader")
    if is_over:
        a_week_later(owner)
    pack_indexes(sync)
    with transaction(owner) as cursor:
        cursor.execute("SELECT pg_relation_size(to_regclass(%s))", (f"trading.fills_{month}_pkey",))
        ((bytes_now,),) = cursor.fetchall()
        cursor.execute("DELETE FROM trading.packed_indexes")
        cursor.execute(
            "INSERT INTO trading.packed_indexes (name, bytes_before, bytes, packed_at)"
            " SELECT c.relname, %s, %s * 9 / 10, 'infinity'"
            " FROM pg_index AS x JOIN pg_class AS c ON c.oid = x.indexrelid"
            " WHERE x.indrelid = to_regclass(%s)",
            (bytes_now, bytes_now, f"trading.fills_{month}"),
        )
        cursor.execute(
            "UPDATE trading.packed_indexes SET bytes = %s * 8 / 9 - 1 WHERE name = %s",
            (bytes_now, f"fills_{month}_pkey"),
        )
    packed = "SELECT name, bytes FROM trading.packed_indexes WHERE packed_at < 'infinity'"
    assert pack_indexes(sync) == 1
    assert rows(reader, packed) == [{"name": f"fills_{month}_pkey", "bytes": bytes_now}]
    assert pack_indexes(sync) == 0


def test_a_month_that_somebody_reads_at_length_is_packed_another_night(login: Login, recorder: FillRecorder) -> None:
    fill = at_hour(1, Side.BUY, "1", at="100")
    recorder.record([heard(fill)])
    a_week_later(login("owner"))
    sync, reader = login("sync_writer"), login("reader")
    with transaction(reader) as cursor:
        cursor.execute("SELECT FROM trading.fills WHERE exec_id = %s", (fill.exec_id,))
        with pytest.raises(LedgerUnavailable, match="lock timeout"):
            pack_indexes(sync)
    assert pack_indexes(sync) > 0


def test_an_index_that_takes_too_long_is_given_up_and_left_as_it_was(login: Login, recorder: FillRecorder) -> None:
    # given months that are over, the first with an index whose making takes as long as a table says
    fill = at_hour(1, Side.BUY, "1", at="100")
    later = replace(fill, exec_id=ExecId("x"), exec_time=fill.exec_time.replace(month=11))
    recorder.record([heard(fill), heard(later)])
    owner, sync = login("owner"), login("sync_writer")
    a_week_later(owner)
    with transaction(owner) as cursor:
        cursor.execute("CREATE TABLE public.slowness AS SELECT 0 AS seconds")
        cursor.execute(
            "CREATE FUNCTION public.slowly(text) RETURNS text LANGUAGE sql IMMUTABLE"
            " AS 'SELECT $1 || pg_catalog.pg_sleep(seconds)::text FROM public.slowness'"
        )
        cursor.execute("CREATE INDEX fills_2025_10_slow ON trading.fills_2025_10 (public.slowly(exec_id))")
        cursor.execute("UPDATE public.slowness SET seconds = 30")
    # then recording waits for no longer than it may
    with pytest.raises(IndexTakesTooLong, match=r"^fills_2025_10_slow is not made anew within 1 s, for which"):
        pack_indexes(sync, within_s=1)
    # and the month behind it is packed
    of_the_next = (
        "SELECT FROM pg_class WHERE relname IN (SELECT name FROM trading.packed_indexes WHERE name ~ '2025_11')"
    )
    all_of_it = "SELECT FROM pg_index WHERE indrelid = 'trading.fills_2025_11'::regclass"
    assert len(rows(owner, of_the_next)) == len(rows(owner, all_of_it)) > 0
    with transaction(owner) as cursor:
        cursor.execute("UPDATE public.slowness SET seconds = 0")
    # and nothing of the try is in the way of the next one
    assert pack_indexes(sync, within_s=60) > 0


def test_a_month_by_name_is_packed_while_it_is_read_and_recorded(login: Login, recorder: FillRecorder) -> None:
    # given a month that is written, and an index that was cut off while it was made beside others
    recorder.record([heard(at_hour(1, Side.BUY, "1", at="100"))])
    owner, second, looking = login("owner"), login("owner"), login("owner")
    reader, sync = login("reader"), login("sync_writer")
    indexes = "SELECT count(*) AS n FROM pg_index WHERE indrelid = 'trading.fills_2025_10'::regclass"
    (of_month,) = rows(owner, indexes)
    with transaction(owner) as cursor:
        cursor.execute("CREATE INDEX fills_2025_10_pkey_ccnew ON trading.fills_2025_10 (exec_id)")
    waits = (
        "SELECT query FROM pg_stat_activity WHERE query ~ '^(DROP|REINDEX) INDEX CONCURRENTLY' AND"
        " datname = current_database() AND wait_event_type = 'Lock'"
    )
    with ThreadPoolExecutor(1) as beside:
        # when somebody reads it at length: packing waits for him, and nobody waits for packing
        with transaction(reader) as cursor:
            cursor.execute("SELECT FROM trading.fills")
            packing = beside.submit(pack_month, owner, FIRST)
            eventually(lambda: rows(looking, waits), 60, "packing that waits for a reader")
            assert len(recorder.record([heard(at_hour(2, Side.SELL, "1", at="110"))]).recorded) == 1
            assert not packing.done()
            # and a second packing begins nothing, since what the first is making looks cut off
            with pytest.raises(LedgerRefused, match="is being packed already"):
                pack_month(second, FIRST)
        packed = packing.result(60)
    # then all of its own are packed, the other one is gone, and nothing is left for the night
    assert packed == of_month["n"]
    assert rows(owner, indexes) == [of_month]
    assert pack_month(second, FIRST) == packed
    a_week_later(owner)
    assert pack_indexes(sync) == 0


def test_what_was_cut_off_is_not_made_valid_at_night(login: Login, recorder: FillRecorder) -> None:
    # given an index that was being made when that was cut off: another that cannot become valid
    recorder.record(
        [
            heard(at_hour(1, Side.BUY, "1", at="100")),
            heard(at_hour(2, Side.SELL, "1", at="110"), reason=Reason.STOP_LOSS),
        ]
    )
    owner, sync = login("owner"), login("sync_writer")
    a_week_later(owner)
    of_month = len(rows(owner, "SELECT FROM pg_index WHERE indrelid = 'trading.fills_2025_10'::regclass"))
    with pytest.raises(LedgerRefused, match="could not create unique index"), single_statement(owner) as cursor:
        cursor.execute("CREATE UNIQUE INDEX CONCURRENTLY fills_2025_10_once ON trading.fills_2025_10 (account)")
    # and one of which an earlier release made a valid one
    with transaction(owner) as cursor:
        cursor.execute("CREATE INDEX fills_2025_10_pkey_ccnew ON trading.fills_2025_10 (exec_id)")
    # then only the month's own are packed
    assert pack_indexes(sync) == of_month
    packed = {row["name"] for row in rows(owner, "SELECT name FROM trading.packed_indexes")}
    assert not packed & {"fills_2025_10_once", "fills_2025_10_pkey_ccnew"}


def test_a_month_without_fills_cannot_be_packed(login: Login) -> None:
    with pytest.raises(LedgerRefused, match="there are no fills of 1999-01"):
        pack_month(login("owner"), date(1999, 1, 1))


def test_fills_of_before_there_were_sums_are_counted_by_the_migration(login: Login, recorder: FillRecorder) -> None:
    # what the migration does at its end
    recorder.record([heard(at_hour(1, Side.BUY, "1", at="100"))])
    owner = login("owner")
    with transaction(owner) as cursor:
        cursor.execute("DELETE FROM trading.bot_symbol_days")
        cursor.execute("SELECT trading.rebuild_rollups()")
    assert [row["fills"] for row in rows(owner, DAYS)] == [1]


def test_an_attribution_to_nobody_has_no_day(recorder: FillRecorder, login: Login) -> None:
    nobody = Attribution(bot=None, reason=Reason.UNKNOWN, method=AttributionMethod.NONE)
    recorder.record([replace(heard(at_hour(1, Side.BUY, "1", at="100"), None), attribution=nobody)])
    assert seen(login("reader")) == []
