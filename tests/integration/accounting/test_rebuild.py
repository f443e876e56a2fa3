"""Books and round trips are the same whichever way the fills came: one after the other, late, or all at once."""

from __future__ import annotations

import itertools
import random
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alpha.domain.ids import AccountName, BotId
from alpha.domain.position import Position
from alpha.domain.side import Side
from alpha.domain.trade import BookKey
from alpha.ledger import rebuild
from alpha.ledger.assignments import NotAssignable
from alpha.ledger.batch_rows import TRADE_ROW
from alpha.ledger.connection import Connection, transaction
from alpha.ledger.drift import DriftKind, open_drift
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import take_account
from alpha.ledger.opening_positions import OpeningPosition, adopt_positions
from alpha.ledger.rebuild import rebuild_account
from alpha.ledger.refolded_book import FillText, RefoldedBooks, StoredText
from tests.integration.accounting.scenes import (
    a_history,
    books_version,
    derived_rows,
    register,
    take_up,
    wish,
)
from tests.integration.ledger.heard import BOOK, BOT, MAIN, heard
from tests.unit.domain.fills import BTCUSDT, START, a_fill

_numbers = itertools.count()


def _twice(begun: str) -> str:
    """The first round trip once more, begun at another time: whichever is read first, the right one stays."""
    columns = ", ".join(TRADE_ROW)
    values = columns.replace("opened_at", f"opened_at + interval '{begun}'")
    return f"INSERT INTO trading.trades ({columns}) SELECT {values} FROM trading.trades WHERE first_exec_id = 'exec-0'"


