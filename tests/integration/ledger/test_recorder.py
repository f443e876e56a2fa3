"""The one way into the ledger, against a real one."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alpha.domain.errors import InvariantViolated
from alpha.domain.fill import ExecType, Fill
from alpha.domain.ids import AccountName, BotId, ExecId, Symbol
from alpha.domain.position import Position
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.domain.trade_book import TradeBook
from alpha.ledger import fills as fills_module
from alpha.ledger.books import books_of_account, rebuild_books, trades_of_bot
from alpha.ledger.connection import Connection, LedgerRefused, LedgerUnavailable, connect, transaction
from alpha.ledger.drift import DriftKind, blocked_bots, open_drift, resolve_drift
from alpha.ledger.fills import Fenced, FillRecorder, FillSource, HeardFill
from alpha.ledger.folding import ClosedTrade, fold_on
from alpha.ledger.heads import account_heads, renew_leases, take_account
from alpha.ledger.opening_positions import OpeningPosition, adopt_positions
from alpha.ledger.reading import bot_head, bot_heads, bot_summaries, fills_after, fills_between, ledger_counts
from tests.integration.ledger.heard import BOOK, BOT, MAIN, heard
from tests.support import Database
from tests.unit.domain.fills import BTCUSDT, START, a_fill

OTHER = BotId("bot_002")
FOREVER = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))


def round_trip(n: int = 0) -> list[Fill]:
    """2 bought at 100 and sold at 110: 20 gross, 1.5 of fees."""
    return [
        a_fill(Side.BUY, "2", at="100", n=n, fee="0.5"),
        a_fill(Side.SELL, "2", at="110", n=n + 1, fee="1"),
    ]


def numbers(connection: Connection, bot: BotId = BOT) -> list[int | None]:
    return [recorded.bot_seq for recorded in fills_after(connection, bot, 0)]


def test_a_batch_is_recorded_folded_and_numbered(recorder: FillRecorder, writer: Connection) -> None:
    # when
    result = recorder.record([heard(fill, reason=Reason.ENTRY) for fill in round_trip()])
    # then what is read is what was heard, to the digit
    assert [recorded.fill for recorded in fills_after(writer, BOT, 0)] == round_trip()
    assert fills_after(writer, BOT, 0) == result.recorded
    assert [recorded.bot_seq for recorded in result.recorded] == [1, 2]
    assert bot_head(writer, BOT) == 2
    # and the round trip is there: (110 - 100) * 2 = 20
    (trade,) = result.trades
    assert (trade.gross_pnl, trade.fees, trade.net_pnl) == (Decimal(20), Decimal("1.5"), Decimal("18.5"))
    assert trades_of_bot(writer, BOT) == [trade]
    assert books_of_account(writer, MAIN) == [result.books[BOOK]]
    assert result.books[BOOK].position.is_flat
    head = account_heads(writer)[MAIN]
    assert (head.fills, head.last_exec_time) == (2, START + timedelta(seconds=1))


def test_an_empty_batch_does_nothing(recorder: FillRecorder) -> None:
    assert recorder.record([]).recorded == []


def test_the_same_again_changes_nothing(recorder: FillRecorder, writer: Connection) -> None:
    batch = [heard(fill) for fill in round_trip()]
    recorder.record(batch)
    before = (numbers(writer), books_of_account(writer, MAIN), trades_of_bot(writer, BOT))
    # when the stream repeats itself, and REST tells it once more beside a new one
    again = recorder.record(batch)
    third = heard(a_fill(Side.BUY, "1", at="105", n=2), source=FillSource.RECOVERY)
    recovered = recorder.record([*(replace(each, source=FillSource.RECOVERY) for each in batch), third, third])
    # then
    assert (again.recorded, again.duplicates, again.conflicts) == ([], 2, [])
    assert ([each.fill for each in recovered.recorded], recovered.duplicates) == ([third.fill], 3)
    assert (numbers(writer)[:2], trades_of_bot(writer, BOT)) == (before[0], before[2])
    assert open_drift(writer) == []


def test_the_same_id_with_other_content_is_drift_and_no_second_fill(recorder: FillRecorder, writer: Connection) -> None:
    first = a_fill(Side.BUY, "2", at="100", fee="0.5")
    recorder.record([heard(first)])
    # when the fee is told differently, twice
    changed = heard(replace(first, fee=Decimal("0.7")), source=FillSource.RECOVERY)
    results = [recorder.record([changed]) for _ in range(2)]
    # then
    for result in results:
        assert result.recorded == []
        assert result.duplicates == 0
        assert [conflict.differences for conflict in result.conflicts] == [{"fee": ("0.5", "0.7")}]
    assert [recorded.fill for recorded in fills_after(writer, BOT, 0)] == [first]
    (drift,) = open_drift(writer, MAIN)
    assert (drift.finding.kind, drift.finding.subject, drift.times) == (DriftKind.FILL_CONTENT, first.exec_id, 2)
    assert drift.finding.detail == {"fee": {"recorded": "0.5", "reported": "0.7"}}
    # and the bot opens nothing until a person has looked
    assert blocked_bots(writer) == {BOT}
    assert resolve_drift(writer, [drift.number], by="tests", resolution="the exchange corrected itself") == 1
    assert blocked_bots(writer) == frozenset()


def test_the_same_id_at_another_time_is_drift_and_no_second_fill(recorder: FillRecorder, writer: Connection) -> None:
    first = a_fill(Side.BUY, "2", at="100")
    recorder.record([heard(first)])
    # when it is told again a month later, where a unique key with the time in it would let it pass
    later = replace(first, exec_time=first.exec_time + timedelta(days=30))
    result = recorder.record([heard(later)])
    # then
    assert (result.recorded, len(result.conflicts)) == ([], 1)
    assert numbers(writer) == [1]
    (drift,) = open_drift(writer)
    assert drift.finding.kind is DriftKind.FILL_TIME


def test_one_batch_that_contradicts_itself_keeps_the_first(recorder: FillRecorder, writer: Connection) -> None:
    first = a_fill(Side.BUY, "2", at="100")
    result = recorder.record([heard(first), heard(replace(first, quantity=Decimal(3)))])
    assert [each.fill for each in result.recorded] == [first]
    assert [conflict.differences for conflict in result.conflicts] == [{"quantity": ("2", "3")}]
    assert len(open_drift(writer)) == 1


def test_nobodys_fills_are_recorded_and_counted(recorder: FillRecorder, writer: Connection) -> None:
    result = recorder.record(
        [heard(a_fill(Side.BUY, "1", at="100"), None), heard(a_fill(Side.BUY, "1", at="100", n=1))]
    )
    assert result.unattributed == 1
    assert [each.bot_seq for each in result.recorded] == [None, 1]
    assert list(result.books) == [BOOK]
    counts = ledger_counts(writer)
    assert (counts.fills, counts.unattributed, counts.misplaced) == (2, 1, 0)


def test_every_bot_counts_for_itself_and_without_a_gap(recorder: FillRecorder, writer: Connection) -> None:
    # given batches of two bots mixed, repeats among them
    chance = random.Random(7)
    fills = [heard(a_fill(Side.BUY, "1", at="100", n=n), chance.choice([BOT, OTHER, None])) for n in range(60)]
    for start in range(0, 60, 7):
        recorder.record(fills[max(0, start - 3) : start + 7])
    # then
    for bot in (BOT, OTHER):
        own = [each for each in fills if each.attribution.bot == bot]
        assert numbers(writer, bot) == list(range(1, len(own) + 1))
        assert bot_heads(writer)[bot] == len(own)
    assert ledger_counts(writer).fills == 60


def test_a_fenced_recorder_writes_nothing(recorder: FillRecorder, writer: Connection, database: Database) -> None:
    first, second = round_trip()
    recorder.record([heard(first)])
    # when another listener takes the account
    with closing(connect(database.dsn("ledger_writer"), "standby")) as standby:
        epoch = take_account(standby, MAIN, "standby")
        # then the old one is out
        with pytest.raises(Fenced, match="another listener holds main") as fenced:
            recorder.record([heard(second)])
        assert fenced.value.accounts == (MAIN,)
        assert renew_leases(writer, {MAIN: epoch - 1}) == {MAIN}
        assert numbers(writer) == [1]
        # and the new one goes on where it ended
        assert not renew_leases(standby, {MAIN: epoch})
        assert FillRecorder(standby, {MAIN: epoch}).record([heard(second)]).recorded[0].bot_seq == 2
    assert account_heads(writer)[MAIN].holder == "standby"


def test_an_account_that_was_never_taken_is_fenced(writer: Connection) -> None:
    with pytest.raises(Fenced):
        FillRecorder(writer, {}).record([heard(round_trip()[0])])


def test_one_fenced_account_keeps_the_whole_batch_back_and_is_named(
    writer: Connection, epochs: Mapping[AccountName, int]
) -> None:
    other = AccountName("other")
    held = {**epochs, other: take_account(writer, other, "tests")}
    recorder = FillRecorder(writer, held)
    take_account(writer, other, "standby")
    batch = [heard(round_trip()[0]), heard(round_trip()[1], OTHER, account=other)]
    with pytest.raises(Fenced) as fenced:
        recorder.record(batch)
    assert fenced.value.accounts == (other,)
    assert ledger_counts(writer).fills == 0
    assert len(recorder.record([each for each in batch if each.fill.account == MAIN]).recorded) == 1


def test_a_failing_batch_leaves_nothing(recorder: FillRecorder, writer: Connection) -> None:
    # given a fill that PostgreSQL refuses: the exchange's times are whole milliseconds
    good, bad = round_trip()
    bad = replace(bad, exec_time=bad.exec_time + timedelta(microseconds=1, days=200))
    with pytest.raises(LedgerRefused, match="exec_time"):
        recorder.record([heard(good), heard(bad)])
    # then no fill, no book, no number taken, no month made
    assert ledger_counts(writer).fills == 0
    assert (books_of_account(writer, MAIN), bot_head(writer, BOT)) == ([], 0)
    assert account_heads(writer)[MAIN].fills == 0
    assert recorder.record([heard(good)]).recorded[0].bot_seq == 1


@pytest.mark.patches_source
@pytest.mark.parametrize("failure", [InvariantViolated("this book is broken"), KeyboardInterrupt("this is Ctrl-C")])
def test_what_fails_while_postgresql_inserts_leaves_nothing(
    recorder: FillRecorder, writer: Connection, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    # given books of which the second cannot be folded, which is found out with lines of COPY on their way
    batch = [
        heard(replace(a_fill(Side.BUY, "1", at="100", n=n), symbol=Symbol("ETHUSDT" if n % 2 else "BTCUSDT")))
        for n in range(2_000)
    ]
    with monkeypatch.context() as patched:

        def fold_one(book: TradeBook, fresh: list[tuple[Fill, Reason]]) -> tuple[TradeBook, list[ClosedTrade]]:
            if book.key.symbol == "ETHUSDT":
                raise failure
            return fold_on(book, fresh)

        patched.setattr(fills_module, "fold_in_order", fold_one)
        with pytest.raises(type(failure), match=str(failure)):
            recorder.record(batch)
    # then nothing was written or remembered, and the connection goes on
    assert ledger_counts(writer).fills == 0
    assert (books_of_account(writer, MAIN), bot_head(writer, BOT)) == ([], 0)
    assert [each.bot_seq for each in recorder.record(batch).recorded] == list(range(1, 2_001))
    assert all(each.is_equal for each in rebuild_books(writer, MAIN))


def test_a_lost_connection_leaves_nothing_and_the_batch_can_be_repeated(
    recorder: FillRecorder, writer: Connection, database: Database, epochs: Mapping[AccountName, int]
) -> None:
    batch = [heard(fill) for fill in round_trip()]
    with closing(connect(database.owner, "tests")) as owner, transaction(owner) as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", (writer.info.backend_pid,))
    with pytest.raises(LedgerUnavailable) as lost:
        recorder.record(batch)
    assert not lost.value.commit_unknown
    with closing(connect(database.dsn("ledger_writer"), "tests")) as again:
        assert [each.bot_seq for each in FillRecorder(again, epochs).record(batch).recorded] == [1, 2]


# Few fills are written in another way than many.
FEW_AND_MANY = pytest.mark.parametrize("others", [0, 20])


@FEW_AND_MANY
def test_odd_text_comes_back_as_it_was(recorder: FillRecorder, writer: Connection, others: int) -> None:
    odd = replace(
        a_fill(Side.BUY, "1", at="100", exec_id='"{odd\\",}'),
        order_link_id="tab\tback\\slash\nline\\N",
        create_type="ünï",
    )
    batch = [heard(odd), *(heard(a_fill(Side.BUY, "1", at="100", n=n)) for n in range(1, others + 1))]
    recorder.record(batch)
    assert [each.fill for each in fills_after(writer, BOT, 0)] == [each.fill for each in batch]
    # and is known again
    assert (recorder.record(batch).duplicates, recorder.record(batch).conflicts) == (others + 1, [])


@FEW_AND_MANY
@pytest.mark.parametrize("text", ["nul\0", "half\ud800"])
def test_text_that_postgresql_does_not_keep_is_refused(recorder: FillRecorder, text: str, others: int) -> None:
    batch = [heard(a_fill(Side.BUY, "1", at="100", n=n)) for n in range(1, others + 1)]
    fill = a_fill(Side.BUY, "1", at="100")
    for bad in (replace(fill, order_type=text), replace(fill, exec_id=ExecId(text))):
        with pytest.raises(LedgerRefused):
            recorder.record([heard(bad), *batch])
    assert len(recorder.record(batch).recorded) == others


@FEW_AND_MANY
def test_numbers_keep_every_digit(recorder: FillRecorder, writer: Connection, others: int) -> None:
    tiny = a_fill(Side.BUY, "0.00000000000000000001", at="123456789012345678.123456789", fee="-1E-18")
    recorder.record([heard(tiny), *(heard(a_fill(Side.BUY, "1", at="100", n=n)) for n in range(1, others + 1))])
    assert fills_after(writer, BOT, 0)[0].fill == tiny


@pytest.mark.parametrize("trips", [1, 30])
def test_round_trips_are_stored_as_they_are_told(recorder: FillRecorder, writer: Connection, trips: int) -> None:
    result = recorder.record([heard(fill) for n in range(trips) for fill in round_trip(2 * n)])
    assert len(result.trades) == trips
    assert trades_of_bot(writer, BOT) == result.trades[::-1]
    assert all(each.is_equal for each in rebuild_books(writer, MAIN))


# Months


@pytest.mark.parametrize("trips", [1, 20])
def test_round_trips_with_odd_ids_come_back_as_they_were(
    recorder: FillRecorder, writer: Connection, trips: int
) -> None:
    # given ids with what COPY takes for its own, told one by one and in numbers
    fills = [
        replace(fill, exec_id=ExecId(f"tab\t{fill.exec_id}\\N\n")) for n in range(trips) for fill in round_trip(2 * n)
    ]
    # when they are recorded
    result = recorder.record([heard(fill) for fill in fills])
    # then each round trip names them in full
    assert trades_of_bot(writer, BOT) == result.trades[::-1]
    assert [trade.first_exec_id for trade in result.trades] == [fill.exec_id for fill in fills[::2]]


def partitions(connection: Connection) -> set[str]:
    with transaction(connection) as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' AND relname LIKE 'fills%'")
        return {name for (name,) in cursor.fetchall()}


def test_missing_months_are_made_past_ones_too(recorder: FillRecorder, writer: Connection) -> None:
    first, second = round_trip()
    # the first instant of a month in UTC belongs to it, the last millisecond to the one before
    boundary = datetime(2021, 3, 1, tzinfo=UTC)
    recorder.record(
        [
            heard(replace(first, exec_time=boundary)),
            heard(replace(second, exec_time=boundary - timedelta(milliseconds=1))),
            heard(a_fill(Side.BUY, "1", at="1", n=9)),
        ]
    )
    assert partitions(writer) == {"fills_default", "fills_2021_02", "fills_2021_03", "fills_2025_10"}
    assert ledger_counts(writer).misplaced == 0


def test_a_month_that_cannot_be_made_is_told_and_its_fills_are_kept(
    recorder: FillRecorder,
    writer: Connection,
    epochs: Mapping[AccountName, int],
    login: Callable[[str], Connection],
) -> None:
    # given a fill of the month in the default partition
    recorder.record([heard(a_fill(Side.BUY, "1", at="100", n=0))])
    with transaction(login("owner")) as cursor:
        cursor.execute("ALTER TABLE trading.fills DETACH PARTITION trading.fills_2025_10")
        cursor.execute("ALTER TABLE trading.fills_2025_10 RENAME TO moved")
        cursor.execute("INSERT INTO trading.fills SELECT * FROM trading.moved")
    # when a listener that has just started records another
    result = FillRecorder(writer, epochs).record([heard(a_fill(Side.BUY, "1", at="100", n=1))])
    # then
    assert result.stranded_months == (date(2025, 10, 1),)
    assert (numbers(writer), ledger_counts(writer).misplaced) == ([1, 2], 2)


def test_two_writers_make_a_month_at_once(database: Database) -> None:
    def write(name: str) -> int:
        account = AccountName(name)
        with closing(connect(database.dsn("ledger_writer"), name)) as connection:
            recorder = FillRecorder(connection, {account: take_account(connection, account, name)})
            recorded = 0
            for month in range(1, 13):
                time = datetime(2022, month, 5, tzinfo=UTC)
                fill = replace(a_fill(Side.BUY, "1", at="1", n=month), exec_time=time)
                recorded += len(recorder.record([heard(fill, BotId(f"bot_{name}"), account=account)]).recorded)
            return recorded

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(write, ["a", "b", "c"])) == [12, 12, 12]


# Late fills


def test_a_late_fill_is_folded_in_its_place(recorder: FillRecorder, writer: Connection) -> None:
    # given two round trips of which the first sale was not heard
    buy, sell = round_trip(0)
    later = round_trip(10)
    recorder.record([heard(fill) for fill in (buy, *later)])
    assert trades_of_bot(writer, BOT) == []
    # when recovery brings it
    result = recorder.record([heard(sell, source=FillSource.RECOVERY)])
    # then it has the next number, and the books are as if it had come in time
    assert [each.bot_seq for each in result.recorded] == [4]
    assert result.refolded == 1
    assert [trade.first_exec_id for trade in result.trades] == [buy.exec_id, later[0].exec_id]
    (book,) = books_of_account(writer, MAIN)
    assert book == fold_on(TradeBook(key=BOOK), [(fill, Reason.ENTRY) for fill in (buy, sell, *later)])[0]


def test_a_late_fill_leaves_round_trips_before_it_alone(recorder: FillRecorder, writer: Connection) -> None:
    recorder.record([heard(fill) for fill in (*round_trip(0), *round_trip(20))])
    late = round_trip(10)
    result = recorder.record([heard(fill) for fill in late])
    # the first one ended before; the last one begins and ends the same and is not told again
    assert [trade.first_exec_id for trade in result.trades] == [late[0].exec_id]
    assert len(trades_of_bot(writer, BOT)) == 3


def a_history(chance: random.Random, length: int) -> list[HeardFill]:
    """Fills of two bots with flips, funding, ties of time and nobody's fills."""
    history = []
    for n in range(length):
        kind = chance.choice([ExecType.TRADE] * 5 + [ExecType.FUNDING])
        fill = a_fill(
            chance.choice(list(Side)),
            Decimal(chance.randint(1, 3)) / 1000,
            at=Decimal(chance.randint(1, 10**7)) / 97,
            fee=Decimal(chance.randint(-5, 50)) / 1000,
            exec_type=kind,
            n=n // 2,
            leaves=Decimal(n % 2),
            exec_id=f"exec-{n}",
        )
        reason = Reason.FUNDING if kind is ExecType.FUNDING else chance.choice([Reason.ENTRY, Reason.STOP_LOSS])
        history.append(heard(fill, chance.choice([BOT, BOT, BOT, OTHER, None]), reason=reason))
    return history


