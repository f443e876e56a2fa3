"""A fill whose order tells only afterwards whose it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from decimal import Decimal

import pytest

from alpha.domain.fill import AttributionMethod
from alpha.domain.ids import AccountName, BotId, OrderId, Symbol
from alpha.domain.order import Order, OrderStatus
from alpha.domain.order_link_id import OrderLinkId
from alpha.domain.reason import Reason
from alpha.ledger.assignments import accounts_waiting, find_fill, unattributed_fills
from alpha.ledger.books import books_of_account
from alpha.ledger.connection import Connection, connect
from alpha.ledger.heads import take_account
from tests.integration.accounting.scenes import TWO, register, take_up
from tests.integration.listener.heard import WritingListener, heard
from tests.support import Database, eventually
from tests.unit.domain.fills import MAIN, START
from tests.unit.listener.accounts import an_order, shared

FOREIGN = Symbol("XRPUSDT")
"""No bot of the account trades it by its configuration."""


@pytest.fixture
def ledger(database: Database) -> Iterator[Connection]:
    with closing(connect(database.dsn("ledger_writer"), "tests")) as connection:
        register(connection, MAIN)
        yield connection


@pytest.fixture
def epochs(ledger: Connection) -> Mapping[AccountName, int]:
    return {MAIN: take_account(ledger, MAIN, "tests")}


def a_listener(database: Database, epochs: Mapping[AccountName, int]) -> WritingListener:
    """A running writer that holds the account."""
    listener = WritingListener(database.dsn("ledger_writer"))
    listener.writer.start()
    listener.writer.add_account(shared(), epochs[MAIN], [])
    return listener


def the_order(bot: BotId = TWO) -> Order:
    tag = OrderLinkId.for_decision(code="b2", bot=bot, run="r", symbol=FOREIGN, bar=START, reason=Reason.TIME_EXIT)
    return an_order("order-1", OrderStatus.FILLED, link_id=str(tag), symbol=FOREIGN)


def test_the_order_that_comes_after_its_fill_makes_it_the_bots(
    database: Database, ledger: Connection, epochs: Mapping[AccountName, int]
) -> None:
    listener = a_listener(database, epochs)
    try:
        # given a fill without a tag, of an order that nobody has heard of
        submission = listener.writer.record([heard(1, symbol=FOREIGN, order_id=OrderId("order-1"))])
        assert submission is not None
        assert submission.done.wait(30)
        assert [each.fill.exec_id for each in unattributed_fills(ledger)] == ["exec-1"]
        # when its order is reported, twice
        listener.writer.save_orders([(the_order(), TWO)])
        eventually(lambda: accounts_waiting(ledger, [MAIN]), what="the correction")
        listener.writer.save_orders([(the_order(), TWO)])
        eventually(lambda: listener.writer.waiting == 0, what="the second report")
    finally:
        listener.writer.stop(1.0)
    # then it is that bot's, once, for the reason in the tag
    (outcome,) = take_up(ledger, epochs)
    assert (outcome.done, outcome.before, outcome.bot, outcome.by) == (True, None, TWO, "listener")
    assert "came after it and carries the tag" in outcome.why
    found = find_fill(ledger, "exec-1").attribution
    assert (found.bot, found.reason, found.method) == (TWO, Reason.TIME_EXIT, AttributionMethod.ASSIGNED)
    assert {book.key.bot: book.position.quantity for book in books_of_account(ledger, MAIN)} == {TWO: Decimal(1)}


def test_a_listener_that_starts_in_between_knows_the_fill(
    database: Database, ledger: Connection, epochs: Mapping[AccountName, int]
) -> None:
    first = a_listener(database, epochs)
    submission = first.writer.record([heard(1, symbol=FOREIGN, order_id=OrderId("order-1"))])
    assert submission is not None
    assert submission.done.wait(30)
    first.writer.stop(1.0)
    second = a_listener(database, epochs)
    try:
        # its first look at the ledger comes with its first turn
        eventually(lambda: second.writer.knows_past_of(MAIN), what="the first turn")
        second.writer.save_orders([(the_order(), TWO)])
        eventually(lambda: accounts_waiting(ledger, [MAIN]), what="the correction")
    finally:
        second.writer.stop(1.0)


def test_what_no_book_can_take_is_recorded_as_nobodys(
    database: Database, ledger: Connection, epochs: Mapping[AccountName, int]
) -> None:
    listener = a_listener(database, epochs)
    try:
        # given a spot order of a person, of the same symbol that a bot trades, and a fee in an unknown currency
        submission = listener.writer.record(
            [heard(1, category="spot", fee_currency="BTC"), heard(2, fee_currency="XYZ"), heard(3)]
        )
        assert submission is not None
        assert submission.done.wait(30)
    finally:
        listener.writer.stop(1.0)
    # then both are in the ledger, and in no book
    assert [each.fill.exec_id for each in unattributed_fills(ledger)] == ["exec-1", "exec-2"]
    assert [book.fill_count for book in books_of_account(ledger, MAIN)] == [1]