@pytest.fixture(autouse=True)
def _few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that these short histories, too, are read in many stretches."""
    monkeypatch.setattr(rebuild, "_AT_ONCE", 3)


@given(seed=st.integers(min_value=0, max_value=2**32), length=st.integers(min_value=1, max_value=60))
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_rebuild_gives_the_very_rows_that_were_kept_up_to_date(
    writer: Connection, commander: Connection, owner: Connection, seed: int, length: int
) -> None:
    # given an account per example, one bot of which held a position before us in some
    chance = random.Random(seed)
    number = next(_numbers)
    account = AccountName(f"account-{number}")
    bots = [BotId(f"{account}-{name}") for name in "ab"]
    register(writer, account, *bots, code=f"t{number}x")
    epochs = {account: take_account(writer, account, "tests")}
    if chance.random() < 0.5:
        key = BookKey(bot=bots[0], account=account, symbol=BTCUSDT)
        held = Position(Decimal(chance.choice([-3, 2])) / 1000, Decimal(90_000))
        adopt_positions(writer, [OpeningPosition(key=key, position=held, seq=chance.randint(0, 3), at=START)], epochs)
    # when the fills come in any order, in batches of any size, some twice, and some are given to another bot in between
    history = a_history(chance, account, [*bots, None], length)
    arriving = [*history, *chance.choices(history, k=5)]
    chance.shuffle(arriving)
    recorder = FillRecorder(writer, epochs)
    recorded: set[str] = set()
    while arriving:
        batch, arriving = arriving[: (size := chance.randint(1, 12))], arriving[size:]
        recorder.record(batch)
        recorded.update(each.fill.exec_id for each in batch)
        if chance.random() < 0.4:
            exec_id, bot = chance.choice(sorted(recorded)), chance.choice(bots)
            with suppress(NotAssignable):  # it is that bot's already
                wish(commander, exec_id, bot)
                assert all(outcome.done for outcome in take_up(writer, epochs))
    # then everything folded at once is the same, to the last digit
    kept = derived_rows(owner, account)
    compared = rebuild_account(writer, account, mend=False)
    assert compared.differing == ()
    # and so is what is written where there is nothing
    with transaction(owner) as cursor:
        cursor.execute("DELETE FROM trading.trades WHERE account = %s", (account,))
        cursor.execute("DELETE FROM trading.books WHERE account = %s", (account,))
    rebuild_account(writer, account)
    assert derived_rows(owner, account) == kept


@pytest.mark.parametrize(
    ("spoil", "missing", "extra", "changed"),
    [
        ("UPDATE trading.trades SET fees = fees + 0.01 WHERE first_exec_id = 'exec-0'", 0, 0, 1),
        ("UPDATE trading.trades SET book_fees = 7 WHERE first_exec_id = 'exec-0'", 0, 0, 1),
        ("DELETE FROM trading.trades WHERE first_exec_id = 'exec-0'", 1, 0, 0),
        ("UPDATE trading.trades SET first_exec_id = 'nobody' WHERE first_exec_id = 'exec-0'", 1, 1, 0),
        ("UPDATE trading.trades SET opened_at = opened_at - interval '1 h' WHERE first_exec_id = 'exec-0'", 0, 0, 1),
        (_twice("1 h"), 0, 1, 0),
        (_twice("-1 h"), 0, 1, 0),
        ("UPDATE trading.books SET realized_pnl = 1", 0, 0, 0),
        ("DELETE FROM trading.books", 0, 0, 0),
    ],
)
@pytest.mark.parametrize("held", [False, True], ids=["nobody-records", "a-listener-records"])
def test_what_is_not_as_the_fills_make_it_is_named_and_mended(
    recorder: FillRecorder,
    writer: Connection,
    owner: Connection,
    spoil: str,
    missing: int,
    extra: int,
    changed: int,
    held: bool,
) -> None:
    # given two round trips and an open position
    fills = [
        a_fill(side, "1", at="100", n=n, fee="0.1") for n, side in enumerate([Side.BUY, Side.SELL] * 2 + [Side.BUY])
    ]
    if held:
        take_account(owner, MAIN, "a listener")
        with transaction(owner) as cursor:
            cursor.execute("UPDATE trading.account_head SET epoch = 1")
    recorder.record([heard(fill) for fill in fills])
    before, version = derived_rows(owner, MAIN), books_version(owner, MAIN)
    # when somebody's hand was in the tables
    with transaction(owner) as cursor:
        cursor.execute(spoil)
    # then looking changes nothing
    (difference,) = rebuild_account(writer, MAIN, mend=False).differing
    assert (difference.key, difference.missing, difference.extra, difference.changed) == (BOOK, missing, extra, changed)
    assert derived_rows(owner, MAIN) != before
    # and mending brings back what was, and says so to whoever keeps books in memory
    assert len(rebuild_account(writer, MAIN).differing) == 1
    assert derived_rows(owner, MAIN) == before
    assert books_version(owner, MAIN) > version
    assert rebuild_account(writer, MAIN).differing == ()


def test_a_rebuild_of_what_is_right_writes_nothing(recorder: FillRecorder, writer: Connection) -> None:
    recorder.record([heard(a_fill(Side.BUY, "1", at="100")), heard(a_fill(Side.SELL, "1", at="110", n=1))])
    version = books_version(writer, MAIN)
    told: list[tuple[BookKey, int]] = []
    done = rebuild_account(writer, MAIN, on_book=lambda key, fills: told.append((key, fills)))
    assert (done.fills, done.books, done.trades, done.differing) == (2, 1, 1, ())
    assert told == [(BOOK, 2)]
    assert books_version(writer, MAIN) == version


def test_no_more_fills_are_held_at_once_wherever_in_time_they_lie(
    recorder: FillRecorder, writer: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a fill of two years ago, round trips of a few milliseconds, and one more a year later
    days = [-730, *([0] * 40), 365]
    fills = [a_fill(Side.SELL if n % 2 else Side.BUY, "1", at="100", n=n) for n in range(len(days))]
    fills = [
        replace(fill, exec_time=START + timedelta(days=day, milliseconds=n // 2))
        for n, (fill, day) in enumerate(zip(fills, days, strict=True))
    ]
    recorder.record([heard(fill) for fill in fills])
    held: list[int] = []
    take = RefoldedBooks.take_stretch

    def counted(books: RefoldedBooks, taken: list[FillText], stored: list[StoredText]) -> None:
        held.append(len(taken))
        take(books, taken, stored)

    monkeypatch.setattr(RefoldedBooks, "take_stretch", counted)
    # when they are folded, three at once
    assert rebuild_account(writer, MAIN).differing == ()
    # then no stretch has more than these and those of its first millisecond
    assert sum(held) == len(fills)
    assert max(held) <= 3 + 2


def test_a_round_trip_of_no_fills_and_no_book_is_found(
    recorder: FillRecorder, writer: Connection, owner: Connection
) -> None:
    recorder.record([heard(a_fill(Side.BUY, "1", at="100")), heard(a_fill(Side.SELL, "1", at="110", n=1))])
    before = derived_rows(owner, MAIN)
    with transaction(owner) as cursor:
        cursor.execute("UPDATE trading.trades SET bot = 'bot_009'")
    assert [(each.missing, each.extra) for each in rebuild_account(writer, MAIN).differing] == [(1, 0), (0, 1)]
    assert derived_rows(owner, MAIN) == before


def test_zeros_at_the_end_of_an_amount_are_no_difference(
    recorder: FillRecorder, writer: Connection, owner: Connection
) -> None:
    recorder.record([heard(a_fill(Side.BUY, "1", at="100")), heard(a_fill(Side.SELL, "1", at="110", n=1))])
    with transaction(owner) as cursor:
        cursor.execute("UPDATE trading.trades SET fees = 0.000, entry_price = 100.00")
        cursor.execute("UPDATE trading.books SET realized_pnl = 10.0")
    assert rebuild_account(writer, MAIN).differing == ()


def test_an_id_with_what_copy_takes_for_its_own_is_read_back(recorder: FillRecorder, writer: Connection) -> None:
    odd = "tab\tback\\slash\nline"
    recorder.record([heard(a_fill(Side.BUY, "1", at="100", exec_id=odd)), heard(a_fill(Side.SELL, "1", at="1", n=1))])
    assert rebuild_account(writer, MAIN).differing == ()


def test_a_trade_that_closes_more_than_is_open_is_named(recorder: FillRecorder, writer: Connection) -> None:
    # given 1 bought by us, and a sale of which the exchange says that it closed 2: a purchase is missing before it
    bought, sold = a_fill(Side.BUY, "1", at="100"), a_fill(Side.SELL, "2", at="110", n=1)
    recorder.record([heard(bought), heard(replace(sold, closed_quantity=Decimal(2)))])
    # then our book is flipped, and a rebuild names the fill
    done = rebuild_account(writer, MAIN)
    (found,) = done.closings[BOOK]
    assert (found.exec_id, found.held, found.said, found.folded) == ("exec-1", Decimal(1), Decimal(2), Decimal(1))
    (drift,) = open_drift(writer)
    assert (drift.finding.kind, drift.finding.subject, drift.finding.bot) == (DriftKind.CLOSED_QUANTITY, "exec-1", BOT)
    assert not drift.blocks
    # and names it no more once the purchase has come late
    recorder.record([heard(a_fill(Side.BUY, "1", at="100", exec_id="late"))])
    assert rebuild_account(writer, MAIN).closings == {}
    assert open_drift(writer) == []
