"""Everything of a scope is closed and proven so, whatever fails meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpha.config.errors import ConfigError
from alpha.domain.errors import InvalidValue
from alpha.domain.ids import AccountName, OrderId, Symbol
from alpha.domain.order_link_id import OrderLinkId
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.exchange.new_order import CancelKind
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.connection import LedgerUnavailable, connect, transaction
from alpha.ledger.controls import PLATFORM, DesiredState, HeldByKill, bot_scope, load_controls, set_control
from alpha.ledger.kills import Kill, KillKind, NotKilled, find_kill, hold
from alpha.live.controls import freezes
from telegram_manager.commanding.desk import Desk
from telegram_manager.commanding.exchange_pool import ClientFactory
from telegram_manager.commanding.keeper import Keeper
from telegram_manager.commanding.kill_journal import Entry, KillJournal
from telegram_manager.commanding.kill_run import KillReport
from telegram_manager.commanding.killing import begin, flatten, kill, unkill
from telegram_manager.commanding.pausing import pause, resume
from telegram_manager.commanding.reach import NoSuchScope
from telegram_manager.commanding.starting import restart_bot, start_bot
from tests.exchange_process import PROJECT_ROOT
from tests.integration.commanding.scene import (
    BTC,
    CANARY,
    CANARY_1,
    CANARY_2,
    ETH,
    SHORTSELLER,
    SHORTSELLER_1,
    SOL,
    Scene,
)
from tests.support import Database, eventually, free_port

CHANGES = ["/v5/order/cancel-all", "/v5/order/cancel", "/v5/order/create"]
READS = ["/v5/order/realtime", "/v5/position/list"]
NOTHING_IS_PLACED = {
    "kind": "rest_error",
    "answer": "10016",
    "took_effect": False,
    "paths": ["/v5/order/create"],
    "for_s": 600,
}


def trade_everywhere(scene: Scene) -> None:
    """Positions in both directions under stops, resting entries, and a resting exit."""
    scene.holds(SHORTSELLER, BTC, "-0.02")
    scene.holds(SHORTSELLER, ETH, "0.5")
    scene.holds(CANARY, BTC, "0.01")
    scene.holds(CANARY, SOL, "-3", stop=False)
    scene.rests(SHORTSELLER, BTC, Side.SELL, "0.01", "ss")
    scene.rests(SHORTSELLER, ETH, Side.SELL, "0.5", "ss", Reason.TAKE_PROFIT)
    scene.rests(CANARY, ETH, Side.BUY, "0.1", "cn2")


def assert_proven(report: KillReport) -> None:
    """With the evidence that the report shows."""
    assert report.proven, report
    for account in report.accounts:
        assert (account.proven, account.orders_left, account.positions_left) == (True, 0, ())
        assert account.last_change_at is not None
        assert account.reading_at is not None
        assert account.reading_at >= account.last_change_at
        assert account.first_cancel_s is not None


def keeping(keeper: Keeper, check: Callable[[], bool]) -> Callable[[], bool]:
    """The check, with a turn of the keeper before each try."""

    def turn_and_check() -> bool:
        keeper.turn()
        return check()

    return turn_and_check


def test_a_kill_of_everything_is_proven_by_a_reading_after_its_last_change(scene: Scene) -> None:
    trade_everywhere(scene)
    desk = scene.desk()
    report = kill(desk, "all", by="tester", why="test")
    assert_proven(report)
    assert scene.is_flat(SHORTSELLER)
    assert scene.is_flat(CANARY)
    closes = {(account.account, close.symbol): close for account in report.accounts for close in account.closes}
    assert {name: (close.side, close.quantity) for name, close in closes.items()} == {
        (SHORTSELLER, BTC): (Side.BUY, Decimal("0.02")),
        (SHORTSELLER, ETH): (Side.SELL, Decimal("0.5")),
        (CANARY, BTC): (Side.SELL, Decimal("0.01")),
        (CANARY, SOL): (Side.BUY, Decimal("3")),
    }
    # what bots hold is closed under their tags, what nobody owns under a foreign one
    links = {name: OrderLinkId.parse(close.order_link_id) for name, close in closes.items()}
    assert {name: None if link is None else (link.code, link.reason) for name, link in links.items()} == {
        (SHORTSELLER, BTC): ("ss", Reason.FLATTEN),
        (SHORTSELLER, ETH): ("ss", Reason.FLATTEN),
        (CANARY, BTC): ("cn1", Reason.FLATTEN),
        (CANARY, SOL): None,
    }


def test_a_kill_is_written_and_nothing_runs_or_trades_behind_it_until_it_is_lifted(scene: Scene) -> None:
    desk = scene.desk()
    with desk.ledger() as connection:
        set_control(connection, PLATFORM, by="tester", why="before", entries_allowed=False)
    report = kill(desk, "all", by="tester", why="test")
    assert (report.frozen, report.written, report.kept) == (True, True, True)
    with desk.ledger() as connection:
        control = load_controls(connection)[PLATFORM]
        assert (control.entries_allowed, control.desired_state) == (False, DesiredState.STOPPED)
        assert control.kill == report.kill.id
        for forbidden in ({"entries_allowed": True}, {"desired_state": DesiredState.RUNNING}, {"restart": True}):
            with pytest.raises(HeldByKill):
                set_control(connection, PLATFORM, by="somebody", why="anyway", **forbidden)
        stored = find_kill(connection, report.kill.id)
    assert stored is not None
    assert stored.proven_at is not None
    assert [account["orders_left"] for account in stored.evidence["accounts"]] == [0, 0]
    # lifted, it is as it was before
    lifted = unkill(desk, "all", by="tester", why="over")
    assert (lifted.control.entries_allowed, lifted.control.desired_state) == (False, DesiredState.RUNNING)
    assert (lifted.control.kill, lifted.still_held, desk.journal.entries()) == (None, (), [])
    with desk.live() as client:
        assert freezes(client) == {}
    with pytest.raises(NotKilled):
        unkill(desk, "all", by="tester", why="again")


class _Filling(ExchangeClient):
    """After the first cancel was answered, a fill of an order that was on its way arrives."""

    def __init__(self, real: ExchangeClient, fill: Callable[[], None]) -> None:
        self.__dict__ = real.__dict__
        self._fills = [fill]

    def cancel_all(self, symbol: Symbol | None = None, *, kind: CancelKind = CancelKind.EVERYTHING) -> list[OrderId]:
        cancelled = super().cancel_all(symbol, kind=kind)
        if self._fills:
            self._fills.pop()()
        return cancelled


def test_a_fill_that_arrives_after_the_cancel_is_closed_as_well(scene: Scene) -> None:
    make = scene.factory()

    def late(account: AccountName) -> ExchangeClient:
        return _Filling(make(account), lambda: scene.holds(account, ETH, "0.3", stop=False))

    report = kill(scene.desk(late), "canary", by="tester", why="test")
    assert_proven(report)
    assert [(close.symbol, close.quantity) for close in report.accounts[0].closes] == [(ETH, Decimal("0.3"))]
    assert scene.is_flat(CANARY)


def test_an_order_that_arrives_after_the_proof_is_closed_by_whoever_keeps_the_kill(scene: Scene) -> None:
    desk = scene.desk()
    assert_proven(kill(desk, "canary", by="tester", why="test"))
    # given an order that its bot had sent before everything was cancelled, and that came late
    scene.rests(CANARY, BTC, Side.BUY, "0.01", "cn1")
    scene.holds(CANARY, BTC, "0.01")
    keeper = Keeper(desk)
    eventually(keeping(keeper, lambda: scene.is_flat(CANARY)), what="flat again")
    eventually(keeping(keeper, lambda: not desk.runs), what="the proof")
    assert "kill_broken" in scene.alerts.kinds


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([{"kind": "rest_error", "answer": "10016", "paths": CHANGES}], id="outcome unknown"),
        pytest.param([{"kind": "rest_error", "answer": "10006", "paths": CHANGES}], id="rate limited"),
        pytest.param(
            [{"kind": "rest_cut_after", "paths": CHANGES}, {"kind": "rest_cut_before", "paths": READS}], id="cut"
        ),
        pytest.param([{"kind": "rest_empty", "paths": READS}], id="empty lists"),
    ],
)
def test_an_exchange_that_answers_some_requests_wrongly_does_not_keep_anything_open(
    scene: Scene, faults: list[dict[str, Any]]
) -> None:
    trade_everywhere(scene)
    scene.exchange.admin.arm(*({"for_s": 600, "probability": 0.4} | fault for fault in faults), seed=11)
    report = kill(scene.desk(), "all", by="tester", why="test")
    met = scene.exchange.admin.end_faults()
    assert_proven(report)
    assert scene.is_flat(SHORTSELLER)
    assert scene.is_flat(CANARY)
    assert sum(fault["injected"] for fault in met["faults"]) > 0


def test_positions_keep_their_stops_until_they_are_closed(scene: Scene) -> None:
    scene.holds(CANARY, BTC, "0.01")
    scene.rests(CANARY, BTC, Side.BUY, "0.01", "cn1")
    scene.exchange.admin.arm(NOTHING_IS_PLACED)
    report = kill(scene.desk(), "canary", by="tester", why="test", within_s=1.0)
    assert not report.proven
    (account,) = report.accounts
    assert account.positions_left is not None
    assert [left.symbol for left in account.positions_left] == [BTC]
    assert account.errors > 0
    assert [order.stop_order_type for order in scene.open_orders(CANARY)] == ["StopLoss"]


def test_nothing_but_the_exchange_is_needed(scene: Scene) -> None:
    trade_everywhere(scene)
    desk = scene.desk(postgres_port=free_port(), redis_port=free_port())
    report = kill(desk, "all", by="tester", why="test")
    assert_proven(report)
    assert (report.frozen, report.written, report.kept) == (False, False, True)
    desk.close()
    # when both are back, whoever keeps the kills tells them
    back = scene.desk()
    Keeper(back).turn()
    with back.ledger() as connection:
        assert load_controls(connection)[PLATFORM].kill == report.kill.id
        stored = find_kill(connection, report.kill.id)
    assert stored is not None
    assert stored.proven_at is not None
    with back.live() as client:
        assert set(freezes(client)) == {report.kill.id}


def test_a_kill_is_not_lifted_while_the_ledger_is_away(scene: Scene) -> None:
    desk = scene.desk(postgres_port=free_port())
    kill(desk, "canary", by="tester", why="test")
    with pytest.raises(LedgerUnavailable):
        unkill(desk, "canary", by="tester", why="test")
    assert [entry.kill.scope for entry in desk.journal.entries()] == ["account:canary"]


def test_a_kill_goes_on_after_its_manager_was_killed(scene: Scene) -> None:
    trade_everywhere(scene)
    scene.exchange.admin.arm(NOTHING_IS_PLACED)
    manager = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.commanding.manager_process", "all"],
        cwd=PROJECT_ROOT,
        env={"PATH": os.environ["PATH"]} | scene.process_environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        # given one that has cancelled everything and closed nothing
        eventually(lambda: not scene.entries(SHORTSELLER) and not scene.entries(CANARY), 30, "no entry is left")
        manager.send_signal(signal.SIGKILL)
        manager.wait(10)
    finally:
        manager.kill()
        manager.wait()
    assert scene.positions(SHORTSELLER)
    scene.exchange.admin.end_faults()
    # when another one starts
    desk = scene.desk()
    keeper = Keeper(desk)
    keeper.turn()
    # then it proves what the first one was ordered
    eventually(lambda: scene.is_flat(SHORTSELLER) and scene.is_flat(CANARY), what="everything closed")
    (entry,) = desk.journal.entries()

    def proven() -> bool:
        with desk.ledger() as connection:
            stored = find_kill(connection, entry.kill.id)
        return stored is not None and stored.proven_at is not None and stored.by == "killed manager"

    eventually(proven, what="the proof in the ledger")


def test_bots_in_containers_are_stopped_and_those_that_cannot_be_hinder_nothing(scene: Scene) -> None:
    scene.control.follows_controls = False
    scene.control.running = {CANARY_1, CANARY_2}
    scene.control.unstoppable = {CANARY_2}
    scene.holds(CANARY, BTC, "0.01")
    desk = scene.desk()
    report = kill(desk, "canary", by="tester", why="test")
    assert_proven(report)
    assert dict(report.bots) == {CANARY_1: "stopped", CANARY_2: "does not stop"}
    # whoever keeps the kill tries again, and starts nothing behind it
    scene.control.unstoppable = set()
    scene.control.running.add(CANARY_1)
    Keeper(desk).turn()
    assert not scene.control.running & {CANARY_1, CANARY_2}
    assert ("start", CANARY_1) not in scene.control.asked


def test_two_managers_do_not_carry_out_the_same_kill(scene: Scene) -> None:
    scene.holds(CANARY, BTC, "0.01")
    scene.exchange.admin.arm(NOTHING_IS_PLACED)
    first, second = scene.desk(), scene.desk()
    report = kill(first, "canary", by="tester", why="test", within_s=0.1)
    assert not report.proven
    Keeper(second).turn()
    assert (len(first.runs), len(second.runs)) == (1, 0)
    first.close()
    Keeper(second).turn()
    assert len(second.runs) == 1
    second.close()


def test_killing_again_is_a_kill_of_its_own_with_a_proof_of_its_own(scene: Scene) -> None:
    desk = scene.desk()
    first = kill(desk, "canary", by="tester", why="test")
    scene.holds(CANARY, BTC, "0.01")
    again = kill(desk, "canary", by="tester", why="test")
    assert_proven(again)
    assert scene.is_flat(CANARY)
    assert [entry.kill.id for entry in desk.journal.entries()] == [again.kill.id]
    with desk.ledger() as connection:
        older, newer = find_kill(connection, first.kill.id), find_kill(connection, again.kill.id)
        assert load_controls(connection)["account:canary"].kill == again.kill.id
    assert older is not None
    assert newer is not None
    assert older.proven_at == first.kill.proven_at
    assert older.lifted_by == f"kill {again.kill.id}"
    assert (newer.proven_at, newer.is_held) == (again.kill.proven_at, True)


def without(scene: Scene, missing: AccountName) -> ClientFactory:
    """A process that has no key of one account."""
    make = scene.factory()

    def client(account: AccountName) -> ExchangeClient:
        if account == missing:
            raise ConfigError("no key")
        return make(account)

    return client


def test_who_has_the_keys_kills_also_where_another_process_hangs_in_it(scene: Scene) -> None:
    terminal, manager = scene.desk(without(scene, SHORTSELLER)), scene.desk()
    hanging = kill(terminal, "all", by="tester", why="test", within_s=0.5)
    assert not hanging.proven
    assert_proven(kill(manager, "all", by="tester", why="test"))
    eventually(lambda: not terminal.runs, what="the older one has ended")


def test_an_account_that_is_flat_is_watched_while_another_one_cannot_be_closed(scene: Scene) -> None:
    desk = scene.desk(without(scene, SHORTSELLER))
    report = kill(desk, "all", by="tester", why="test", within_s=1.0)
    assert [account.account for account in report.accounts if account.proven] == [CANARY]
    scene.holds(CANARY, BTC, "0.01")
    scene.rests(CANARY, ETH, Side.BUY, "0.1", "cn2")
    eventually(lambda: scene.is_flat(CANARY), what="flat again")
    assert "kill_broken" in scene.alerts.kinds


def test_what_comes_to_an_account_that_was_flat_before_the_others_is_no_proof(scene: Scene) -> None:
    make, has_key, late = scene.factory(), threading.Event(), threading.Event()

    def client(account: AccountName) -> ExchangeClient:
        if account == SHORTSELLER and not has_key.is_set():
            raise ConfigError("no key")
        if account == SHORTSELLER and not late.is_set():
            # as late as can be, between the last look at the other account and the proof of this one
            late.set()
            scene.holds(CANARY, BTC, "0.01")
        return make(account)

    desk = scene.desk(client)
    assert not kill(desk, "all", by="tester", why="test", within_s=1.0).proven
    (run,) = desk.runs.values()
    has_key.set()
    assert run.wait(20)
    assert_proven(run.report())
    assert scene.is_flat(CANARY)
    assert scene.is_flat(SHORTSELLER)


def test_a_lifted_kill_ends_in_the_process_that_carries_it_out(scene: Scene) -> None:
    terminal, manager = scene.desk(without(scene, CANARY)), scene.desk()
    with ThreadPoolExecutor(1) as elsewhere:
        hanging = elsewhere.submit(kill, terminal, "canary", by="tester", why="test", within_s=60)
        eventually(lambda: manager.journal.entries(), what="it is begun")
        unkill(manager, "canary", by="tester", why="over")
        report = hanging.result(20)
    assert (report.proven, report.lifted, terminal.runs) == (False, True, {})
    assert manager.journal.entries() == []
    # the same where the two share no folder
    terminal.journal = KillJournal(scene.folder / "elsewhere")
    assert not kill(terminal, "canary", by="tester", why="test", within_s=0.2).proven
    eventually(lambda: is_held(manager), what="the ledger has it")
    unkill(manager, "canary", by="tester", why="over")
    eventually(lambda: not terminal.runs, what="it has ended")


def is_held(desk: Desk) -> bool:
    with desk.ledger() as connection:
        return any(control.kill for control in load_controls(connection).values())


def test_a_kill_that_a_restored_ledger_does_not_know_is_recorded_again(scene: Scene, database: Database) -> None:
    desk = scene.desk()
    report = kill(desk, "canary", by="tester", why="test")
    forget_kills(database)
    Keeper(desk).turn()
    with desk.ledger() as connection:
        assert load_controls(connection)["account:canary"].kill == report.kill.id
        stored = find_kill(connection, report.kill.id)
    assert stored is not None
    assert stored.proven_at == report.kill.proven_at
    forget_kills(database)
    unkill(desk, "canary", by="tester", why="over")
    Keeper(desk).turn()
    assert desk.journal.entries() == []
    with desk.live() as client:
        assert freezes(client) == {}


def test_what_a_lost_kill_froze_can_be_lifted(scene: Scene, database: Database) -> None:
    desk = scene.desk()
    report = kill(desk, "canary", by="tester", why="test")
    forget_kills(database)
    desk.journal.remove(report.kill.id)
    lifted = unkill(desk, "canary", by="tester", why="over")
    assert (lifted.thawed, lifted.control.entries_allowed) == (True, True)
    with desk.live() as client:
        assert freezes(client) == {}
    with pytest.raises(NotKilled):
        unkill(desk, "canary", by="tester", why="again")


def forget_kills(database: Database) -> None:
    """As a ledger that was restored from before them."""
    with closing(connect(database.owner, "test")) as connection, transaction(connection) as cursor:
        cursor.execute("DELETE FROM trading.controls WHERE kill IS NOT NULL")
        cursor.execute("DELETE FROM trading.kills")


def test_what_is_forbidden_during_a_kill_is_forbidden_after_it(scene: Scene) -> None:
    desk = scene.desk()
    kill(desk, "canary_001", by="tester", why="test")
    pause(desk, CANARY_1, by="tester", why="and do not trade after it")
    lifted = unkill(desk, "canary_001", by="tester", why="over").control
    assert (lifted.entries_allowed, lifted.desired_state) == (False, DesiredState.RUNNING)
    kill(desk, "canary_001", by="tester", why="test")
    with desk.ledger() as connection:
        set_control(connection, bot_scope(CANARY_1), by="t", why="stop", desired_state=DesiredState.STOPPED)
    lifted = unkill(desk, "canary_001", by="tester", why="over").control
    assert (lifted.entries_allowed, lifted.desired_state) == (False, DesiredState.STOPPED)


def test_an_older_kill_that_is_recorded_later_does_not_replace_a_newer_one(scene: Scene) -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    newer = Kill(id="newer", kind=KillKind.KILL, scope="account:canary", by="t", why="w", asked_at=at)
    older = replace(newer, id="older", asked_at=at - timedelta(days=1))
    with scene.desk().ledger() as connection:
        hold(connection, newer)
        assert hold(connection, older).kill == "newer"
        stored = find_kill(connection, "older")
    assert stored is not None
    assert stored.lifted_by == "kill newer"


@pytest.mark.parametrize("carry_out", [start_bot, restart_bot, resume])
def test_nothing_is_started_behind_a_kill_that_the_ledger_has_not_heard_of(
    scene: Scene, carry_out: Callable[..., object]
) -> None:
    desk = scene.desk()
    desk.journal.write(
        Entry(
            kill=Kill(id="k1", kind=KillKind.KILL, scope="bot:canary_001", by="t", why="w", asked_at=datetime.now(UTC))
        )
    )
    with pytest.raises(HeldByKill):
        carry_out(desk, CANARY_1, by="tester", why="test")
    assert scene.control.asked == []


def test_a_kill_of_what_is_not_known_any_more_is_neither_written_nor_claimed(scene: Scene) -> None:
    desk = scene.desk()
    order = Kill(id="k1", kind=KillKind.KILL, scope="account:sold", by="t", why="w", asked_at=datetime.now(UTC))
    with pytest.raises(ConfigError):
        begin(desk, order)
    assert desk.journal.entries() == []
    claim = desk.journal.claim("k1")
    assert claim is not None
    claim.release()


def test_an_entry_that_had_passed_the_gate_is_closed_by_the_flattening_as_well(scene: Scene) -> None:
    desk = scene.desk()
    desk.late_s = 4.0
    scene.holds(CANARY, BTC, "0.01")
    with ThreadPoolExecutor(1) as elsewhere:
        flattening = elsewhere.submit(flatten, desk, CANARY_1, by="tester", why="test")
        eventually(lambda: all_flat(desk), what="flat for the first time")
        # its bot had sent this before entries were frozen
        scene.holds(CANARY, BTC, "0.02")
        with desk.live() as client:
            assert freezes(client)
        assert_proven(flattening.result(30))
    assert scene.is_flat(CANARY)
    assert [close.quantity for close in flattening.result().accounts[0].closes] == [Decimal("0.01"), Decimal("0.02")]
    with desk.live() as client:
        assert freezes(client) == {}


def all_flat(desk: Desk) -> bool:
    """Whether everything that is carried out now is shown as flat."""
    accounts = [account for run in desk.runs.values() for account in run.report().accounts]
    return bool(accounts) and all(account.proven for account in accounts)


def test_a_terminal_kills_the_accounts_that_it_has_keys_for(scene: Scene) -> None:
    scene.holds(CANARY, BTC, "0.01")
    known = {name: value for name, value in scene.process_environment.items() if not name.startswith("SHORTSELLER")}
    done = subprocess.run(
        [sys.executable, "-m", "alpha.cli", "kill", "all", "--yes"],
        cwd=PROJECT_ROOT,
        env={"PATH": os.environ["PATH"]} | known,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Kill all: flat, proven after" in done.stdout, done.stderr
    assert "event" not in done.stderr
    assert "[error" not in done.stderr
    assert scene.is_flat(CANARY)


def test_a_bot_on_a_shared_account_is_flattened_alone_and_may_then_go_on(scene: Scene) -> None:
    scene.holds(CANARY, BTC, "0.01")
    scene.holds(CANARY, ETH, "-0.2")
    scene.rests(CANARY, BTC, Side.BUY, "0.01", "cn1")
    others = scene.rests(CANARY, ETH, Side.SELL, "0.1", "cn2")
    desk = scene.desk()
    report = flatten(desk, CANARY_1, by="tester", why="test")
    assert_proven(report)
    assert scene.positions(CANARY) == {ETH: Decimal("-0.2")}
    assert {order.order_link_id for order in scene.open_orders(CANARY) if not order.stop_order_type} == {others}
    with desk.live() as client:
        assert freezes(client) == {}
    with desk.ledger() as connection:
        assert bot_scope(CANARY_1) not in load_controls(connection)
    assert desk.journal.entries() == []


def test_one_symbol_of_a_bot_is_flattened_and_the_other_left(scene: Scene) -> None:
    scene.holds(SHORTSELLER, BTC, "-0.02")
    scene.holds(SHORTSELLER, ETH, "0.5")
    desk = scene.desk()
    assert_proven(flatten(desk, SHORTSELLER_1, ETH, by="tester", why="test"))
    assert scene.positions(SHORTSELLER) == {BTC: Decimal("-0.02")}
    with pytest.raises(InvalidValue, match="does not trade SOLUSDT"):
        flatten(desk, SHORTSELLER_1, SOL, by="tester", why="test")


def test_a_terminal_kills_where_no_platform_runs_and_only_the_keys_are_there(scene: Scene) -> None:
    scene.holds(CANARY, BTC, "0.01")
    known = {name: value for name, value in scene.process_environment.items() if not name.startswith(("POST", "REDIS"))}
    done = subprocess.run(
        [sys.executable, "-m", "alpha.cli", "kill", "canary", "--yes"],
        cwd=PROJECT_ROOT,
        env={"PATH": os.environ["PATH"]} | known | {"POSTGRES_PORT": str(free_port()), "REDIS_PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Kill canary: flat, proven after" in done.stdout, done.stderr
    assert "PostgreSQL  not yet" in done.stdout
    assert done.returncode == 1
    assert scene.is_flat(CANARY)
    # and whoever comes next with a ledger writes it there
    desk = scene.desk()
    Keeper(desk).turn()
    with desk.ledger() as connection:
        assert load_controls(connection)["account:canary"].kill is not None


BOTH_SIDES = """
accounts:
  shortseller: {key_env: SHORTSELLER_KEY, secret_env: SHORTSELLER_SECRET}
  canary: {key_env: CANARY_KEY, secret_env: CANARY_SECRET, position_mode: hedge}
