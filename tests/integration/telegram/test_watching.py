"""Watches and the daily summary against real servers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from pydantic import SecretStr

from alpha.config.registry import load_registry
from alpha.config.settings import Settings
from alpha.config.telegram import Role
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.domain.position import Position
from alpha.exchange.errors import ExchangeUnreachable
from alpha.ledger.alerts import Alert, alerts_after
from alpha.ledger.connection import Connection, connect, transaction
from alpha.ledger.notifications import cursor_of, move_cursor
from alpha.live.answers import write_hash
from alpha.live.bot_keys import position_key
from alpha.live.connection import STATE_DB, RedisAddress, open_redis
from alpha.live.health import FeedHealth, write_feed_health
from alpha.live.positions import LivePosition, fields_of
from alpha.service.alerts import AlertWriter
from telegram_manager.actor import Actor
from telegram_manager.commanding.desk import Desk
from telegram_manager.context import Context
from telegram_manager.notifier.watching import Watching
from tests.bot_api import Person
from tests.integration.seeing.stage import LEDGER
from tests.integration.telegram.centre import ROOT, Centre
from tests.support import Database, eventually

Centres = Callable[..., AbstractContextManager[Centre]]
BTC, CANARY = Symbol("BTCUSDT"), BotId("canary_001")


@pytest.fixture
def context(database: Database, redis_address: RedisAddress, tmp_path: Path) -> Context:
    dsn = database.dsn("commander")
    settings = Settings(
        alpha_home=tmp_path,
        postgres_host=dsn.host,
        postgres_port=dsn.port,
        postgres_db=dsn.dbname,
        postgres_user=dsn.user,
        postgres_password=SecretStr(dsn.password),
        redis_host=redis_address.host,
        redis_port=redis_address.port,
        redis_password=SecretStr(redis_address.password),
    )
    return Context(settings=settings, registry=load_registry(ROOT / "bots.yaml"), actor=Actor("test", Role.VIEWER))


def holds(redis: RedisAddress, stop: str | None) -> None:
    now = datetime.now(UTC)
    held = LivePosition(
        bot=CANARY,
        symbol=BTC,
        position=Position(Decimal(1), Decimal(100)),
        stop_loss=None if stop is None else Decimal(stop),
        changed_at=now,
        updated_at=now,
    )
    with open_redis(redis, 3) as client:
        write_hash(client, position_key(CANARY, BTC), fields_of(held))


def alerts_of(ledger: Connection, kind: str) -> list[Alert]:
    return [alert for _, alert in alerts_after(ledger, 0) if alert.kind == kind]


def test_a_finding_is_alerted_once_also_after_a_restart_and_so_is_its_end(
    context: Context, redis_address: RedisAddress, ledger: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telegram_manager.notifier.watches._PASSING_S", 0.0)
    holds(redis_address, None)
    with closing(AlertWriter(context.settings.dsn(), redis_address, "test")) as alerts:
        first, second = Watching(context, alerts), Watching(context, alerts)
        for watching in (first, first, second):
            watching.look_once()
        assert alerts.flush(20)
        assert [alert.bot for alert in alerts_of(ledger, "position_without_stop")] == [CANARY]

        holds(redis_address, "95")
        second.look_once()
        second.look_once()
        assert alerts.flush(20)
        assert [alert.text for alert in alerts_of(ledger, "position_without_stop_over")] == [
            "over: canary_001 holds 1 BTCUSDT without a stop at the exchange"
        ]
        # What begins again is new.
        holds(redis_address, None)
        second.look_once()
        assert alerts.flush(20)
        assert len(alerts_of(ledger, "position_without_stop")) == 2


def test_what_is_not_known_any_more_is_not_said_to_be_over(
    context: Context, redis_address: RedisAddress, ledger: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telegram_manager.notifier.watches._PASSING_S", 0.0)
    holds(redis_address, None)
    with closing(AlertWriter(context.settings.dsn(), redis_address, "test")) as alerts:
        watching = Watching(context, alerts)
        watching.look_once()
        # Redis is emptied, and the position is not there until it is rebuilt.
        with open_redis(redis_address, 3) as client:
            client.flushdb()
        watching.look_once()
        assert alerts.flush(20)
        assert len(alerts_of(ledger, "position_without_stop")) == 1
        assert alerts_of(ledger, "position_without_stop_over") == []
        holds(redis_address, "95")
        watching.look_once()
        assert alerts.flush(20)
        assert len(alerts_of(ledger, "position_without_stop_over")) == 1


class Keys:
    """Clients of accounts whose keys end, or that do not answer."""

    def __init__(self) -> None:
        self.ends_at: datetime | None = None

    @contextmanager
    def client(self, account: AccountName) -> Iterator[Keys]:
        if self.ends_at is None:
            raise ExchangeUnreachable(f"{account} does not answer", operation="GET /v5/user/query-api")
        yield self

    def key_information(self) -> SimpleNamespace:
        return SimpleNamespace(expires_at=self.ends_at)


def test_a_key_of_an_account_that_does_not_answer_is_asked_for_again_and_not_said_to_be_renewed(
    context: Context, redis_address: RedisAddress, ledger: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telegram_manager.notifier.key_ends._AGAIN_S", 0.0)
    keys, now = Keys(), datetime.now(UTC)
    asked = replace(context, desk=cast(Desk, SimpleNamespace(exchange=keys)), clock=lambda: now)
    with closing(AlertWriter(context.settings.dsn(), redis_address, "test")) as alerts:
        keys.ends_at = now + timedelta(days=9)
        ask_and_look(Watching(asked, alerts))
        keys.ends_at = None
        next_process = Watching(asked, alerts)
        ask_and_look(next_process)
        assert alerts.flush(20)
        accounts = len(alerts_of(ledger, "key_expiring"))
        assert accounts == len(context.registry.accounts)
        assert alerts_of(ledger, "key_expiring_over") == []
        keys.ends_at = now + timedelta(days=90)
        ask_and_look(next_process)
        assert alerts.flush(20)
        assert len(alerts_of(ledger, "key_expiring_over")) == accounts


def ask_and_look(watching: Watching) -> None:
    assert watching.keys is not None
    watching.keys.ask()
    watching.look_once()


class SilentExchange:
    """Clients that do not answer until they are let go."""

    def __init__(self) -> None:
        self.asked, self.let_go = threading.Event(), threading.Event()

    @contextmanager
    def client(self, _account: AccountName) -> Iterator[SimpleNamespace]:
        self.asked.set()
        assert self.let_go.wait(60)
        yield SimpleNamespace(key_information=lambda: None)


def test_a_look_does_not_wait_for_an_exchange_that_is_silent(
    context: Context, redis_address: RedisAddress, ledger: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telegram_manager.notifier.watches._PASSING_S", 0.0)
    monkeypatch.setattr("telegram_manager.notifier.watching._LOOK_EVERY_S", 0.05)
    exchange = SilentExchange()
    asked = replace(context, desk=cast(Desk, SimpleNamespace(exchange=exchange)))
    with closing(AlertWriter(context.settings.dsn(), redis_address, "test")) as alerts:
        watching = Watching(asked, alerts, first_look_s=0.0)
        watching.start()
        try:
            assert exchange.asked.wait(20)
            holds(redis_address, None)
            eventually(lambda: alerts_of(ledger, "position_without_stop"))
            assert not exchange.let_go.is_set()
        finally:
            exchange.let_go.set()
            watching.stop()
    assert {"watches", "key-ends"}.isdisjoint(thread.name for thread in threading.enumerate())


def test_an_entry_that_no_bot_announced_is_foreign(
    context: Context, redis_address: RedisAddress, database: Database, ledger: Connection
) -> None:
    announced, foreign = "cn1-en-aaaaaaaaaaaaaaaaaaaa", "cn1-en-bbbbbbbbbbbbbbbbbbbb"
    with closing(connect(database.owner, "tests")) as owner, transaction(owner) as cursor:
        cursor.execute("INSERT INTO trading.accounts (account, kind) VALUES ('canary', 'paper')")
        cursor.execute(
            "INSERT INTO trading.bots (bot, code, account, strategy, category, symbols, redis_db)"
            " VALUES ('canary_001', 'cn1', 'canary', 's', 'linear', '{BTCUSDT}', 3)"
        )
        cursor.execute(
            "INSERT INTO trading.order_intents (order_link_id, bot, account, symbol, side, order_type, quantity,"
            " reduce_only, reason, bar, decision_price) VALUES"
            " (%s, 'canary_001', 'canary', 'BTCUSDT', 'Buy', 'Market', 1, false, 'entry', '2026-01-01', 100)",
            (announced,),
        )
        for number, link, reduce_only in ((1, announced, False), (2, foreign, False), (3, "cn1-sl-x", True)):
            cursor.execute(
                "INSERT INTO trading.orders (account, category, symbol, order_id, order_link_id, bot, side, order_type,"
                " time_in_force, status, quantity, filled_quantity, reduce_only, position_idx, create_type,"
                " stop_order_type, reject_reason, cancel_type, created_at, updated_at, recorded_at) VALUES"
                " ('canary', 'linear', 'BTCUSDT', %s, %s, 'canary_001', 'Buy', 'Market', 'GTC', 'Filled', 1, 1, %s, 0,"
                " '', '', '', '', '2026-01-02', '2026-01-02', clock_timestamp() - interval '1 minute')",
                (str(number), link, reduce_only),
            )
    with closing(AlertWriter(context.settings.dsn(), redis_address, "test")) as alerts:
        looked = Watching(context, alerts).look_once()
        assert alerts.flush(20)
    assert [concern.subject for concern in looked.concerns if concern.kind == "foreign_order"] == ["canary 2"]
    assert foreign in alerts_of(ledger, "foreign_order")[0].text


def test_the_daily_summary_comes_once_with_its_chart(
    centre_of: Centres,
    alice: Person,
    database: Database,
    redis_address: RedisAddress,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("telegram_manager.notifier.delivering._SUMMARY_WITHIN_S", 120.0)  # a machine may be busy
    with closing(connect(database.owner, "tests")) as owner, open_redis(redis_address, STATE_DB) as state:
        LEDGER.load(owner)
        now = datetime.now(UTC)
        write_feed_health(state, FeedHealth(state="live", last_frame_at=now, last_bar_at=LEDGER.end, updated_at=now))
        move_cursor(owner, "daily", "2020-01-01")
        with centre_of():
            heading = alice.hears("Summary of", within_s=120)
            eventually(lambda: cursor_of(owner, "daily") != "2020-01-01")
        # The next process looks whether one is due before it tells anything else.
        with centre_of(), closing(AlertWriter(database.dsn("ledger_writer"), redis_address, "test")) as alerts:
            alerts.alert("the_end", "the end")
            alice.hears("the end")
    assert f"Summary of {LEDGER.end.date() - timedelta(days=1)} (UTC): " in heading.text
    (chart,) = [each for each in alice.received if each.photo is not None]
    assert chart.message_id < heading.message_id
    assert "30 days" in chart.text
    assert len([text for text in alice.texts if "Summary of" in text]) == 1


def test_the_first_start_begins_with_the_next_day(centre_of: Centres, alice: Person, ledger: Connection) -> None:
    with centre_of():
        eventually(lambda: cursor_of(ledger, "daily"))
    assert alice.received == []
