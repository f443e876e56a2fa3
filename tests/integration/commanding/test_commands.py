"""Starting, stopping and pausing: what was wanted is written, done, and its effect looked at."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from alpha.domain.ids import BotId
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.ledger.connection import LedgerUnavailable
from alpha.ledger.controls import PLATFORM, DesiredState, HeldByKill, bot_scope, load_controls, set_control
from alpha.live.connection import STATE_DB, open_redis
from alpha.live.controls import write_controls
from alpha.live.health import Heartbeat, write_heartbeat
from telegram_manager.actor import Actor, Role
from telegram_manager.asking import NotAllowed
from telegram_manager.command import Arguments
from telegram_manager.command_table import COMMANDS
from telegram_manager.commanding import commands
from telegram_manager.commanding.kill_journal import KillJournal
from telegram_manager.commanding.killing import kill, unkill
from telegram_manager.commanding.pausing import pause, resume
from telegram_manager.commanding.rehearsal import looked_at, rehearse, rehearsed_kill
from telegram_manager.commanding.starting import restart_bot, start_bot
from telegram_manager.commanding.stopping import stop_bot
from telegram_manager.context import Context
from telegram_manager.parsing import NotUnderstood, parse
from telegram_manager.rendering.terminal import text
from tests.integration.commanding.scene import BTC, CANARY, CANARY_1, ETH, SHORTSELLER, SHORTSELLER_1, Scene
from tests.support import free_port


@contextmanager
def beating(scene: Scene, bot: BotId) -> Iterator[None]:
    """The bot's heart, as its process would beat."""
    stop = threading.Event()

    def beat() -> None:
        with open_redis(scene.redis, scene.registry.bot(bot).redis_db) as client:
            while not stop.wait(0.05):
                now = datetime.now(UTC)
                write_heartbeat(
                    client,
                    Heartbeat(bot=bot, state="trading", pid=1, run="r", last_bar_at=None, updated_at=now),
                )

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def mirror(scene: Scene) -> None:
    """What the listener does several times a second."""
    desk = scene.desk()
    with desk.ledger() as connection, open_redis(scene.redis, STATE_DB) as client:
        write_controls(client, load_controls(connection), at=datetime.now(UTC))


def test_a_started_bot_is_reported_alive_by_a_heartbeat_of_afterwards(scene: Scene) -> None:
    desk = scene.desk()
    with beating(scene, CANARY_1):
        report = start_bot(desk, CANARY_1, by="tester", why="test")
    assert (report.alive, report.restarted, report.held_back, report.paused_by) == (True, False, None, None)
    assert scene.control.asked == [("start", CANARY_1)]
    with desk.ledger() as connection:
        assert load_controls(connection)[bot_scope(CANARY_1)].desired_state is DesiredState.RUNNING


def test_a_process_without_a_heartbeat_is_not_reported_alive(scene: Scene) -> None:
    with beating(scene, CANARY_1):
        pass
    report = start_bot(scene.desk(), CANARY_1, by="tester", why="test", within_s=0.5)
    assert scene.control.running == {CANARY_1}
    assert (report.alive, report.heartbeat) == (False, None)


def test_a_bot_under_a_kill_is_not_started_and_one_under_a_stop_of_everything_says_so(scene: Scene) -> None:
    desk = scene.desk()
    kill(desk, "canary", by="tester", why="test")
    with pytest.raises(HeldByKill, match=r"^\w+ is held by kill \w+: /unkill \w+ lifts it$"):
        start_bot(desk, CANARY_1, by="tester", why="test")
    assert scene.control.asked == []
    unkill(desk, "canary", by="tester", why="over")
    with desk.ledger() as connection:
        set_control(connection, PLATFORM, by="tester", why="holiday", desired_state=DesiredState.STOPPED)
    report = start_bot(desk, CANARY_1, by="tester", why="test")
    assert (report.alive, report.held_back and report.held_back.why) == (False, "holiday")


def test_a_restart_is_another_life_and_not_the_old_ones_last_heartbeat(scene: Scene) -> None:
    desk = scene.desk()
    scene.control.running.add(CANARY_1)
    with beating(scene, CANARY_1):
        stayed = restart_bot(desk, CANARY_1, by="tester", why="test", within_s=0.5)
        scene.control.restarts = True
        report = restart_bot(desk, CANARY_1, by="tester", why="test")
    assert not stayed.alive
    assert (report.alive, report.restarted) == (True, True)
    with desk.ledger() as connection:
        assert load_controls(connection)[bot_scope(CANARY_1)].restart_asked_at is not None


def test_a_stopped_bot_leaves_no_entry_resting_and_sells_nothing(scene: Scene) -> None:
    # given a bot that died with an entry, an exit and a position under a stop; and another bot's entry beside it
    scene.holds(SHORTSELLER, BTC, "-0.02")
    scene.holds(SHORTSELLER, ETH, "0.5", stop=False)
    entry = scene.rests(SHORTSELLER, BTC, Side.SELL, "0.01", "ss")
    exit_ = scene.rests(SHORTSELLER, ETH, Side.SELL, "0.5", "ss", Reason.TAKE_PROFIT)
    manual = scene.rests(SHORTSELLER, BTC, Side.SELL, "0.01", "zz")
    # when it is stopped
    report = stop_bot(scene.desk(), SHORTSELLER_1, by="tester", why="test")
    # then its entry alone is gone
    assert (report.ok, report.ended) == (True, True)
    assert [order.order_link_id for order in report.entries_cancelled] == [entry]
    left = {order.order_link_id for order in scene.open_orders(SHORTSELLER) if not order.stop_order_type}
    assert left == {exit_, manual}
    # and what stays open is told, with its stops
    assert scene.positions(SHORTSELLER) == {BTC: Decimal("-0.02"), ETH: Decimal("0.5")}
    positions = {position.symbol: position for position in report.positions}
    assert positions[BTC].is_guarded
    assert not positions[ETH].is_guarded
    assert report.entries_left == ()


