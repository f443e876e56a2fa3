"""A fill given to another bot counts as that bot's for its whole past, from one moment on, and stays as recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from alpha.domain.fill import AttributionMethod, ExecType, Fill
from alpha.domain.ids import AccountName, BotId
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.ledger.assignments import (
    Assignment,
    NotAssignable,
    UnknownFill,
    accounts_waiting,
    find_fill,
    insert_assignments,
    outcome_of,
    unattributed_fills,
)
from alpha.ledger.books import books_of_account, trades_of_bot
from alpha.ledger.connection import Connection, LedgerRefused, transaction
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import lock_heads, take_account
from alpha.ledger.reading import fills_after
from tests.integration.accounting.scenes import ONE, TWO, books_version, derived_rows, register, take_up, wish
from tests.integration.ledger.heard import BOOK, MAIN, heard
from tests.unit.domain.fills import a_fill

Epochs = Mapping[AccountName, int]


def positions(connection: Connection) -> dict[BotId, Decimal]:
    return {book.key.bot: book.position.quantity for book in books_of_account(connection, MAIN)}


def test_nobodys_fill_becomes_the_bots_in_the_middle_of_its_past(
    recorder: FillRecorder, writer: Connection, commander: Connection, epochs: Epochs
) -> None:
    # given 2 bought at 100 and 3 sold at 120 by a bot, and between them 1 bought at 106 that nobody owns
    bought, nobodys, sold = (
        a_fill(Side.BUY, "2", at="100", n=0),
        a_fill(Side.BUY, "1", at="106", n=1, fee="0.5"),
        a_fill(Side.SELL, "3", at="120", n=2),
    )
    recorder.record([heard(bought), heard(nobodys, None), heard(sold)])
    assert positions(writer) == {ONE: Decimal(-1)}
    assert [each.fill for each in unattributed_fills(writer)] == [nobodys]
    version = books_version(writer, MAIN)
    # when a person says whose it is
    number = wish(commander, "exec-1", ONE, reason=Reason.MANUAL)
    assert accounts_waiting(writer, [MAIN]) == {MAIN}
    assert outcome_of(writer, number) is None
    assert positions(writer) == {ONE: Decimal(-1)}
    (outcome,) = take_up(writer, epochs)
    # then the round trip is flat again: 3 * 120 - (2 * 100 + 1 * 106) = 54, less 0.5
    (trade,) = trades_of_bot(writer, ONE)
    assert (trade.gross_pnl, trade.net_pnl, trade.quantity) == (Decimal(54), Decimal("53.5"), Decimal(3))
    assert positions(writer) == {ONE: Decimal(0)}
    assert (outcome.done, outcome.before, outcome.bot) == (True, None, ONE)
    assert outcome_of(commander, number) == outcome
    assert accounts_waiting(writer, [MAIN]) == set()
    assert unattributed_fills(writer) == []
    # and whoever keeps the books in memory is told to read them again, the recorder too
    assert books_version(writer, MAIN) > version
    late = recorder.record([heard(a_fill(Side.BUY, "1", at="90", n=3))])
    assert late.books[BOOK].position.quantity == 1
    # and the fill counts as assigned, while it stays as it was recorded, outside of the bot's stream
    counted = find_fill(writer, "exec-1")
    assert (counted.attribution.method, counted.attribution.reason) == (AttributionMethod.ASSIGNED, Reason.MANUAL)
    assert counted.bot_seq is None
    with transaction(writer) as cursor:
        cursor.execute("SELECT bot, attribution FROM trading.fills WHERE exec_id = 'exec-1'")
        assert cursor.fetchall() == [(None, "unattributed")]
    assert [each.fill.exec_id for each in fills_after(writer, ONE, 0)] == ["exec-0", "exec-2", "exec-3"]


def test_both_books_are_folded_again(
    recorder: FillRecorder, writer: Connection, commander: Connection, epochs: Epochs
) -> None:
    # given two bots: one made 10 and then 20, the other holds 1
    fills = [
        a_fill(Side.BUY, "1", at="100", n=0),
        a_fill(Side.SELL, "1", at="110", n=1),
        a_fill(Side.BUY, "1", at="100", n=2),
        a_fill(Side.SELL, "1", at="120", n=3),
    ]
    recorder.record([*map(heard, fills), heard(a_fill(Side.BUY, "1", at="90", n=4), TWO)])
    # when the second sale was the other's
    wish(commander, "exec-3", TWO)
    take_up(writer, epochs)
    # then the first bot is long of 1 with its first round trip, and the second sold at 120 what it bought at 90 later
    assert positions(writer) == {ONE: Decimal(1), TWO: Decimal(0)}
    assert [trade.gross_pnl for trade in trades_of_bot(writer, ONE)] == [Decimal(10)]
    (trade,) = trades_of_bot(writer, TWO)
    assert (trade.gross_pnl, trade.direction.value) == (Decimal(30), "short")
    # and given back, everything is as if nothing had been
    before_all = derived_rows(writer, MAIN)
    wish(commander, "exec-3", ONE)
    take_up(writer, epochs)
    assert positions(writer) == {ONE: Decimal(0), TWO: Decimal(1)}
    assert [trade.gross_pnl for trade in trades_of_bot(writer, ONE)] == [Decimal(20), Decimal(10)]
    wish(commander, "exec-3", TWO)
    take_up(writer, epochs)
    assert derived_rows(writer, MAIN) == before_all


def test_funding_can_be_given_too(
    recorder: FillRecorder, writer: Connection, commander: Connection, epochs: Epochs
) -> None:
    paid = a_fill(Side.BUY, "1", at="100", n=1, fee="0.3", exec_type=ExecType.FUNDING)
    recorder.record([heard(a_fill(Side.BUY, "1", at="100")), heard(paid, None, reason=Reason.FUNDING)])
    wish(commander, "exec-1", ONE)
    take_up(writer, epochs)
    (book,) = books_of_account(writer, MAIN)
    assert (book.position.quantity, book.funding, book.fees) == (Decimal(1), Decimal("-0.3"), Decimal(0))


def test_several_at_once_are_taken_up_in_order(
    recorder: FillRecorder, writer: Connection, commander: Connection, epochs: Epochs
) -> None:
    recorder.record([heard(a_fill(Side.BUY, "1", at="100", n=n), None) for n in range(3)])
    for exec_id, bot in (("exec-2", ONE), ("exec-0", TWO), ("exec-1", ONE)):
        wish(commander, exec_id, bot)
    # one changes its mind before anybody has looked
    fill = find_fill(commander, "exec-2")
    with transaction(commander) as cursor:
        insert_assignments(
            cursor, [Assignment(fill=fill, bot=TWO, reason=Reason.ENTRY, by="trader", why="I meant the other")]
        )
    outcomes = take_up(writer, epochs)
    assert [(outcome.exec_id, outcome.before, outcome.bot) for outcome in outcomes] == [
        ("exec-2", None, ONE),
        ("exec-0", None, TWO),
        ("exec-1", None, ONE),
        ("exec-2", ONE, TWO),
    ]
    assert positions(writer) == {ONE: Decimal(1), TWO: Decimal(2)}
    assert take_up(writer, epochs) == []


ELSEWHERE = BotId("elsewhere_001")


@pytest.mark.parametrize(
    ("bot", "change", "said"),
    [
        (BotId("nobody_001"), lambda fill: fill, "no bot nobody_001 was ever registered"),
        (ELSEWHERE, lambda fill: fill, "trades on account other, and the fill is one of account main"),
        (ONE, lambda fill: replace(fill, category="spot"), "trades category linear, and the fill is of category spot"),
        (ONE, lambda fill: replace(fill, fee_currency="MNT"), "fee is in MNT, and the books of BTCUSDT are in USDT"),
    ],
)
def test_what_no_book_of_the_bot_can_take_is_refused(
    recorder: FillRecorder,
    writer: Connection,
    commander: Connection,
    epochs: Epochs,
    bot: BotId,
    change: Callable[[Fill], Fill],
    said: str,
) -> None:
    register(writer, AccountName("other"), ELSEWHERE, code="els")
    recorder.record([heard(change(a_fill(Side.BUY, "1", at="100")), None)])
    with pytest.raises(NotAssignable, match=said):
        wish(commander, "exec-0", bot)
    # nor does the listener take it up when somebody writes the row all the same
    fill = find_fill(commander, "exec-0")
    with transaction(commander) as cursor:
        insert_assignments(cursor, [Assignment(fill=fill, bot=bot, reason=Reason.ENTRY, by="x", why="y")])
    (outcome,) = take_up(writer, epochs)
    assert not outcome.done
    assert said in outcome.detail
    assert books_of_account(writer, MAIN) == []
    assert len(unattributed_fills(writer)) == 1


def test_a_fill_that_is_the_bots_already_or_not_there_is_said(recorder: FillRecorder, commander: Connection) -> None:
    recorder.record([heard(a_fill(Side.BUY, "1", at="100"))])
    with pytest.raises(NotAssignable, match="already"):
        wish(commander, "exec-0", ONE)
    with pytest.raises(UnknownFill, match="holds no execution exec-9"):
        wish(commander, "exec-9", ONE)


def test_an_id_on_two_accounts_has_to_be_told_apart(writer: Connection, epochs: Epochs) -> None:
    other = AccountName("other")
    both = FillRecorder(writer, {**epochs, other: take_account(writer, other, "tests")})
    fill = a_fill(Side.BUY, "1", at="100")
    both.record([heard(fill, None), heard(fill, None, account=other)])
    with pytest.raises(UnknownFill, match=r"several fills are named exec-0 .*--account"):
        find_fill(writer, "exec-0")
    assert find_fill(writer, "exec-0", account=other).fill.account == other


def test_who_does_not_hold_the_account_takes_up_nothing(
    recorder: FillRecorder, writer: Connection, commander: Connection, epochs: Epochs
) -> None:
    recorder.record([heard(a_fill(Side.BUY, "1", at="100"), None)])
    wish(commander, "exec-0", ONE)
    with pytest.raises(LedgerRefused, match="another listener"), transaction(writer) as cursor:
        lock_heads(cursor, {MAIN: epochs[MAIN] + 1})
    with pytest.raises(LedgerRefused, match="permission denied"):
        take_up(commander, epochs)
    assert positions(writer) == {}


def test_what_happened_to_it_is_in_the_audit_trail(recorder: FillRecorder, commander: Connection) -> None:
    recorder.record([heard(a_fill(Side.BUY, "1", at="100"), None)])
    number = wish(commander, "exec-0", ONE)
    with transaction(commander) as cursor:
        cursor.execute("SELECT actor, action, subject, why, detail FROM trading.audit_events")
        ((actor, action, subject, why, detail),) = cursor.fetchall()
    assert (actor, action, subject, why) == ("trader", "assign_fill", "exec-0", "it was this bot's order")
    assert (detail["assignment"], detail["from"], detail["to"]) == (number, None, ONE)


def test_a_repeat_of_an_assigned_fill_changes_nothing(
    recorder: FillRecorder, writer: Connection, commander: Connection, epochs: Epochs
) -> None:
    fill = a_fill(Side.BUY, "1", at="100")
    recorder.record([heard(fill)])
    wish(commander, "exec-0", TWO)
    take_up(writer, epochs)
    again = recorder.record([heard(fill)])
    assert (again.recorded, again.duplicates) == ([], 1)
    # and a late fill of either bot folds without it and with it
    recorder.record([heard(a_fill(Side.SELL, "1", at="110", n=5))])
    recorder.record([heard(a_fill(Side.BUY, "2", at="100", exec_id="late", n=0))])
    recorder.record([heard(a_fill(Side.SELL, "1", at="110", n=6), TWO)])
    assert positions(writer) == {ONE: Decimal(1), TWO: Decimal(0)}
