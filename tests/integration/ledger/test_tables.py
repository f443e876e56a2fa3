"""Everything beside the fills: one writer's rows, read by another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from alpha.domain.ids import AccountName, BotId, OrderId, Symbol
from alpha.domain.order import Order, OrderStatus, OrderType
from alpha.domain.position import FLAT, Position
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.exchange.account_state import ExchangePosition, WalletBalance
from alpha.ledger.alerts import Alert, Severity, add_alert, alerts_after
from alpha.ledger.bot_state import BotState, load_state, save_state
from alpha.ledger.connection import Connection, Dsn, LedgerRefused, LedgerUnavailable, connect, transaction
from alpha.ledger.controls import PLATFORM, DesiredState, bot_scope, load_controls, set_control
from alpha.ledger.coverage import (
    CoverageKind,
    add_interval,
    intervals,
    mark_unproven,
    proven_until,
    start_of_account,
)
from alpha.ledger.drift import DriftKind, Finding, add_drift, open_drift, resolve_drift
from alpha.ledger.equity import add_equity_snapshot
from alpha.ledger.intents import (
    IntentOutcome,
    OrderIntent,
    load_intent,
    save_intent,
    set_intent_outcome,
    unsettled_intents,
)
from alpha.ledger.leases import release_lease, renew_lease, take_lease
from alpha.ledger.orders import bot_of_order, filled_entries_with_stop, open_orders, upsert_orders
from alpha.ledger.positions import positions_of, upsert_positions
from alpha.ledger.raw_events import add_raw_event, mark_replayed, waiting_raw_events
from alpha.ledger.registry import AccountKind, RegisteredAccount, RegisteredBot, sync_registry
from alpha.live.connection import STATE_DB, RedisAddress, open_redis
from alpha.live.controls import read_controls, write_controls
from tests.integration.ledger.heard import BOT, MAIN, RECEIVED
from tests.support import Database, eventually, free_port
from tests.unit.domain.fills import BTCUSDT, START

Login = Callable[[str], Connection]
MINUTE = timedelta(minutes=1)


def one(connection: Connection, statement: str) -> object:
    with transaction(connection) as cursor:
        cursor.execute(statement)
        (value,) = cursor.fetchone() or (None,)
    return value


# Controls, alerts, audit


def test_the_platform_has_a_control_from_the_start(login: Login) -> None:
    control = load_controls(login("reader"))[PLATFORM]
    assert (control.entries_allowed, control.desired_state) == (True, DesiredState.RUNNING)


def test_a_control_changes_what_is_given_and_is_audited(login: Login) -> None:
    commander, scope = login("commander"), bot_scope(BOT)
    set_control(commander, scope, by="trader", why="news", entries_allowed=False)
    after = set_control(commander, scope, by="trader", why="holiday", desired_state=DesiredState.STOPPED)
    assert (after.entries_allowed, after.desired_state, after.why) == (False, DesiredState.STOPPED, "holiday")
    assert load_controls(login("bot"))[scope] == after
    with transaction(login("reader")) as cursor:
        cursor.execute("SELECT actor, action, subject, why, detail FROM trading.audit_events ORDER BY id")
        assert cursor.fetchall() == [
            ("trader", "set_control", scope, "news", {"entries_allowed": False, "desired_state": "running"}),
            ("trader", "set_control", scope, "holiday", {"entries_allowed": False, "desired_state": "stopped"}),
        ]


def test_only_allowing_entries_counts_as_resuming_a_bot(login: Login, redis_address: RedisAddress) -> None:
    commander, scope = login("commander"), bot_scope(BOT)
    assert set_control(commander, scope, by="trader", why="news", entries_allowed=False).resumed_at is None
    resumed = set_control(commander, scope, by="trader", why="over", entries_allowed=True)
    assert resumed.resumed_at is not None
    assert resumed.resumed_at >= resumed.at
    restarted = set_control(commander, scope, by="trader", why="update", desired_state=DesiredState.RUNNING)
    assert restarted.resumed_at == resumed.resumed_at
    controls = load_controls(login("bot"))
    with open_redis(redis_address, STATE_DB) as state:
        write_controls(state, controls, version=1, at=RECEIVED)
        mirrored = read_controls(state)
    assert mirrored is not None
    assert mirrored.by_scope[scope] == restarted


def test_a_pause_says_nothing_of_whether_a_bot_shall_run(login: Login) -> None:
    commander, scope = login("commander"), bot_scope(BOT)
    assert set_control(commander, scope, by="trader", why="news", entries_allowed=False).desired_state_at is None
    stopped = set_control(commander, scope, by="trader", why="holiday", desired_state=DesiredState.STOPPED)
    assert stopped.desired_state_at is not None
    assert stopped.desired_state_at >= stopped.at
    resumed = set_control(commander, scope, by="trader", why="over", entries_allowed=True)
    assert resumed.desired_state_at == stopped.desired_state_at
    again = set_control(commander, scope, by="trader", why="back", restart=True, desired_state=DesiredState.STOPPED)
    assert again.desired_state_at is not None
    assert again.desired_state_at > stopped.desired_state_at


def test_who_may_not_order_leaves_neither_control_nor_audit(login: Login) -> None:
    with pytest.raises(LedgerRefused, match="permission denied"):
        set_control(login("bot"), PLATFORM, by="bot", why="wants to", entries_allowed=False)
    assert load_controls(login("reader"))[PLATFORM].entries_allowed
    assert one(login("reader"), "SELECT count(*) FROM trading.audit_events") == 0


def test_alerts_are_read_in_order(login: Login) -> None:
    alert = Alert(
        kind="position_drift",
        text="the exchange holds 1, our fills make 2",
        severity=Severity.ERROR,
        service="listener",
        at=RECEIVED,
        account=MAIN,
        fields={"exchange": "1"},
    )
    numbers = [add_alert(login(group), alert) for group in ("ledger_writer", "bot", "commander")]
    assert alerts_after(login("reader"), numbers[0]) == [(number, alert) for number in numbers[1:]]


# What bots remember


def test_a_bot_begins_empty_and_goes_on_from_what_it_saved(login: Login) -> None:
    bot = login("bot")
    assert load_state(bot, BOT, "run-1") == BotState(run="run-1", cursor=0, state={})
    save_state(bot, BOT, 3, {"stop": "99.5", "bars": 2})
    assert load_state(bot, BOT, "run-2") == BotState(run="run-1", cursor=3, state={"stop": "99.5", "bars": 2})


def test_a_copy_that_is_behind_does_not_write_over_one_that_went_on(login: Login) -> None:
    bot = login("bot")
    load_state(bot, BOT, "run-1")
    save_state(bot, BOT, 5, {"n": 5})
    with pytest.raises(LedgerRefused, match="does a second copy run"):
        save_state(bot, BOT, 4, {"n": 4})
    assert load_state(bot, BOT, "").state == {"n": 5}


def test_a_bot_that_was_never_loaded_has_no_state_to_save(login: Login) -> None:
    with pytest.raises(LedgerRefused):
        save_state(login("bot"), BOT, 0, {})


AN_INTENT = OrderIntent(
    order_link_id="bt-en-abcdefghijklmnopqrst",
    bot=BOT,
    account=MAIN,
    symbol=BTCUSDT,
    side=Side.SELL,
    order_type=OrderType.MARKET,
    quantity=Decimal("0.010"),
    price=None,
    reduce_only=False,
    reason=Reason.ENTRY,
    bar=START,
    decision_price=Decimal("114000.5"),
)


def test_the_same_intent_again_is_told_apart_from_a_new_one(login: Login) -> None:
    bot = login("bot")
    assert save_intent(bot, AN_INTENT)
    assert not save_intent(bot, replace(AN_INTENT, quantity=Decimal(5)))
    stored = load_intent(bot, AN_INTENT.order_link_id)
    assert stored is not None
    assert (stored.intent, stored.outcome) == (AN_INTENT, IntentOutcome.PENDING)


def test_an_intent_is_settled_once(login: Login) -> None:
    bot = login("bot")
    save_intent(bot, AN_INTENT)
    set_intent_outcome(bot, AN_INTENT.order_link_id, IntentOutcome.UNKNOWN, text="time-out")
    assert [each.intent for each in unsettled_intents(bot, BOT)] == [AN_INTENT]
    set_intent_outcome(bot, AN_INTENT.order_link_id, IntentOutcome.REFUSED, code=110007, text="ab not enough")
    set_intent_outcome(bot, AN_INTENT.order_link_id, IntentOutcome.ACCEPTED, order_id=OrderId("o-1"))
    stored = load_intent(bot, AN_INTENT.order_link_id)
    assert stored is not None
    assert (stored.outcome, stored.code, stored.text) == (IntentOutcome.REFUSED, 110007, "ab not enough")
    assert unsettled_intents(bot, BOT) == []


def test_an_intent_that_is_sent_after_all_is_open_again(login: Login) -> None:
    bot = login("bot")
    save_intent(bot, AN_INTENT)
    # given a bot that died before it sent, and whose next life found that the exchange does not know the order
    set_intent_outcome(bot, AN_INTENT.order_link_id, IntentOutcome.REFUSED, text="the exchange does not know it")
    # when it decides the same again
    assert not save_intent(bot, AN_INTENT)
    # then what comes of it is noted
    assert [each.intent for each in unsettled_intents(bot, BOT)] == [AN_INTENT]
    set_intent_outcome(bot, AN_INTENT.order_link_id, IntentOutcome.ACCEPTED, order_id=OrderId("o-1"))
    # and an order that was accepted is not opened again
    assert not save_intent(bot, AN_INTENT)
    stored = load_intent(bot, AN_INTENT.order_link_id)
    assert stored is not None
    assert (stored.outcome, stored.text) == (IntentOutcome.ACCEPTED, "")


def test_a_lease_has_one_holder_until_it_ends(login: Login) -> None:
    bot = login("bot")
    assert take_lease(bot, "bot:a", "first", 30)
    assert take_lease(bot, "bot:a", "first", 30)
    assert not take_lease(bot, "bot:a", "second", 30)
    assert not renew_lease(bot, "bot:a", "second", 30)
    assert not release_lease(bot, "bot:a", "second")
    assert renew_lease(bot, "bot:a", "first", 30)
    # when it is given back
    assert release_lease(bot, "bot:a", "first")
    assert not renew_lease(bot, "bot:a", "first", 30)
    assert take_lease(bot, "bot:a", "second", 0.05)
    # or runs out
    eventually(lambda: take_lease(bot, "bot:a", "third", 30), what="the lease to run out")


# What the exchange says

AN_ORDER = Order(
    account=MAIN,
    category="linear",
    symbol=BTCUSDT,
    order_id=OrderId("o-1"),
    order_link_id="bt-en-abcdefghijklmnopqrst",
    side=Side.SELL,
    order_type=OrderType.LIMIT,
    time_in_force="GTC",
    status=OrderStatus.NEW,
    price=Decimal("120000"),
    quantity=Decimal("2"),
    filled_quantity=Decimal(0),
    average_price=None,
    reduce_only=False,
    position_idx=0,
    create_type="CreateByUser",
    stop_order_type="",
    trigger_price=None,
    take_profit=None,
    stop_loss=Decimal("121800"),
    reject_reason="",
    cancel_type="",
    created_at=START,
    updated_at=START,
)
HALF = replace(AN_ORDER, status=OrderStatus.PARTIALLY_FILLED, filled_quantity=Decimal(1), updated_at=START + MINUTE)
DONE = replace(AN_ORDER, status=OrderStatus.FILLED, filled_quantity=Decimal(2), updated_at=START + 2 * MINUTE)


def test_an_order_goes_forward_only(writer: Connection) -> None:
    assert upsert_orders(writer, [(AN_ORDER, BOT), (HALF, BOT)]) == 1
    assert open_orders(writer, MAIN) == [(HALF, BOT)]
    assert upsert_orders(writer, [(AN_ORDER, None)]) == 0
    assert open_orders(writer, MAIN) == [(HALF, BOT)]
    assert upsert_orders(writer, [(DONE, None), (HALF, BOT)]) == 1
    assert open_orders(writer, MAIN) == []
    assert one(writer, "SELECT status FROM trading.orders") == "Filled"
    assert bot_of_order(writer, MAIN, AN_ORDER.order_id) == BOT


def test_an_owner_found_later_is_noted(writer: Connection) -> None:
    upsert_orders(writer, [(DONE, None)])
    assert bot_of_order(writer, MAIN, DONE.order_id) is None
    upsert_orders(writer, [(DONE, BOT)])
    assert bot_of_order(writer, MAIN, DONE.order_id) == BOT
    assert bot_of_order(writer, AccountName("other"), DONE.order_id) is None


def test_filled_entries_with_a_stop_are_counted(writer: Connection) -> None:
    upsert_orders(
        writer,
        [
            (DONE, BOT),
            (replace(DONE, order_id=OrderId("no-stop"), stop_loss=None), BOT),
            (replace(DONE, order_id=OrderId("exit"), reduce_only=True), BOT),
            (replace(AN_ORDER, order_id=OrderId("resting")), BOT),
            (replace(DONE, order_id=OrderId("foreign")), None),
        ],
    )
    assert filled_entries_with_stop(writer, BOT, Side.SELL) == 1
    assert filled_entries_with_stop(writer, BOT, Side.BUY) == 0
    # a stop set on the position afterwards counts too
    stop = replace(
        AN_ORDER,
        order_id=OrderId("stop"),
        order_link_id="",
        side=Side.BUY,
        stop_order_type="StopLoss",
        created_at=START + MINUTE,
        stop_loss=None,
    )
    upsert_orders(writer, [(stop, BOT)])
    assert filled_entries_with_stop(writer, BOT, Side.SELL) == 2


A_POSITION = ExchangePosition(
    account=MAIN,
    category="linear",
    symbol=BTCUSDT,
    position_idx=0,
    position=Position(Decimal("-2"), Decimal("120000")),
    mark_price=Decimal("119000"),
    unrealized_pnl=Decimal("2000"),
    liq_price=None,
    take_profit=None,
    stop_loss=Decimal("121800"),
    trailing_stop=None,
    leverage=Decimal(10),
    seq=10,
    updated_at=START,
)


def test_a_position_is_the_newest_report(writer: Connection) -> None:
    newer = replace(A_POSITION, seq=11, position=FLAT, updated_at=START + MINUTE)
    assert upsert_positions(writer, [A_POSITION, newer, A_POSITION]) == 1
    assert positions_of(writer, MAIN) == [newer]
    assert upsert_positions(writer, [A_POSITION]) == 0
    assert positions_of(writer, MAIN) == [newer]
    # with the same seq the later mark price wins, and one without a seq is as new as what is stored
    marked = replace(newer, mark_price=Decimal(1), updated_at=START + 2 * MINUTE)
    assert upsert_positions(writer, [marked]) == 1
    assert upsert_positions(writer, [replace(marked, seq=None, updated_at=START + 3 * MINUTE)]) == 1


def test_equity_is_kept_once_per_instant(writer: Connection) -> None:
    wallet = WalletBalance(
        account=MAIN,
        equity=Decimal("1000.5"),
        balance=Decimal(1000),
        available=Decimal(900),
        initial_margin=Decimal(0),
        maintenance_margin=Decimal(0),
        unrealized_pnl=Decimal("0.5"),
        coins=(),
    )
    assert add_equity_snapshot(writer, wallet, at=START, source="rest")
    assert not add_equity_snapshot(writer, wallet, at=START, source="stream")


def test_what_cannot_be_read_is_kept_verbatim_until_it_can(writer: Connection) -> None:
    raw = '{"topic": "execution", "data": [{"execType": "Novelty"}]}\x00'
    number = add_raw_event(
        writer, account=MAIN, topic="execution", reason="unknown execType", raw=raw, received_at=RECEIVED
    )
    (event,) = waiting_raw_events(writer)
    assert (event.number, event.raw, event.received_at) == (number, raw.replace("\x00", "\\u0000"), RECEIVED)
    mark_replayed(writer, number, "recorded")
    assert waiting_raw_events(writer) == []


# Proof


def test_coverage_that_goes_on_is_one_row_and_a_doubt_ends_it(writer: Connection, login: Login) -> None:
    assert proven_until(writer, MAIN) is None
    add_interval(writer, MAIN, CoverageKind.PROVEN, START, START, detail="first contact")
    for minute in range(5):
        add_interval(writer, MAIN, CoverageKind.PROVEN, START + minute * MINUTE, START + (minute + 1) * MINUTE)
        add_interval(writer, MAIN, CoverageKind.HEARD, START, START + minute * MINUTE, detail="listener")
    assert len(intervals(writer, MAIN)) == 3
    assert proven_until(writer, MAIN) == START + 5 * MINUTE
    # when the sync service, which may not write coverage itself, doubts a part
    mark_unproven(login("sync_writer"), MAIN, START + 2 * MINUTE, START + 3 * MINUTE, "ids differ")
    assert proven_until(writer, MAIN) == START + 2 * MINUTE
    # then what is proven later does not hide it
    add_interval(writer, MAIN, CoverageKind.PROVEN, START + 5 * MINUTE, START + 6 * MINUTE)
    assert proven_until(writer, MAIN) == START + 2 * MINUTE
    add_interval(writer, MAIN, CoverageKind.PROVEN, START + 2 * MINUTE, START + 6 * MINUTE)
    assert proven_until(writer, MAIN) == START + 6 * MINUTE
    assert start_of_account(writer, MAIN) == START


def test_the_same_drift_is_counted_and_comes_back_after_it_was_resolved(writer: Connection) -> None:
    finding = Finding(
        kind=DriftKind.POSITION, account=MAIN, bot=BOT, symbol=BTCUSDT, subject="BTCUSDT", detail={"exchange": "1"}
    )
    assert add_drift(writer, [finding, finding]) == 1
    assert add_drift(writer, [finding, replace(finding, detail={"exchange": "2"})]) == 1
    first, second = open_drift(writer, MAIN)
    assert (first.finding, first.times, second.times) == (finding, 2, 1)
    assert resolve_drift(writer, [first.number, second.number], by="listener", resolution="agree again") == 2
    assert open_drift(writer) == []
    assert add_drift(writer, [finding]) == 1


# Registry


def registered(bot: str, code: str) -> RegisteredBot:
    return RegisteredBot(
        bot=BotId(bot),
        code=code,
        account=MAIN,
        strategy="strategies.canary:Canary",
        symbols=[BTCUSDT, Symbol("ETHUSDT")],
        redis_db=3,
        capital_usdt=Decimal(1000),
        params={"hold_bars": 3},
    )


def test_the_registry_is_mirrored_and_a_bot_that_left_is_inactive(writer: Connection) -> None:
    account = RegisteredAccount(account=MAIN, kind=AccountKind.PAPER, uid="1001")
    sync_registry(writer, [account], [registered("bot_001", "b1"), registered("bot_002", "b2")])
    sync_registry(writer, [replace(account, uid=None)], [registered("bot_001", "b1")])
    with transaction(writer) as cursor:
        cursor.execute("SELECT bot, code, symbols, active FROM trading.bots ORDER BY bot")
        symbols = ["BTCUSDT", "ETHUSDT"]
        assert cursor.fetchall() == [("bot_001", "b1", symbols, True), ("bot_002", "b2", symbols, False)]
    assert one(writer, "SELECT uid FROM trading.accounts") == "1001"


def test_a_code_is_never_given_to_another_bot(writer: Connection) -> None:
    account = RegisteredAccount(account=MAIN, kind=AccountKind.PAPER)
    sync_registry(writer, [account], [registered("bot_001", "b1")])
    with pytest.raises(LedgerRefused, match="code b1 belongs to bot_001 for ever; give bot_009 another"):
        sync_registry(writer, [account], [registered("bot_009", "b1")])


# Connections


def test_a_pooled_connection_makes_its_settings_in_each_transaction(database: Database) -> None:
    connection = connect(database.dsn("reader"), "tests", 2.5, pooled=True)
    try:
        for _ in range(2):
            assert one(connection, "SHOW statement_timeout") == "2500ms"
            assert one(connection, "SHOW TimeZone") == "UTC"
    finally:
        connection.close()


def test_a_statement_that_takes_too_long_is_given_up(database: Database) -> None:
    connection = connect(database.dsn("reader"), "tests", 0.5)
    try:
        with pytest.raises(LedgerUnavailable, match="statement timeout"):
            one(connection, "SELECT pg_sleep(60)")
        # and the connection is still good
        assert one(connection, "SELECT 1") == 1
    finally:
        connection.close()


def test_no_server_is_told_in_one_line() -> None:
    with pytest.raises(LedgerUnavailable) as error:
        connect(Dsn("127.0.0.1", free_port(), "trading_db", "somebody", "hidden"), "tests")
    assert "does not let somebody into trading_db" in str(error.value)
    assert "\n" not in str(error.value)
    assert "hidden" not in repr(Dsn("h", 1, "d", "u", "hidden"))
