"""One of two copies trades; the other begins when the first ends or is gone for longer than its lease."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from alpha.bot.lease import TTL_S, Lease, lease_name
from alpha.bot.ledger_link import LedgerLink
from alpha.domain.ids import BotId
from alpha.ledger.connection import LedgerUnavailable, connect, transaction
from tests.support import Database, eventually

BOT = BotId("canary_001")


class Clock:
    """The monotonic clock of a copy."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def link(database: Database) -> Iterator[LedgerLink]:
    made = LedgerLink(database.dsn("bot"), "test", pooled=False)
    yield made
    made.close()


@pytest.fixture
def other_link(database: Database) -> Iterator[LedgerLink]:
    made = LedgerLink(database.dsn("bot"), "test-2", pooled=False)
    yield made
    made.close()


def expire(database: Database) -> None:
    """As if the holder had been gone for the whole lease."""
    connection = connect(database.dsn("bot"), "test")
    try:
        with transaction(connection) as cursor:
            cursor.execute(
                "UPDATE trading.leases SET expires_at = clock_timestamp() WHERE name = %s", (lease_name(BOT),)
            )
    finally:
        connection.close()


def test_a_second_copy_waits_until_the_first_gives_the_lease_back(link: LedgerLink, other_link: LedgerLink):
    first, second = Lease(link, BOT, "first"), Lease(other_link, BOT, "second")
    assert (first.take(), second.take()) == (True, False)
    assert (first.is_held(), second.is_held()) == (True, False)
    first.give_back()
    assert (first.is_held(), second.take()) == (False, True)


def test_a_lease_that_ran_out_can_be_taken(link: LedgerLink, other_link: LedgerLink, database: Database):
    first, second = Lease(link, BOT, "first"), Lease(other_link, BOT, "second")
    assert first.take()
    expire(database)
    assert second.take()


def test_a_holder_stops_relying_on_it_before_another_may_begin(link: LedgerLink):
    clock = Clock()
    lease = Lease(link, BOT, "first", clock=clock)
    assert lease.take()
    clock.now += TTL_S - 2.1
    assert lease.is_held()
    clock.now += 0.2
    assert not lease.is_held()


def test_a_holder_that_finds_another_one_in_its_place_says_lost(
    link: LedgerLink, other_link: LedgerLink, database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("alpha.bot.lease.RENEW_EVERY_S", 0.05)
    first, second = Lease(link, BOT, "first"), Lease(other_link, BOT, "second")
    assert first.take()
    expire(database)
    assert second.take()
    first.keep()
    eventually(lambda: first.is_lost, what="the first copy notices")
    assert not first.is_held()
    first.give_back()
    assert second.take()


def test_a_lease_of_another_bot_is_another_lease(link: LedgerLink):
    assert Lease(link, BOT, "first").take()
    assert Lease(link, BotId("canary_002"), "second").take()


def test_a_ledger_that_is_away_is_asked_once_a_second(database: Database):
    link = LedgerLink(replace(database.dsn("bot"), port=1), "test", pooled=False)
    with pytest.raises(LedgerUnavailable, match="does not let"):
        Lease(link, BOT, "first").take()
    with pytest.raises(LedgerUnavailable, match="was away a moment ago"):
        Lease(link, BOT, "first").take()


def test_a_link_goes_on_after_its_connection_was_cut(link: LedgerLink, database: Database):
    lease = Lease(link, BOT, "first")
    assert lease.take()
    owner = connect(database.owner, "test")
    try:
        with transaction(owner) as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'"
                " AND pid <> pg_backend_pid()"
            )
    finally:
        owner.close()
    assert lease.take()