@given(seed=st.integers(min_value=0, max_value=2**32), length=st.integers(min_value=1, max_value=60))
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_in_any_arrival_order_the_books_are_those_of_the_execution_order(
    writer: Connection, seed: int, length: int
) -> None:
    # given one account per example, so that they share a database
    account = AccountName(f"account-{seed}-{length}")
    epochs = {account: take_account(writer, account, "tests")}
    chance = random.Random(seed)
    history = [
        replace(each, fill=replace(each.fill, account=account, exec_id=ExecId(f"{seed}-{length}-{each.fill.exec_id}")))
        for each in a_history(chance, length)
    ]
    # when the fills arrive in any order, in batches of any size, some of them twice
    arriving = [*history, *chance.choices(history, k=5)]
    chance.shuffle(arriving)
    own = FillRecorder(writer, epochs)
    while arriving:
        size = chance.randint(1, 9)
        own.record(arriving[:size])
        arriving = arriving[size:]
    # then what was folded on the way equals the fold of everything
    rebuilt = rebuild_books(writer, account)
    assert [each.stored.key for each in rebuilt if not each.is_equal] == []
    for bot in (BOT, OTHER):
        fills = [(each.fill, each.attribution.reason) for each in history if each.attribution.bot == bot]
        if fills:
            key = replace(BOOK, bot=bot, account=account)
            whole, closed = fold_on(TradeBook(key=key), fills)
            (found,) = [each for each in rebuilt if each.stored.key == key]
            assert (found.stored, found.stored_trades) == (whole, frozenset(each.trade for each in closed))
    assert len(fills_between(writer, account, *FOREVER)) == length


