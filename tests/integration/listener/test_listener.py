"""The listener as a process, against a real exchange, PostgreSQL and Valkey, while things break."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from alpha.domain.fill import AttributionMethod
from alpha.domain.side import Side
from alpha.ledger.alerts import Alert, alert_answering, alerts_after
from alpha.ledger.connection import connect, transaction
from alpha.ledger.drift import open_drift
from alpha.ledger.fill_rows import FillSource
from alpha.ledger.raw_events import ask_for_replay, waiting_raw_events
from alpha.live.connection import STATE_DB, RedisAddress, open_redis
from alpha.live.controls import read_controls
from alpha.local.postgres import EmbeddedPostgres
from alpha.local.valkey import EmbeddedValkey
from tests.exchange_process import ExchangeProcess, TestAccount
from tests.integration.listener.platform import Followed
from tests.integration.listener.processes import (
    BTCUSDT,
    CANARY,
    CN1,
    CN2,
    ETHUSDT,
    SHORTSELLER,
    SS,
    ServiceProcess,
    environment_of,
    write_registry,
)
from tests.integration.listener.relay import Relay, as_it_is, of_two_topics, twice, without
from tests.support import Database, eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def followed(
    tmp_path: Path, paper_exchange: ExchangeProcess, database: Database, redis_address: RedisAddress
) -> Iterator[Followed]:
    """A listener that is live, through a relay."""
    with Relay(paper_exchange.private_url) as relay:
        everything = Followed(tmp_path, paper_exchange, database, redis_address, relay)
        with everything.listener as listener:
            listener.until_ok()
            yield everything
        everything.trader.close()


def test_every_fill_reaches_the_ledger_its_bots_stream_and_the_position(followed: Followed) -> None:
    followed.trader.trade(SS, Side.SELL, Side.SELL, symbol=ETHUSDT)
    followed.trader.trade(CN1, Side.BUY)
    followed.trader.round_trips(CN2, 1, symbol=ETHUSDT)
    fills = followed.until_recorded()
    assert {fill.attribution.method for fill in fills} == {AttributionMethod.TAG}
    for bot, count in ((SS, 2), (CN1, 1), (CN2, 2)):
        assert followed.until_published(bot) == list(range(1, count + 1))
    # alone on its account: the exchange's word; sharing one: the fold of the ledger; never traded: said to be flat
    eventually(lambda: followed.held(SS, ETHUSDT) == Decimal("-0.02"), what="the short")
    eventually(lambda: followed.held(CN1) == Decimal("0.001"), what="the long")
    assert followed.held(SS, BTCUSDT) == 0
    assert followed.held(CN2, ETHUSDT) == 0
    followed.until_proven(SHORTSELLER)
    followed.until_proven(CANARY)
    health = followed.listener.health()
    assert health["latency"]["fill_to_commit_ms"]["n"] == 5
    assert health["latency"]["fill_to_redis_ms"]["n"] == 5
    assert followed.query(open_drift) == []


def test_controls_are_mirrored(followed: Followed) -> None:
    with open_redis(followed.redis, STATE_DB) as client:
        controls = eventually(lambda: read_controls(client), what="the mirror of the controls")
    assert controls.by_scope["platform"].entries_allowed


def test_what_happens_while_the_socket_is_cut_is_recovered(followed: Followed) -> None:
    followed.trader.round_trips(SS, 1)
    followed.until_recorded()
    followed.relay.refusing = True
    followed.relay.cut()
    followed.trader.round_trips(SS, 10)
    followed.trader.trade(CN1, Side.BUY)
    followed.relay.refusing = False
    fills = followed.until_recorded()
    assert Counter(fill.source for fill in fills) == {FillSource.STREAM: 2, FillSource.RECOVERY: 21}
    followed.until_published(SS)
    eventually(lambda: followed.held(CN1) == Decimal("0.001"), what="the position after the gap")
    followed.listener.until_ok()
    followed.until_proven(SHORTSELLER)


def test_a_socket_the_exchange_drops_comes_back(followed: Followed) -> None:
    before = followed.listener.account()["connections"]
    assert followed.exchange.admin.drop_sockets() >= 2
    eventually(lambda: followed.listener.account().get("connections", 0) > before, what="a new connection")
    followed.listener.until_ok()
    followed.trader.round_trips(SS, 1)
    followed.until_recorded()


def test_executions_lost_on_a_live_stream_are_found_by_the_next_look(followed: Followed) -> None:
    followed.relay.rule = without("execution")
    followed.trader.round_trips(SS, 2)
    fills = followed.until_recorded()
    assert {fill.source for fill in fills} == {FillSource.RECOVERY}
    # a stream that answers pings and does not bring what REST shows is replaced
    eventually(lambda: followed.listener.account().get("connections", 0) > 1, within_s=20, what="another connection")
    followed.relay.rule = as_it_is
    followed.listener.until_ok()
    followed.until_published(SS)
    assert followed.query(open_drift) == []


def test_a_position_lost_on_a_live_stream_is_asked_for(followed: Followed) -> None:
    followed.relay.rule = without("position")
    followed.trader.trade(SS, Side.BUY)
    followed.until_recorded()
    eventually(lambda: followed.held(SS) == Decimal("0.001"), what="the position")
    assert followed.query(open_drift) == []


def test_every_frame_twice_is_every_fill_once(followed: Followed) -> None:
    followed.relay.rule = twice
    followed.trader.round_trips(SS, 5)
    followed.until_recorded()
    followed.until_published(SS)
    assert followed.query(open_drift) == []


def test_what_cannot_be_read_is_kept_and_the_rest_goes_on(followed: Followed) -> None:
    unreadable = {
        "not json": "this is no JSON",
        "unknown topic": json.dumps({"topic": "dcp.future", "creationTime": 1, "data": []}),
        "unknown execution type": json.dumps(
            {
                "topic": "execution",
                "creationTime": 1795219423781,
                "data": [{"category": "linear", "symbol": "BTCUSDT", "execId": "x-1", "execType": "Conjured"}],
            }
        ),
        "no envelope": json.dumps({"topic": "order"}),
    }
    for frame in unreadable.values():
        followed.relay.say(frame)
    # both accounts hear each of them through the relay
    kept = eventually(
        lambda: found if len(found := followed.query(waiting_raw_events)) >= 2 * len(unreadable) else None,
        what="the raw messages",
    )
    assert {event.raw for event in kept} >= {"this is no JSON"}
    assert any("Conjured" in event.raw for event in kept)
    followed.trader.round_trips(SS, 1)
    followed.until_recorded()
    followed.listener.until_ok()
    with closing(connect(followed.database.owner, "tests")) as connection, transaction(connection) as cursor:
        cursor.execute("SELECT DISTINCT kind FROM trading.alerts")
        assert ("message_unreadable",) in cursor.fetchall()


def read_again(followed: Followed) -> Alert:
    """Asks for what waits of the first account to be read again; the answer."""
    with closing(connect(followed.database.dsn("commander"), "tests")) as commander:
        number = ask_for_replay(commander, SHORTSELLER, by="cli:test")
    return eventually(lambda: followed.query(lambda c: alert_answering(c, number)), what="the answer")


@pytest.mark.parametrize("first", ["order", "position"])
def test_executions_under_two_topics_are_kept_raw_and_recorded_once(followed: Followed, first: str) -> None:
    # What waits is read again when an account is taken: that is over before anything is said.
    read_again(followed)
    followed.relay.rule = of_two_topics(first, "execution")
    followed.trader.round_trips(SS, 2)
    executed = followed.trader.executed(SHORTSELLER)
    kept = eventually(
        lambda: found if len(found := followed.query(waiting_raw_events)) == len(executed) else None,
        what="the raw messages",
    )
    assert {(event.account, event.topic, event.reason) for event in kept} == {
        (SHORTSELLER, first, "it is of the topic execution as well")
    }
    assert sorted(json.loads(event.raw)["data"][0]["execId"] for event in kept) == sorted(executed)
    told = followed.query(lambda c: [alert for _, alert in alerts_after(c, 0) if alert.kind == "message_unreadable"])
    assert [(alert.severity, alert.account) for alert in told] == [("error", SHORTSELLER)]
    # the regular look over REST brings what the stream did not
    assert {fill.source for fill in followed.until_recorded()} == {FillSource.RECOVERY}
    # and who asks for the messages to be read again is told that it did
    followed.relay.rule = as_it_is
    answer = read_again(followed)
    assert [answer.fields[what] for what in ("read", "recorded", "unreadable")] == [len(executed), 0, 0]
    assert followed.query(waiting_raw_events) == []
    followed.until_recorded()
    followed.until_published(SS)
    followed.listener.until_ok()
    followed.until_proven(SHORTSELLER)
    assert followed.query(open_drift) == []


def test_a_killed_listener_goes_on_where_it_was(followed: Followed) -> None:
    followed.trader.trade(SS, Side.BUY)
    followed.until_recorded()
    followed.listener.kill()
    followed.trader.trade(SS, Side.BUY, Side.BUY)
    followed.trader.round_trips(CN2, 2, symbol=ETHUSDT)
    followed.listener.start()
    followed.listener.until_ok()
    followed.until_recorded()
    followed.until_published(SS)
    eventually(lambda: followed.held(SS) == Decimal("0.003"), what="the position")
    assert followed.listener.account()["epoch"] == 2
    followed.until_proven(CANARY)


def test_it_commits_what_it_has_heard_when_asked_to_end(followed: Followed) -> None:
    followed.trader.round_trips(SS, 20)
    told = len(followed.trader.executed())
    eventually(lambda: followed.listener.heard(SHORTSELLER) == told, what="the listener to have heard of every fill")
    assert followed.listener.stop() == 0
    assert len(followed.fills()) == len(followed.trader.executed())


def test_while_postgresql_is_away_positions_go_on_and_fills_wait(
    followed: Followed, postgres_server: EmbeddedPostgres
) -> None:
    followed.trader.trade(SS, Side.BUY)
    followed.until_recorded()
    postgres_server.stop()
    try:
        followed.trader.trade(SS, Side.BUY, Side.BUY)
        eventually(lambda: followed.held(SS) == Decimal("0.003"), what="the position without a ledger")
        assert followed.listener.health()["backlog"] >= 2
    finally:
        postgres_server.start()
    followed.until_recorded()
    followed.until_published(SS)
    followed.listener.until_ok()


def test_a_flushed_redis_is_rebuilt(followed: Followed, valkey_server: EmbeddedValkey) -> None:
    assert valkey_server.running
    followed.trader.trade(SS, Side.BUY, Side.SELL, Side.SELL)
    followed.trader.trade(CN1, Side.BUY)
    followed.until_recorded()
    followed.until_published(SS)
    with open_redis(followed.redis, 0) as client:
        client.flushall()
    eventually(lambda: followed.held(SS) == Decimal("-0.001"), what="the position again")
    eventually(lambda: followed.held(CN1) == Decimal("0.001"), what="the fold again")
    assert followed.until_published(SS) == [1, 2, 3]


def test_an_untagged_fill_is_the_sole_owners(followed: Followed) -> None:
    followed.trader.trade(SS, Side.BUY, tagged=False)
    followed.trader.trade(CN2, Side.BUY, symbol=ETHUSDT, tagged=False)
    fills = followed.until_recorded()
    assert {fill.attribution.method for fill in fills} == {AttributionMethod.SOLE_OWNER}


def test_a_position_from_before_the_first_contact_is_adopted(
    tmp_path: Path, paper_exchange: ExchangeProcess, database: Database, redis_address: RedisAddress
) -> None:
    with Relay(paper_exchange.private_url) as relay:
        followed = Followed(tmp_path, paper_exchange, database, redis_address, relay)
        # given a long of 0.002 that was bought before anybody listened
        followed.trader.trade(SS, Side.BUY, Side.BUY)
        before = followed.trader.executed()
        with followed.listener as listener:
            listener.until_ok()
            eventually(lambda: followed.held(SS) == Decimal("0.002"), what="the adopted position")
            # when half of it is sold
            followed.trader.trade(SS, Side.SELL)
            # then only that is a fill, and exchange and fold agree on what is left
            later = [exec_id for exec_id in followed.trader.executed() if exec_id not in before]
            eventually(lambda: [fill.fill.exec_id for fill in followed.fills()] == later, what="the one fill")
            eventually(lambda: followed.held(SS) == Decimal("0.001"), what="what is left")
            followed.until_proven(SHORTSELLER)
            assert followed.query(open_drift) == []
        followed.trader.close()


class TestStart:
    def test_two_names_for_one_uid_are_refused(
        self, tmp_path: Path, paper_exchange: ExchangeProcess, database: Database, redis_address: RedisAddress
    ) -> None:
        keys = dict.fromkeys(("shortseller", "canary"), paper_exchange.accounts["canary"])
        listener = self._listener(tmp_path, paper_exchange, database, redis_address, keys)
        assert listener.ended() == 2
        assert "have the same UID 100002" in listener.log.read_text().splitlines()[-1]

    def test_a_wrong_key_says_which_account_and_environment(
        self, tmp_path: Path, paper_exchange: ExchangeProcess, database: Database, redis_address: RedisAddress
    ) -> None:
        wrong = ExchangeProcess(tmp_path / "another").accounts["canary"]
        keys = {"shortseller": paper_exchange.accounts["shortseller"], "canary": wrong}
        listener = self._listener(tmp_path, paper_exchange, database, redis_address, keys)
        assert listener.ended() != 0
        last_line = listener.log.read_text().splitlines()[-1]
        assert "canary" in last_line
        assert "paper" in last_line

    def test_an_exchange_that_is_away_is_waited_for(
        self, tmp_path: Path, paper_exchange: ExchangeProcess, database: Database, redis_address: RedisAddress
    ) -> None:
        paper_exchange.kill()
        listener = self._listener(tmp_path, paper_exchange, database, redis_address, None)
        eventually(lambda: listener.health().get("ok") is False, within_s=30, what="the listener to answer")
        paper_exchange.start()
        listener.until_ok()
        listener.kill()

    def _listener(
        self,
        folder: Path,
        exchange: ExchangeProcess,
        database: Database,
        redis: RedisAddress,
        keys: Mapping[str, TestAccount] | None,
    ) -> ServiceProcess:
        registry = write_registry(folder / "bots.yaml")
        env = environment_of(exchange, database.dsn("ledger_writer"), redis, registry, keys)
        listener = ServiceProcess("listener", folder / "listener.log", env)
        listener.start()
        return listener
