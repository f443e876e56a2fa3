"""Taking, keeping and losing accounts, against a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from alpha.domain.ids import AccountName
from alpha.ledger.connection import Connection, Dsn, connect, transaction
from alpha.ledger.heads import account_heads, leases, lock_heads, take_account
from alpha.local.drill.network import Link, LinkState, Network
from tests.support import Database, eventually
from websocket_listener.leadership import Leadership, LeadershipHooks

A, B = AccountName("a"), AccountName("b")


class Contender:
    """One process's leadership, and what it was told."""

    def __init__(self, dsn: Dsn, name: str, *accounts: AccountName) -> None:
        self.ready = set(accounts)
        self.writer_busy_for_s = 0.0
        self.held: dict[AccountName, int] = {}
        self.lost: list[AccountName] = []
        self.seen: dict[AccountName, str] = {}
        hooks = LeadershipHooks(
            ready=lambda: list(self.ready),
            writer_busy_for_s=lambda: self.writer_busy_for_s,
            on_taken=self.held.__setitem__,
            on_held_elsewhere=self.seen.__setitem__,
            on_lost=self._lost,
            on_yielded=self._lost,
        )
        self.leadership = Leadership(dsn, name, hooks)
        self.leadership.start()

    def until_holds(self, *accounts: AccountName, within_s: float = 30.0) -> None:
        eventually(lambda: self.held.keys() == set(accounts), within_s, f"{accounts} to be held")

    def _lost(self, account: AccountName) -> None:
        self.lost.append(account)
        self.held.pop(account, None)


@pytest.fixture
def contender(database: Database) -> Iterator[Callable[..., Contender]]:
    started: list[Contender] = []

    def start(name: str, *accounts: AccountName, dsn: Dsn | None = None) -> Contender:
        started.append(Contender(dsn or database.dsn("ledger_writer"), name, *accounts))
        return started[-1]

    yield start
    for each in started:
        each.leadership.stop()


@pytest.fixture
def link(database: Database) -> Iterator[Link]:
    network = Network()
    network.start()
    yield network.link(database.owner.port)
    network.restore()
    network.close()


@pytest.fixture
def reader(database: Database) -> Iterator[Connection]:
    with closing(connect(database.dsn("ledger_writer"), "tests")) as connection:
        yield connection


def test_one_holds_and_the_other_is_told_who(contender: Callable[..., Contender]) -> None:
    first = contender("first", A, B)
    first.until_holds(A, B)
    second = contender("second", A, B)
    eventually(lambda: second.seen == {A: "first", B: "first"}, what="the second to see the first")
    assert second.held == {}
    assert second.leadership.holder_of(A) == "first"
    # a graceful end hands everything over
    first.leadership.stop()
    second.until_holds(A, B)
    assert first.lost == []


def test_an_account_is_taken_only_by_who_could_go_on_with_it(contender: Callable[..., Contender]) -> None:
    deaf, hearing = contender("deaf"), contender("hearing", A)
    hearing.until_holds(A)
    deaf.ready.add(B)
    deaf.leadership.hurry()
    deaf.until_holds(B)


def test_a_lease_is_kept_while_a_batch_lasts_longer_than_it(
    contender: Callable[..., Contender], database: Database, reader: Connection
) -> None:
    first = contender("first", A)
    first.until_holds(A)
    second = contender("second", A)
    with closing(connect(database.dsn("ledger_writer"), "tests")) as writing, transaction(writing) as cursor:
        lock_heads(cursor, first.held)
        eventually(lambda: second.seen, what="the second to look")
        begun = account_heads(reader)[A].lease_until
        eventually(lambda: (account_heads(reader)[A].lease_until - begun).total_seconds() > 1.5, what="renewals")
    assert (second.held, first.lost) == ({}, [])


def test_who_stops_inside_a_transaction_is_ended_and_the_account_taken(
    contender: Callable[..., Contender], database: Database, reader: Connection
) -> None:
    epoch = take_account(reader, A, "stopped", 0.1)
    connection = connect(database.dsn("ledger_writer"), "tests")
    cursor = connection.cursor()
    lock_heads(cursor, {A: epoch})
    standby = contender("standby", A)
    standby.until_holds(A)
    assert standby.held[A] == epoch + 1
    connection.close()


def test_an_account_that_another_takes_is_lost(contender: Callable[..., Contender], reader: Connection) -> None:
    first = contender("first", A, B)
    first.until_holds(A, B)
    take_account(reader, A, "by force", 60)
    eventually(lambda: first.lost == [A], what="the loss")
    eventually(lambda: first.seen == {A: "by force"}, what="the new holder")
    assert first.held.keys() == {B}


def test_a_writer_that_gets_nowhere_loses_the_lease_and_one_that_comes_back_takes_it_again(
    contender: Callable[..., Contender], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("websocket_listener.leadership._STUCK_AFTER_S", 0.2)
    first = contender("first", A)
    first.until_holds(A)
    first.writer_busy_for_s = 60.0
    second = contender("second", A)
    second.until_holds(A)
    # and it is out until its writer gets on
    second.leadership.stop()
    assert first.held.keys() == {A}
    first.writer_busy_for_s = 0.0
    eventually(lambda: first.lost == [A], what="the loss to be noticed")
    first.until_holds(A)


def test_who_does_not_hear_an_account_any_more_lets_another_have_it(
    contender: Callable[..., Contender], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("websocket_listener.leadership._YIELDED_AFTER_S", 0.3)
    first, second = contender("first", A, B), contender("second")
    first.until_holds(A, B)
    second.ready.add(A)
    first.ready.discard(A)
    second.until_holds(A)
    assert first.held.keys() == {B}
    assert first.lost == [A]


def test_after_an_outage_the_holder_keeps_what_it_had(
    contender: Callable[..., Contender], database: Database, link: Link, reader: Connection
) -> None:
    # given two listeners that reach PostgreSQL over the same line, cut for longer than a lease
    dsn = replace(database.dsn("ledger_writer"), host="127.0.0.1", port=link.port)
    first = contender("first", A, dsn=dsn)
    first.until_holds(A)
    second = contender("second", A, dsn=dsn)
    eventually(lambda: second.seen, what="the second to look")
    link.set(LinkState.CUT)
    eventually(lambda: leases(reader, [A])[A].remaining_s == 0, what="the lease to end")
    assert first.leadership.holds(A)
    # when it is back
    link.set(LinkState.OPEN)
    eventually(lambda: leases(reader, [A])[A].remaining_s > 0, what="a lease that runs again")
    # then it is the same holder's
    assert leases(reader, [A])[A].holder == "first"
    assert (first.lost, second.held) == ([], {})


def test_who_alone_is_cut_off_is_followed_and_learns_of_it(
    contender: Callable[..., Contender], database: Database, link: Link
) -> None:
    dsn = replace(database.dsn("ledger_writer"), host="127.0.0.1", port=link.port)
    first = contender("first", A, dsn=dsn)
    first.until_holds(A)
    second = contender("second", A)
    eventually(lambda: second.seen, what="the second to look")
    link.set(LinkState.CUT)
    second.until_holds(A)
    link.set(LinkState.OPEN)
    eventually(lambda: first.lost == [A], what="the loss")
    eventually(lambda: first.seen == {A: "second"}, what="the new holder")
