"""Who may write for an account: leases that are taken, renewed, lost, and taken from who was stopped."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
import pytest

from alpha.domain.ids import AccountName
from alpha.ledger.connection import Connection, Dsn, Fenced, LedgerUnavailable, connect, transaction
from alpha.ledger.heads import (
    Taking,
    account_heads,
    end_blockers,
    leases,
    lock_heads,
    release_leases,
    renew_leases,
    take_account,
    take_expired,
)
from tests.support import Database, eventually

A, B, C = (AccountName(name) for name in "abc")
LONG_S, OVER_S = 60.0, 0.0
Login = Callable[[], Connection]


@pytest.fixture
def listener(database: Database) -> Iterator[Login]:
    """Connections of listeners; closed at the end."""
    opened: list[Connection] = []

    def open_one() -> Connection:
        opened.append(connect(database.dsn("ledger_writer"), "tests"))
        return opened[-1]

    yield open_one
    for connection in opened:
        connection.close()


def test_what_nobody_ever_held_is_taken_all_at_once(listener: Login) -> None:
    assert take_expired(listener(), [A, B, C], "first") == Taking(epochs={A: 1, B: 1, C: 1}, blocked=frozenset())


def test_a_lease_that_runs_is_left_alone_and_one_that_ended_is_taken(listener: Login) -> None:
    first, second = listener(), listener()
    take_expired(first, [A], "first", LONG_S)
    take_expired(first, [B], "first", OVER_S)
    assert take_expired(second, [A, B, C], "second", LONG_S).epochs == {B: 2, C: 1}
    assert {name: head.holder for name, head in account_heads(second).items()} == {
        A: "first",
        B: "second",
        C: "second",
    }
    assert leases(second, [A])[A].remaining_s > LONG_S - 10
    assert leases(second, [A, B]).keys() == {A, B}


def test_an_older_copy_of_the_ledger_takes_accounts_above_what_was_met(listener: Login) -> None:
    first = listener()
    assert take_expired(first, [A, B], "first", OVER_S, above={A: 41}).epochs == {A: 42, B: 1}
    assert take_expired(first, [A, B], "first", OVER_S, above={A: 7, B: 7}).epochs == {A: 43, B: 8}


def test_a_released_lease_is_free_at_once(listener: Login) -> None:
    first, second = listener(), listener()
    held = take_expired(first, [A, B], "first", LONG_S).epochs
    release_leases(first, held)
    assert leases(second, [A])[A].remaining_s == 0
    assert take_expired(second, [A, B], "second").epochs == {A: 2, B: 2}


def test_who_was_fenced_cannot_end_the_lease_of_the_next(listener: Login) -> None:
    first, second = listener(), listener()
    before = take_expired(first, [A], "first", OVER_S).epochs
    take_expired(second, [A], "second", LONG_S)
    release_leases(first, before)
    assert take_expired(first, [A], "first").epochs == {}


def test_one_renewal_extends_what_is_held_and_names_what_is_lost(listener: Login) -> None:
    first, second = listener(), listener()
    held = take_expired(first, [A, B, C], "first", OVER_S).epochs
    take_expired(second, [B], "second", LONG_S)
    assert renew_leases(first, held, LONG_S) == {B}
    # the expired leases that nobody has taken run again
    assert take_expired(second, [A, C], "second").epochs == {}
    assert leases(second, [B])[B].holder == "second"


def test_a_lease_from_before_the_databases_clock_was_set_back_has_ended(listener: Login) -> None:
    first, second = listener(), listener()
    take_expired(first, [A], "first", 3600.0)
    assert leases(second, [A])[A].remaining_s == 0
    assert take_expired(second, [A], "second", LONG_S).epochs == {A: 2}
    assert take_expired(first, [A], "first").epochs == {}


def test_a_lease_is_renewed_while_a_batch_of_the_account_goes_on(listener: Login) -> None:
    writing, renewing = listener(), listener()
    held = take_expired(renewing, [A], "first", OVER_S).epochs
    with transaction(writing) as cursor:
        lock_heads(cursor, held)
        assert renew_leases(renewing, held, LONG_S) == frozenset()
        assert leases(renewing, [A])[A].remaining_s > 0


def test_who_was_stopped_inside_a_transaction_is_ended_and_nobody_else(listener: Login) -> None:
    stopped, standby, bystander = listener(), listener(), listener()
    held = take_expired(stopped, [A, B], "first", OVER_S).epochs
    with transaction(bystander) as elsewhere:
        elsewhere.execute("SELECT count(*) FROM trading.account_head")
        cursor = stopped.cursor()
        lock_heads(cursor, {A: held[A]})
        # the free account does not wait for the blocked one
        assert take_expired(standby, [A, B], "standby") == Taking(epochs={B: 2}, blocked=frozenset({A}))
        assert end_blockers(standby, [A]) == [stopped.info.backend_pid]
        eventually(lambda: take_expired(standby, [A], "standby").epochs == {A: 2}, what="the account")
        with pytest.raises(psycopg2.OperationalError):
            cursor.execute("SELECT 1")
        elsewhere.execute("SELECT 1")
    assert end_blockers(standby, [A, B]) == []


def test_who_was_stopped_in_the_middle_of_a_copy_is_ended(listener: Login) -> None:
    stopped, standby = listener(), listener()
    held = take_expired(stopped, [A], "first", OVER_S).epochs
    copying, ended = threading.Event(), threading.Event()

    class Lines:
        """Gives one line, and then nothing until the end of the test."""

        def __init__(self) -> None:
            self._lines = [b"1\n"]

        def read(self, _: int = -1, /) -> bytes:
            if self._lines:
                return self._lines.pop()
            copying.set()
            ended.wait(120)
            return b""

        readline = read

    def copy() -> None:
        with transaction(stopped) as cursor:
            lock_heads(cursor, held)
            cursor.execute("CREATE TEMP TABLE copied (n int)")
            cursor.copy_expert("COPY copied FROM STDIN", Lines())

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(copy)
        assert copying.wait(30)
        assert take_expired(standby, [A], "standby").blocked == {A}
        assert end_blockers(standby, [A]) == [stopped.info.backend_pid]
        eventually(lambda: take_expired(standby, [A], "standby").epochs == {A: 2}, what="the account")
        ended.set()
        assert isinstance(done.exception(60), LedgerUnavailable)


def test_who_was_stopped_while_taking_is_ended_too(listener: Login) -> None:
    stopped, standby = listener(), listener()
    take_expired(stopped, [A], "first", OVER_S)
    cursor = stopped.cursor()
    cursor.execute("SELECT 1 FROM trading.account_leases FOR UPDATE")
    assert take_expired(standby, [A], "standby").blocked == {A}
    assert end_blockers(standby, [A]) == [stopped.info.backend_pid]
    eventually(lambda: take_expired(standby, [A], "standby").epochs == {A: 2}, what="the account")
    with pytest.raises(psycopg2.OperationalError):
        cursor.execute("SELECT 1")


def test_taking_by_force_waits_for_nobodys_lease(listener: Login) -> None:
    first, second = listener(), listener()
    held = take_expired(first, [A], "first", LONG_S).epochs
    assert take_account(second, A, "second", LONG_S) == 2
    assert renew_leases(first, held) == {A}


@pytest.mark.parametrize("contenders", [2, 3])
def test_however_many_contend_one_epoch_writes_at_a_time(database: Database, contenders: int) -> None:
    # given contenders that forget to renew, hold transactions open, and go on writing under epochs that are gone
    with closing(connect(database.owner, "tests")) as owner, transaction(owner) as cursor:
        cursor.execute("CREATE TABLE trading.written (n bigserial, epoch bigint, holder text)")
        cursor.execute("GRANT INSERT ON trading.written TO alpha_ledger_writer")
        cursor.execute("GRANT USAGE ON SEQUENCE trading.written_n_seq TO alpha_ledger_writer")
    dsn = database.dsn("ledger_writer")
    with ThreadPoolExecutor(contenders) as pool:
        fenced = list(pool.map(lambda n: contend(dsn, f"holder {n}", random.Random(n), turns=150), range(contenders)))
    # then the writes are in the order of the epochs, each epoch is one holder's, and somebody was kept out
    with closing(connect(database.owner, "tests")) as owner, transaction(owner) as cursor:
        cursor.execute("SELECT epoch, holder FROM trading.written ORDER BY n")
        written: list[tuple[int, str]] = cursor.fetchall()
    epochs = [epoch for epoch, _ in written]
    assert epochs == sorted(epochs)
    assert len(set(written)) == len(set(epochs)) > contenders
    assert sum(fenced) > 0


def contend(dsn: Dsn, holder: str, chance: random.Random, *, turns: int) -> int:
    """Takes the account whenever it may, writes, and dawdles; answers how often it was fenced."""
    fenced, epoch = 0, 0
    waiting = threading.Event()
    with closing(connect(dsn, "tests")) as connection:
        for _ in range(turns):
            taken = take_expired(connection, [A], holder, ttl_s=0.01).epochs
            epoch = taken.get(A, epoch)
            if not epoch:
                waiting.wait(0.002)
                continue
            try:
                with transaction(connection) as cursor:
                    lock_heads(cursor, {A: epoch})
                    cursor.execute("INSERT INTO trading.written (epoch, holder) VALUES (%s, %s)", (epoch, holder))
                    waiting.wait(chance.choice([0.0, 0.0, 0.02]))
            except Fenced:
                fenced += 1
                epoch = 0
            waiting.wait(chance.choice([0.0, 0.0, 0.02]))
    return fenced
