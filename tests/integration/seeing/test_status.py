"""What is told of a platform that is well, and of one where something is away."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from alpha.ledger.backups import BackupRow, add_backup
from alpha.ledger.connection import connect
from alpha.ledger.controls import DesiredState, bot_scope, set_control
from alpha.live.bot_state import write_state
from alpha.live.connection import STATE_DB, open_redis
from alpha.live.degraded import write_degraded
from telegram_manager.seeing.facts import Status
from telegram_manager.seeing.overview import NothingAnswers
from telegram_manager.seeing.standing import Standing
from telegram_manager.seeing.status import status_of
from tests.integration.seeing.stage import ACCOUNT, FIRST, LEDGER, NOW, SECOND, Stage
from tests.support import free_port


def standings(status: Status) -> dict[str, Standing]:
    return {bot.id: bot.standing for bot in status.bots}


def test_a_platform_that_is_well(stage: Stage) -> None:
    status = status_of(stage.context())
    assert status.ok, status.problems
    assert standings(status) == {FIRST: Standing.RUNNING, SECOND: Standing.RUNNING}
    first = status.bot(FIRST)
    assert first is not None
    (position,) = first.positions
    assert (position.symbol, str(position.position.quantity), str(position.unrealized_pnl)) == ("S01USDT", "0.5", "5")
    assert (first.fills, first.trades) == (LEDGER.fills // 50, LEDGER.fills // 200)
    assert first.last_fill is not None
    assert first.last_fill.at == LEDGER.time(1950)
    assert first.uptime(status.at) == timedelta(hours=2)
    assert status.market_at == LEDGER.end.replace(microsecond=LEDGER.end.microsecond // 1000 * 1000)
    assert status.database is not None
    assert status.database.fills == LEDGER.fills
    assert status.database.lag_s == pytest.approx(0.002)
    assert status.memory is not None
    assert status.memory.used > 0
    assert status.disk is not None
    assert str(status.wallets[ACCOUNT].equity) == "10000.5"  # type: ignore[union-attr]


def test_nothing_is_known_of_a_platform_that_never_ran(empty_stage: Stage) -> None:
    status = status_of(empty_stage.context())
    assert standings(status) == {FIRST: Standing.UNHEALTHY, SECOND: Standing.UNHEALTHY}
    assert "account growth_00 is not heard: no listener" in status.problems
    assert "no market data: no feed" in status.problems
    assert f"bot {FIRST} gives no sign of life" in status.problems


def test_what_has_gone_quiet_is_unhealthy(stage: Stage) -> None:
    stage.live(now=NOW - timedelta(seconds=20))
    status = status_of(stage.context())
    assert standings(status) == {FIRST: Standing.UNHEALTHY, SECOND: Standing.UNHEALTHY}
    assert "account growth_00 is not heard: live" in status.problems


def test_commands_and_halts_show(stage: Stage) -> None:
    with closing(connect(stage.database.dsn("commander"), "tests")) as connection:
        set_control(connection, bot_scope(FIRST), by="cli:me", why="news", entries_allowed=False)
        set_control(connection, bot_scope(SECOND), by="cli:me", why="rest", desired_state=DesiredState.STOPPED)
    status = status_of(stage.context())
    assert standings(status) == {FIRST: Standing.PAUSED, SECOND: Standing.STOPPING}
    assert [bot.why for bot in status.bots] == ["by cli:me: news", "by cli:me: rest"]
    limit = {"name": "drawdown_halt_percent", "value": "20", "bound": "20", "reached": True}
    with open_redis(stage.redis, 5) as redis:
        write_state(redis, FIRST, {"limits": [limit]})
    halted = status_of(stage.context())
    assert standings(halted)[FIRST] is Standing.HALTED
    assert any("is halted by its drawdown" in problem for problem in halted.problems)


def test_what_a_service_says_of_itself_is_a_problem(stage: Stage) -> None:
    with open_redis(stage.redis, STATE_DB) as redis:
        write_degraded(redis, "listener", [{"part": "ledger", "cause": "disk_full", "advice": "Free space."}])
    assert status_of(stage.context()).problems[0] == "listener, ledger: disk_full. Free space."


def test_a_failed_backup_is_a_problem(stage: Stage) -> None:
    with closing(connect(stage.database.dsn("backup"), "tests")) as connection:
        add_backup(connection, BackupRow(taken_at=NOW, file="a", ok=True, verified_at=NOW))
        well = status_of(stage.context())
        add_backup(connection, BackupRow(taken_at=NOW, file="b", ok=False, detail="no space"))
    assert well.ok, well.problems
    assert well.backup is not None
    assert status_of(stage.context()).problems == ["the last backup failed: no space"]


def test_without_redis_the_ledger_is_told_and_without_it_live_state_is(stage: Stage) -> None:
    no_redis = status_of(stage.context(redis_port=free_port()))
    assert standings(no_redis) == {FIRST: Standing.UNKNOWN, SECOND: Standing.UNKNOWN}
    assert no_redis.bots[0].fills == LEDGER.fills // 50
    assert not no_redis.live_known
    assert no_redis.problems[0].startswith("Redis at ")
    no_ledger = status_of(stage.context(postgres_port=free_port()))
    assert standings(no_ledger) == {FIRST: Standing.RUNNING, SECOND: Standing.RUNNING}
    assert not no_ledger.ledger_known
    assert no_ledger.problems[0].startswith("PostgreSQL at ")
    with pytest.raises(NothingAnswers):
        status_of(stage.context(postgres_port=free_port(), redis_port=free_port()))


def test_only_the_bots_that_run_here_are_told(stage: Stage) -> None:
    context = replace(stage.context(), running=(SECOND,), processes={"feed": None})
    status = status_of(context)
    assert list(standings(status)) == [SECOND]
    assert status.problems == ["process feed is down"]


def test_what_is_not_ours_in_redis_is_not_known_and_breaks_nothing(stage: Stage) -> None:
    with open_redis(stage.redis, 5) as redis:
        redis.hset(f"{FIRST}:position:S00USDT", mapping={"size": "many"})
        redis.delete(f"{FIRST}:heartbeat")
        redis.set(f"{FIRST}:heartbeat", "not a hash")
        redis.hset(f"{FIRST}:open_orders", mapping={"1": "no order"})
    status = status_of(stage.context())
    assert standings(status)[FIRST] is Standing.UNHEALTHY
    assert standings(status)[SECOND] is Standing.RUNNING