# Positions from before us


def test_an_adopted_position_is_closed_by_its_fills(
    recorder: FillRecorder, writer: Connection, epochs: Mapping[AccountName, int]
) -> None:
    # given a short of 2 at 120 when we first saw the account, after the exchange's seq 5
    opening = OpeningPosition(key=BOOK, position=Position(Decimal(-2), Decimal(120)), seq=5, at=START)
    assert adopt_positions(writer, [opening], epochs) == [opening]
    assert books_of_account(writer, MAIN)[0].position == opening.position
    # when it is bought back at 100, and a fill from before is told as well
    before, after = a_fill(Side.SELL, "2", at="120", n=5), a_fill(Side.BUY, "2", at="100", n=6)
    result = recorder.record([heard(before), heard(after)])
    # then both are in the ledger, and one is folded: (120 - 100) * 2 = 40
    assert [each.fill for each in result.recorded] == [before, after]
    (trade,) = result.trades
    assert (trade.first_exec_id, trade.gross_pnl) == ("opening", Decimal(40))
    assert all(each.is_equal for each in rebuild_books(writer, MAIN))
    # and a late one starts from the opening position again
    late = a_fill(Side.SELL, "1", at="110", n=6, leaves="1", exec_id="late")
    assert recorder.record([heard(late)]).refolded == 1
    assert all(each.is_equal for each in rebuild_books(writer, MAIN))


