"""What a recorder keeps in memory never says more than the ledger does, however its batches break."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alpha.domain.errors import InvariantViolated
from alpha.domain.ids import AccountName, BotId
from alpha.domain.position import Position
from alpha.domain.side import Side
from alpha.domain.trade import BookKey
from alpha.domain.trade_book import TradeBook
from alpha.ledger import connection as connection_module
from alpha.ledger.at_once import MOST_AT_ONCE
from alpha.ledger.books import books_of_account, rebuild_books
from alpha.ledger.connection import Connection, LedgerRefused, LedgerUnavailable, connect, transaction
from alpha.ledger.epochs import epoch_falls
from alpha.ledger.fills import Fenced, FillRecorder, HeardFill
from alpha.ledger.folding import fold_on
from alpha.ledger.heads import account_heads, bump_books_versions, lock_heads, take_account
from alpha.ledger.opening_positions import OpeningPosition, adopt_positions
from alpha.ledger.reading import fills_after
from tests.integration.ledger.breaking import Break, BreakingConnection
from tests.integration.ledger.heard import BOOK, BOT, MAIN, heard
from tests.integration.ledger.test_recorder import a_history
from tests.support import Database, eventually
from tests.unit.domain.fills import START, a_fill


@pytest.fixture
def breaking(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], BreakingConnection]]:
    """Makes connections of the listener that can be broken; closed at the end."""
    monkeypatch.setattr(connection_module, "Connection", BreakingConnection)
    monkeypatch.setattr(BreakingConnection, "owner", database.owner, raising=False)
    opened: list[BreakingConnection] = []

    def make() -> BreakingConnection:
        connection = connect(database.dsn("ledger_writer"), "tests")
        assert isinstance(connection, BreakingConnection)
        opened.append(connection)
        return connection

    yield make
    for connection in opened:
        connection.close()


class Listener:
    """Records like a listener: repeats a batch until it is taken, on a new connection when the old one is gone."""

    def __init__(self, connect: Callable[[], BreakingConnection], epochs: dict[AccountName, int]) -> None:
        self._connect = connect
        self.epochs = epochs
        self.connection = connect()
        self.restart()

    def restart(self) -> None:
        """A process that knows nothing."""
        self.recorder = FillRecorder(self.connection, self.epochs)

    def take(self, accounts: list[AccountName]) -> None:
        for account in accounts:
            self.epochs[account] = take_account(self.connection, account, "tests")

    def record(self, batch: list[HeardFill]) -> None:
        while True:
            try:
                self.recorder.record(batch)
            except LedgerUnavailable:
                self.connection = self._connect()
                self.restart()
            except LedgerRefused as error:
                if isinstance(error, Fenced):
                    raise
            else:
                return


def histories_of(accounts: list[AccountName], chance: random.Random, length: int) -> list[HeardFill]:
    """A history of each account, with bots of its own."""
    return [
        replace(
            each,
            fill=replace(each.fill, account=account),
            attribution=replace(
                each.attribution,
                bot=each.attribution.bot and BotId(f"{account}-{each.attribution.bot}"),
            ),
        )
        for account in accounts
        for each in a_history(chance, length)
    ]


@given(seed=st.integers(min_value=0, max_value=2**32), length=st.integers(min_value=1, max_value=40))
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_breaks_the_ledger_is_that_of_one_fold_of_everything(
    breaking: Callable[[], BreakingConnection], seed: int, length: int
) -> None:
    # given fills of two accounts in any order, in batches of any size, some of them twice
    chance = random.Random(seed)
    accounts = [AccountName(f"{seed}-{length}-{name}") for name in "ab"]
    history = histories_of(accounts, chance, length)
    arriving = [*history, *chance.choices(history, k=8)]
    chance.shuffle(arriving)
    # and two listeners, of which the one takes the accounts from the other now and then
    holder, other = (Listener(breaking, {}) for _ in range(2))
    holder.take(accounts)
    while arriving:
        batch, arriving = arriving[: (size := chance.randint(1, 9))], arriving[size:]
        # when processes start again, change, and connections break at any step of a batch
        match chance.choice(["nothing", "nothing", "restart", "takeover", "break", "break"]):
            case "restart":
                holder.restart()
            case "takeover":
                other.take(accounts)
                with pytest.raises(Fenced):
                    holder.record(batch)
                holder, other = other, holder
            case "break":
                holder.connection.break_at(chance.randint(1, 9), chance.choice(list(Break)))
        holder.record(batch)
        holder.connection.break_at(None)
    # then every bot's fills are there once, numbered without a gap, and folded as if they had come at once
    ledger = holder.connection
    for account in accounts:
        own = [each for each in history if each.fill.account == account]
        rebuilt = {each.stored.key: each for each in rebuild_books(ledger, account)}
        assert [key for key, each in rebuilt.items() if not each.is_equal] == []
        assert account_heads(ledger)[account].fills == len(own)
        for bot in {each.attribution.bot for each in own if each.attribution.bot is not None}:
            fills = [(each.fill, each.attribution.reason) for each in own if each.attribution.bot == bot]
            key = BookKey(bot=bot, account=account, symbol=BOOK.symbol)
            whole, closed = fold_on(TradeBook(key=key), fills)
            assert (rebuilt[key].stored, rebuilt[key].stored_trades) == (
                whole,
                frozenset(each.trade for each in closed),
            )
            recorded = fills_after(ledger, bot, 0)
            assert [each.bot_seq for each in recorded] == list(range(1, len(fills) + 1))
            assert {each.fill.exec_id for each in recorded} == {fill.exec_id for fill, _ in fills}
    # and no fenced listener wrote
    assert epoch_falls(ledger) == []


@pytest.mark.parametrize("size", [1, MOST_AT_ONCE + 1])
def test_a_connection_may_end_at_every_step_of_a_batch(breaking: Callable[[], BreakingConnection], size: int) -> None:
    listener = Listener(breaking, {})
    listener.take([MAIN])
    buys = (heard(a_fill(Side.BUY, "1", at=str(100 + n), n=n)) for n in range(1000))
    recorded = 0

    def record(times: int = 1) -> None:
        nonlocal recorded
        for _ in range(times):
            listener.record(list(islice(buys, size)))
            recorded += size

    # given how many steps a batch of a warm recorder has: one for a few fills
    record(times=2)
    listener.connection.break_at(None)
    record()
    steps = listener.connection.steps
    assert (steps == 1) == (size <= MOST_AT_ONCE)
    # when it is refused or the session ended before and after each of them, the last of which commits
    for how in Break:
        for step in range(1, steps + 1):
            record(times=2)
            broken = listener.connection
            broken.break_at(step, how)
            record()
            # then it broke there, and the next batch is folded on what the ledger holds
            assert broken.broken_at is not None
            assert steps == 1 or (broken.broken_at == "commit") == (step == steps)
            (book,) = books_of_account(listener.connection, MAIN)
            assert book.position.quantity == recorded
            assert fills_after(listener.connection, BOT, recorded - 1)[0].bot_seq == recorded
    assert all(each.is_equal for each in rebuild_books(listener.connection, MAIN))


def test_books_are_read_once_and_then_remembered(breaking: Callable[[], BreakingConnection]) -> None:
    listener = Listener(breaking, {})
    listener.take([MAIN])
    steps = []
    for n in range(4):
        listener.connection.break_at(None)
        listener.record([heard(a_fill(Side.BUY, "1", at="100", n=n))])
        steps.append(listener.connection.steps)
    # the first reads books and numbers and makes the month, the second prepares its statement, which stays prepared
    assert steps[0] > steps[1] > steps[2] == steps[3] == 1


def test_books_that_somebody_else_changed_are_read_again(recorder: FillRecorder, writer: Connection) -> None:
    # given a recorder that remembers a book of 1 at 100
    recorder.record([heard(a_fill(Side.BUY, "1", at="100"))])
    # when the book is changed other than by recording, and its account's version with it
    with transaction(writer) as cursor:
        cursor.execute("UPDATE trading.books SET realized_pnl = 7")
        bump_books_versions(cursor, [MAIN])
    # then the next fill is folded on the change
    result = recorder.record([heard(a_fill(Side.BUY, "1", at="100", n=1))])
    assert result.books[BOOK].realized_pnl == Decimal(7)


def test_adopting_a_position_makes_recorders_read_again(
    recorder: FillRecorder, writer: Connection, epochs: Mapping[AccountName, int]
) -> None:
    def version() -> int:
        with transaction(writer) as cursor:
            return lock_heads(cursor, epochs).books_versions[MAIN]

    recorder.record([heard(a_fill(Side.BUY, "1", at="100"))])
    assert version() == 0
    # when a position of another bot is adopted
    other = BotId("bot_002")
    opening = OpeningPosition(
        key=replace(BOOK, bot=other), position=Position(Decimal(-2), Decimal(120)), seq=5, at=START
    )
    assert adopt_positions(writer, [opening], epochs) == [opening]
    assert version() == 1
    # then its fills are folded on it: (120 - 100) * 2 = 40
    (trade,) = recorder.record([heard(a_fill(Side.BUY, "2", at="100", n=6), other)]).trades
    assert trade.gross_pnl == Decimal(40)
    assert all(each.is_equal for each in rebuild_books(writer, MAIN))
    # and adopting what is there already says nothing
    adopt_positions(writer, [opening], epochs)
    assert version() == 1


def test_two_recorders_of_one_epoch_do_not_fold_past_each_other(
    writer: Connection, epochs: Mapping[AccountName, int]
) -> None:
    one, two = (FillRecorder(writer, epochs) for _ in range(2))
    for n in range(6):
        (one, two)[n % 2].record([heard(a_fill(Side.BUY, "1", at="100", n=n))])
    (book,) = books_of_account(writer, MAIN)
    assert book.position.quantity == 6
    assert all(each.is_equal for each in rebuild_books(writer, MAIN))


def test_a_bot_on_two_accounts_is_numbered_without_a_gap(
    writer: Connection, database: Database, epochs: Mapping[AccountName, int]
) -> None:
    # given two listeners that each hold one account of the bot
    second = AccountName("second")
    with closing(connect(database.dsn("ledger_writer"), "other")) as connection:
        other = FillRecorder(connection, {second: take_account(connection, second, "other")})
        own = FillRecorder(writer, epochs)
        for n in range(6):
            fill = a_fill(Side.BUY, "1", at="100", n=n)
            if n % 2:
                own.record([heard(fill)])
            else:
                other.record([heard(fill, account=second)])
    assert [each.bot_seq for each in fills_after(writer, BOT, 0)] == [1, 2, 3, 4, 5, 6]


def test_numbers_taken_by_another_undo_the_transaction_around_the_batch(
    recorder: FillRecorder, writer: Connection, database: Database
) -> None:
    # given a recorder that remembers the bot's number, and another listener that numbers the bot's next fill
    recorder.record([heard(a_fill(Side.BUY, "1", at="100"))])
    second = AccountName("second")
    with closing(connect(database.dsn("ledger_writer"), "other")) as connection:
        other = FillRecorder(connection, {second: take_account(connection, second, "other")})
        other.record([heard(a_fill(Side.BUY, "1", at="100", n=1), account=second)])
    batch = [heard(a_fill(Side.BUY, "1", at="100", n=2))]

    def record_inside_a_transaction() -> None:
        with transaction(writer):
            recorder.record(batch)

    # when it records inside a transaction of somebody else's
    with pytest.raises(LedgerUnavailable, match="repeat the batch"):
        record_inside_a_transaction()
    assert len(fills_after(writer, BOT, 0)) == 2
    # then the repeat is right
    record_inside_a_transaction()
    assert [each.bot_seq for each in fills_after(writer, BOT, 0)] == [1, 2, 3]


def test_inside_a_transaction_that_is_rolled_back_nothing_is_remembered(
    recorder: FillRecorder, writer: Connection, epochs: Mapping[AccountName, int]
) -> None:
    recorder.record([heard(a_fill(Side.BUY, "1", at="100"))])

    def fail_after_recording() -> None:
        with transaction(writer):
            recorder.record([heard(a_fill(Side.BUY, "5", at="100", n=1))])
            raise InvariantViolated("after the fill was recorded")

    with pytest.raises(InvariantViolated):
        fail_after_recording()
    # also when another recorder's fills make up the same number
    FillRecorder(writer, epochs).record([heard(a_fill(Side.BUY, "1", at="100", n=2))])
    result = recorder.record([heard(a_fill(Side.BUY, "1", at="100", n=3))])
    assert (result.books[BOOK].position.quantity, result.recorded[0].bot_seq) == (Decimal(3), 3)


def test_who_waited_for_the_lock_sees_what_was_recorded_meanwhile(
    writer: Connection, database: Database, epochs: Mapping[AccountName, int]
) -> None:
    # given a recorder that has recorded a fill and not committed it yet, and one more that records it under the epoch
    batch = [heard(a_fill(Side.BUY, "1", at="100", n=n)) for n in range(2)]
    with closing(connect(database.dsn("ledger_writer"), "other")) as connection, ThreadPoolExecutor(1) as thread:
        waiting = FillRecorder(connection, epochs)
        waiting.record(batch[:1])
        with transaction(writer):
            FillRecorder(writer, epochs).record(batch)
            result = thread.submit(waiting.record, batch)
            eventually(lambda: waits_for_a_lock(database, connection), what="the second recorder to wait")
        # then that one finds it there
        assert (result.result(60).recorded, result.result().duplicates) == ([], 2)
    assert [each.bot_seq for each in fills_after(writer, BOT, 0)] == [1, 2]


def waits_for_a_lock(database: Database, connection: Connection) -> bool:
    with closing(connect(database.owner, "tests")) as owner, transaction(owner) as cursor:
        cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", (connection.info.backend_pid,))
        ((waits,),) = cursor.fetchall()
    return bool(waits)


# Epochs


def test_a_fill_under_an_older_epoch_than_the_one_before_it_is_found(
    recorder: FillRecorder, writer: Connection, login: Callable[[str], Connection]
) -> None:
    # given fills of two holders, one after the other
    recorder.record([heard(a_fill(Side.BUY, "1", at="100", n=0))])
    epochs = {MAIN: take_account(writer, MAIN, "standby")}
    FillRecorder(writer, epochs).record([heard(a_fill(Side.BUY, "1", at="100", n=n)) for n in (1, 2)])
    assert epoch_falls(writer) == []
    # when the first holder writes all the same, past every lock, and then somebody who knows of no epochs
    with transaction(login("owner")) as cursor:
        for number, epoch in ((4, "epoch - 1"), (5, "epoch"), (6, "NULL")):
            cursor.execute(
                "CREATE TEMP TABLE late AS SELECT * FROM trading.fills WHERE bot_seq = 3;"
                f"UPDATE late SET bot_seq = {number}, exec_id = 'late-{number}', epoch = {epoch};"
                "INSERT INTO trading.fills SELECT * FROM late; DROP TABLE late"
            )
    # then
    assert [(fall.bot_seq, fall.epoch, fall.before) for fall in epoch_falls(writer)] == [(4, 1, 2), (6, None, 2)]
    assert {(fall.account, fall.bot) for fall in epoch_falls(writer)} == {(MAIN, BOT)}


def test_fills_of_before_there_were_epochs_are_in_order(
    recorder: FillRecorder, writer: Connection, login: Callable[[str], Connection]
) -> None:
    recorder.record([heard(a_fill(Side.BUY, "1", at="100", n=0))])
    with transaction(login("owner")) as cursor:
        cursor.execute(
            "CREATE TEMP TABLE old AS SELECT * FROM trading.fills;"
            "UPDATE old SET bot = 'bot_old', epoch = NULL, exec_id = 'old-1';"
            "INSERT INTO trading.fills SELECT * FROM old;"
            "UPDATE old SET bot_seq = 2, epoch = 1, exec_id = 'old-2';"
            "INSERT INTO trading.fills SELECT * FROM old"
        )
    assert epoch_falls(writer) == []