def test_a_bot_is_not_stopped_where_the_wish_cannot_be_written(scene: Scene) -> None:
    with pytest.raises(LedgerUnavailable):
        stop_bot(scene.desk(postgres_port=free_port()), CANARY_1, by="tester", why="test")
    assert scene.control.asked == []


def test_a_pause_is_in_force_when_the_bots_can_see_it(scene: Scene) -> None:
    desk = scene.desk()
    stop = threading.Event()

    def listen() -> None:
        while not stop.wait(0.05):
            mirror(scene)

    unseen = pause(desk, None, by="tester", why="news")
    listener = threading.Thread(target=listen)
    listener.start()
    try:
        seen = pause(desk, CANARY_1, by="tester", why="news")
        over = resume(desk, CANARY_1, by="tester", why="over")
    finally:
        stop.set()
        listener.join()
    assert not unseen.in_force
    assert seen.in_force
    assert (over.in_force, [other.scope for other in over.others]) == (True, [PLATFORM])


def test_a_rehearsal_shows_that_a_kill_would_work_and_touches_nothing(scene: Scene) -> None:
    scene.holds(CANARY, BTC, "0.01")
    entry = scene.rests(CANARY, ETH, Side.BUY, "0.1", "cn2")
    desk = scene.desk()
    report = rehearse(desk, by="tester")
    assert report.ok, report.checks
    assert {account.account: account.proven for account in report.accounts} == {SHORTSELLER: True, CANARY: True}
    assert all(account.closes and account.orders_cancelled for account in report.accounts)
    assert "would cancel 2 orders and close 1 position" in {check.text for check in report.checks}
    # the real accounts, controls and journal are as they were
    assert scene.positions(CANARY) == {BTC: Decimal("0.01")}
    assert entry in {order.order_link_id for order in scene.open_orders(CANARY)}
    with desk.ledger() as connection:
        assert set(load_controls(connection)) == {PLATFORM}
    assert desk.journal.entries() == []


def test_a_rehearsal_writes_nothing_that_a_keeper_would_carry_out(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, written = scene.desk(), []
    monkeypatch.setattr(KillJournal, "remove", lambda *_: written.append(desk.journal.entries()))
    looked_at(desk, rehearsed_kill("tester"))
    assert written == [[]]


def test_a_rehearsal_says_what_would_not_work(scene: Scene) -> None:
    checks = looked_at(scene.desk(redis_port=free_port()), rehearsed_kill("tester"))
    assert [check.name for check in checks if not check.ok] == ["Redis"]


def context_of(scene: Scene, role: Role) -> Context:
    desk = scene.desk()
    return Context(
        settings=scene.settings,
        registry=scene.registry,
        actor=Actor("telegram:1", role),
        commands=COMMANDS,
        bots=desk.control,
        desk=desk,
    )


def test_a_kill_asks_with_what_it_would_close_and_answers_with_the_evidence(scene: Scene) -> None:
    scene.holds(CANARY, BTC, "0.01")
    context = context_of(scene, Role.ADMIN)
    call = parse("/kill canary", scene.registry, COMMANDS)
    assert call.command.question is not None
    asked = call.command.question(context, call.arguments)
    assert "canary: 1 order, +0.01 BTCUSDT" in asked
    answer = call.command.run(context, call.arguments)
    assert answer.ok
    shown = text(answer, 120)
    assert "Kill canary: flat, proven after" in shown
    assert "Nothing of it runs or trades until /unkill canary" in shown


def test_a_stop_offers_to_flatten_what_it_leaves(scene: Scene) -> None:
    scene.holds(CANARY, BTC, "0.01")
    answer = commands.stop(context_of(scene, Role.OPERATOR), Arguments(bot=CANARY_1))
    assert answer.buttons[0][0].command == "/flatten canary_001"
    shown = text(answer, 120)
    assert "Nothing was sold" in shown


def test_start_without_a_bot_greets_and_with_one_it_needs_the_right(scene: Scene) -> None:
    context = context_of(scene, Role.VIEWER)
    assert commands.start(context, Arguments()).ok
    with pytest.raises(NotAllowed):
        commands.start(context, Arguments(bot=CANARY_1))
    assert commands.start(replace(context, actor=Actor("telegram:2", Role.OPERATOR), desk=None), Arguments()).ok


@pytest.mark.parametrize(
    "misspelt", ["/kill cannary", "/unkill cannary", "/flatten canary_001 BTC", "/start cnary_001"]
)
def test_a_misspelt_name_is_never_taken_for_a_reason(scene: Scene, misspelt: str) -> None:
    with pytest.raises(NotUnderstood):
        parse(misspelt, scene.registry, COMMANDS)