def test_adopting_again_changes_nothing(
    recorder: FillRecorder, writer: Connection, epochs: Mapping[AccountName, int]
) -> None:
    opening = OpeningPosition(key=BOOK, position=Position(Decimal(1), Decimal(100)), seq=1, at=START)
    adopt_positions(writer, [opening], epochs)
    recorder.record([heard(a_fill(Side.BUY, "1", at="100", n=2))])
    assert adopt_positions(writer, [replace(opening, position=Position(Decimal(9), Decimal(1)))], epochs) == []
    assert books_of_account(writer, MAIN)[0].position.quantity == 2


def test_only_the_holder_adopts(writer: Connection, epochs: Mapping[AccountName, int]) -> None:
    opening = OpeningPosition(key=BOOK, position=Position(Decimal(1), Decimal(100)), seq=1, at=START)
    with pytest.raises(Fenced):
        adopt_positions(writer, [opening], {MAIN: epochs[MAIN] + 1})


# Reading


def test_fills_are_read_in_pages_and_by_time(recorder: FillRecorder, writer: Connection) -> None:
    fills = [a_fill(Side.BUY, "1", at="100", n=n) for n in range(10)]
    recorder.record([heard(fill) for fill in fills])
    assert [each.bot_seq for each in fills_after(writer, BOT, 3, limit=4)] == [4, 5, 6, 7]
    # since is included, until is not
    found = fills_between(writer, MAIN, START + timedelta(seconds=2), START + timedelta(seconds=5))
    assert [each.fill for each in found] == fills[2:5]


def test_a_summary_tells_what_a_bot_has_and_earned(recorder: FillRecorder, login: Callable[[str], Connection]) -> None:
    recorder.record([heard(fill) for fill in (*round_trip(), a_fill(Side.SELL, "3", at="120", n=5, fee="0.25"))])
    (summary,) = bot_summaries(login("reader")).values()
    assert (summary.bot, summary.fills, summary.trades) == (BOT, 3, 1)
    # 20 gross, 0.5 + 1 + 0.25 of fees
    assert (summary.realized_pnl, summary.fees, summary.net_pnl) == (Decimal(20), Decimal("1.75"), Decimal("18.25"))
    assert [book.position.quantity for book in summary.open_books] == [Decimal(-3)]
    assert summary.last_fill is not None
    assert (summary.last_fill.bot_seq, summary.last_fill.fill.symbol) == (3, BTCUSDT)


def test_a_transaction_inside_another_belongs_to_it(writer: Connection) -> None:
    def fail_after_the_inner_one() -> None:
        with transaction(writer):
            take_account(writer, AccountName("inner"), "tests")
            raise InvariantViolated("after the inner one ended")

    with pytest.raises(InvariantViolated):
        fail_after_the_inner_one()
    assert AccountName("inner") not in account_heads(writer)