bots:
  - {id: canary_001, code: cn1, account: canary, strategy: "a:B", redis_db: 3, symbols: [SOLUSDT], capital_usdt: 1,
     side: long}
  - {id: canary_002, code: cn2, account: canary, strategy: "a:B", redis_db: 4, symbols: [SOLUSDT], capital_usdt: 1,
     side: short}
"""


def test_of_two_bots_on_the_sides_of_one_symbol_one_is_flattened_alone(scene: Scene) -> None:
    scene.know(BOTH_SIDES)
    client = scene.client(CANARY)
    client.switch_position_mode(SOL, hedge=True)
    price = scene.price(CANARY, SOL)
    scene.sends(CANARY, SOL, Side.BUY, "3", 1, stop_loss=(price * Decimal("0.9")).quantize(Decimal("0.1")))
    scene.sends(CANARY, SOL, Side.SELL, "2", 2, stop_loss=(price * Decimal("1.1")).quantize(Decimal("0.1")))
    scene.rests(CANARY, SOL, Side.BUY, "1", "cn1", position_idx=1)
    others = scene.rests(CANARY, SOL, Side.SELL, "1", "cn2", position_idx=2)
    report = flatten(scene.desk(), CANARY_1, by="tester", why="test")
    assert_proven(report)
    (close,) = report.accounts[0].closes
    link = OrderLinkId.parse(close.order_link_id)
    assert (close.side, close.quantity, link and link.code) == (Side.SELL, Decimal("3"), "cn1")
    held = {row.position_idx: row.position.quantity for row in client.positions_of(SOL)}
    assert held == {1: Decimal(0), 2: Decimal("-2")}
    # with its stop and its order
    left = scene.open_orders(CANARY)
    assert {(order.position_idx, order.stop_order_type) for order in left} == {(2, "StopLoss"), (2, "")}
    assert others in {order.order_link_id for order in left}
    # and a kill of the account takes the rest, both modes alike
    assert_proven(kill(scene.desk(), "canary", by="tester", why="test"))
    assert scene.is_flat(CANARY)
    client.switch_position_mode(SOL, hedge=False)


def test_what_is_misspelt_kills_nothing(scene: Scene) -> None:
    with pytest.raises(NoSuchScope, match="there is no cannary"):
        kill(scene.desk(), "cannary", by="tester", why="test")
    assert not (scene.folder / "c2").exists()
