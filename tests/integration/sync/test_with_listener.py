"""Sync and backfill beside a running listener, against a real exchange, PostgreSQL and Valkey."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from alpha.domain.side import Side
from alpha.ledger.coverage import CoverageKind, add_interval, intervals, start_of_account
from alpha.ledger.drift import DriftKind, open_drift
from alpha.ledger.sync_requests import request_sync, sync_request
from alpha.ledger.sync_status import SyncTask, statuses
from tests.integration.listener.processes import BTCUSDT, CANARY, ETHUSDT, SHORTSELLER, SS, write_registry
from tests.integration.sync.scene import Scene, SyncService
from tests.support import eventually

pytestmark = pytest.mark.slow


def test_a_missing_execution_is_doubted_and_the_listener_recovers_it(scene: Scene) -> None:
    # given an account whose listener was away for two fills, and a claim that nothing is missing there
    with scene.listener as listener:
        listener.until_ok()
        scene.trader.trade(SS, Side.SELL)
        scene.until_proven()
        listener.stop()
    scene.trader.trade(SS, Side.SELL, Side.BUY)
    now = scene.client.market_time()
    before = scene.fills()
    scene.as_listener(
        lambda connection: add_interval(
            connection, SHORTSELLER, CoverageKind.PROVEN, start_of_account(connection, SHORTSELLER) or now, now
        )
    )
    # when it is compared
    done = scene.sync()
    # then both are named, nothing is written to the fills, and their time counts as unproven
    assert done.ok
    assert done.findings == 2
    missing = [each.finding for each in open_drift(scene.ledger, SHORTSELLER)]
    assert {finding.kind for finding in missing} == {DriftKind.MISSING_FILL}
    assert {finding.subject for finding in missing} == set(scene.trader.executed()) - set(before)
    assert scene.fills() == before
    assert intervals(scene.ledger, SHORTSELLER)[-1].kind is CoverageKind.UNPROVEN
    # and a listener that comes back reads it again
    with scene.listener as listener:
        listener.until_ok()
        eventually(lambda: sorted(scene.fills()) == sorted(scene.trader.executed()), 60, "the fills to be recovered")
        scene.until_proven()
        eventually(lambda: scene.sync().findings == 0, 60, "nothing to be missing")
    assert open_drift(scene.ledger, SHORTSELLER) == []


def test_the_past_before_the_first_contact_is_backfilled_by_the_listener(scene: Scene) -> None:
    # given a round trip and an open position from before the platform saw the account
    scene.trader.round_trips(SS, 2)
    scene.trader.trade(SS, Side.SELL, symbol=ETHUSDT)
    scene.exchange.admin.run(2)
    old = scene.trader.executed()
    with scene.listener as listener:
        listener.until_ok()
        scene.trader.trade(SS, Side.SELL)
        scene.until_proven()
        contact = start_of_account(scene.ledger, SHORTSELLER)
        assert len(scene.fills()) == 1
        # when two backfills and a sync run at once
        running = [scene.alpha("backfill", "--months", "1", "--bot", SS, "--json") for _ in range(2)]
        scene.sync()
        answers = [process.communicate(timeout=120) for process in running]
        assert [process.returncode for process in running] == [0, 0], answers
        # then everything is there, once, and proven from a month before on
        assert sorted(scene.fills()) == sorted(scene.trader.executed())
        begins = start_of_account(scene.ledger, SHORTSELLER)
        assert begins is not None
        assert contact is not None
        assert (contact - begins).days >= 27
        # and another one has nothing to do
        again = scene.alpha("backfill", "--months", "1", "--bot", SS, "--json")
        said, _ = again.communicate(timeout=120)
        assert again.returncode == 0
        assert json.loads(said)["accounts"][SHORTSELLER]["opened"] is False
        # books and live positions are what they were: the opening position has counted those fills already
        held = scene.ask("SELECT symbol, quantity FROM trading.books WHERE bot = %s ORDER BY symbol", (SS,))
        assert held == [(BTCUSDT, Decimal("-0.001")), (ETHUSDT, Decimal("-0.01"))]
    # the closed P&L of the past has the bot of its fills, and its windows are complete
    owners = scene.ask("SELECT bot, side, closed_quantity FROM trading.completed_trades ORDER BY created_at")
    assert owners == [(SS, "Sell", Decimal("0.001")), (SS, "Sell", Decimal("0.001"))]
    entries = scene.ask("SELECT count(*) FROM trading.account_log WHERE trade_id = ANY(%s)", (old,))
    assert entries == [(len(old),)]
    weeks = [each for each in statuses(scene.ledger) if each.task is SyncTask.ACCOUNT_LOG]
    assert len(weeks) >= 5
    # the last two are not over long enough to be read for the last time
    assert all(each.complete and each.ok for each in weeks[:-2])


def test_a_backfill_that_is_killed_in_the_middle_is_finished_by_the_next_one(scene: Scene) -> None:
    # given a past from before the platform saw the account
    scene.trader.round_trips(SS, 3)
    scene.exchange.admin.run(2)
    with scene.listener as listener:
        listener.until_ok()
        scene.until_proven()
        contact = start_of_account(scene.ledger, SHORTSELLER)
        assert contact is not None
        # when command and listener are killed as soon as the past is asked for
        killed = scene.alpha("backfill", "--months", "1", "--bot", SS, "--json")
        eventually(
            lambda: (start_of_account(scene.ledger, SHORTSELLER) or contact) < contact, 60, "the past to be opened"
        )
        listener.kill()
        killed.kill()
        killed.communicate(timeout=60)
    # then who comes back reads it to its end, without anybody asking for it once more
    with scene.listener as listener:
        listener.until_ok()
        again = scene.alpha("backfill", "--months", "1", "--bot", SS, "--json")
        said, errors = again.communicate(timeout=120)
        assert again.returncode == 0, errors
        done = json.loads(said)["accounts"][SHORTSELLER]
        assert (done["opened"], done["recovered"]) == (False, 1.0)
    # and each fill is there once
    assert sorted(scene.fills()) == sorted(scene.trader.executed())


def test_a_backfill_starts_a_listener_where_none_runs(scene: Scene) -> None:
    scene.trader.round_trips(SS, 1)
    running = scene.alpha("backfill", "--months", "1", "--json", group="owner")
    said, errors = running.communicate(timeout=150)
    assert running.returncode == 0, errors
    assert json.loads(said)["accounts"][SHORTSELLER]["recovered"] == 1.0
    assert sorted(scene.fills()) == sorted(scene.trader.executed())
    # and takes it along when it ends
    heads = scene.ask("SELECT lease_until <= clock_timestamp() FROM trading.account_leases")
    assert heads == [(True,)]


def test_the_service_answers_who_asks_and_names_the_cause_when_it_cannot(scene: Scene) -> None:
    with scene.listener as listener:
        listener.until_ok()
        scene.trader.round_trips(SS, 1)
        scene.until_proven()
    with SyncService(scene) as service:
        number = request_sync(scene.ledger, SHORTSELLER, by="tests", why="to see")
        done = eventually(
            lambda: (found := sync_request(scene.ledger, number)) and found.done_at and found, 60, "the answer"
        )
        assert done.ok
        assert done.result is not None
        assert done.result[SHORTSELLER]["tasks"]["account_log"]["rows"] == 2
        unknown = request_sync(scene.ledger, None, by="tests")
        eventually(lambda: (found := sync_request(scene.ledger, unknown)) and found.ok, 60, "all accounts")
        assert service.stop() == 0
    command = scene.alpha("sync", "--account", SHORTSELLER, "--json")
    printed, _ = command.communicate(timeout=120)
    assert command.returncode == 0
    assert json.loads(printed)["accounts"][SHORTSELLER]["tasks"]["executions"]["ok"]
    assert scene.ask("SELECT count(*) > 0 FROM trading.equity_snapshots WHERE source = 'sync'") == [(True,)]
    # given a key that the exchange does not know
    with SyncService(scene, SHORTSELLER_BYBIT_API_KEY="of-another-environment"):
        for _ in range(2):
            number = request_sync(scene.ledger, SHORTSELLER, by="tests")
            eventually(lambda: (found := sync_request(scene.ledger, number)) and found.done_at, 60, "the failure")  # noqa: B023
        told = eventually(
            lambda: scene.ask("SELECT text, fields ->> 'cause' FROM trading.alerts WHERE kind = 'sync_failing'"),
            60,
            "the alert",
        )
    assert len(told) == 1
    assert told[0][1] == "wrong_environment"
    assert "check ALPHA_MODE" in told[0][0]
    failing = [each for each in statuses(scene.ledger) if not each.ok]
    assert [(each.task, each.failures, each.cause) for each in failing] == [(SyncTask.KEY, 2, "wrong_environment")]


def test_a_day_without_anything_to_prove_is_one_sentence(scene: Scene) -> None:
    # given an account that is known, and a day that was over by then and one that has not begun
    with scene.listener as listener:
        listener.until_ok()
        scene.until_proven()
    days = {"1999-01-01": "nothing is known of 1999-01-01", "2999-01-01": "2999-01-01 has not begun"}
    asked = {day: scene.alpha("proof", "--day", day) for day in days}
    for day, words in days.items():
        _, errors = asked[day].communicate(timeout=120)
        assert asked[day].returncode == 2, errors
        assert words in errors
        assert len(errors.strip().splitlines()) == 1


def test_a_day_from_before_an_account_was_known_is_judged_for_the_others(scene: Scene) -> None:
    # given an account that is known for weeks, and one since today
    scene.registry = write_registry(scene.folder / "two.yaml", accounts=(SHORTSELLER, CANARY))
    now = scene.client.market_time()
    for account, known in ((SHORTSELLER, timedelta(days=20)), (CANARY, timedelta(hours=1))):
        scene.as_listener(
            lambda ledger: add_interval(ledger, account, CoverageKind.PROVEN, now - known, now)  # noqa: B023
        )
    day = (now - timedelta(days=10)).date()
    # when a day between is asked about
    asked = scene.alpha("proof", "--day", day.isoformat(), "--json")
    said, errors = asked.communicate(timeout=120)
    # then the one is judged, and of the other it is said that there is nothing
    assert asked.returncode == 0, errors
    told = json.loads(said)
    assert [(each["account"], each["proven"]) for each in told["accounts"]] == [(SHORTSELLER, True)]
    assert list(told["first_seen_later"]) == [CANARY]
