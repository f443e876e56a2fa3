"""`alpha rebuild-live` with a listener that does it, and without one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alpha.domain.side import Side
from alpha.ledger.heads import account_heads
from alpha.live import fill_stream, positions
from alpha.live.bot_keys import position_key
from alpha.live.connection import RedisAddress, open_redis
from tests.exchange_process import PROJECT_ROOT, ExchangeProcess
from tests.integration.listener.platform import Followed
from tests.integration.listener.processes import BTCUSDT, CANARY, CN1, CN2, DATABASES, SS
from tests.integration.listener.relay import Relay
from tests.support import Database, eventually, free_port

pytestmark = pytest.mark.slow


@pytest.fixture
def followed(
    tmp_path: Path, paper_exchange: ExchangeProcess, database: Database, redis_address: RedisAddress
) -> Iterator[Followed]:
    """A listener that is live, with three fills of one bot and one of another."""
    with Relay(paper_exchange.private_url) as relay:
        everything = Followed(tmp_path, paper_exchange, database, redis_address, relay)
        with everything.listener as listener:
            listener.until_ok()
            everything.trader.trade(SS, Side.BUY, Side.SELL, Side.SELL)
            everything.trader.trade(CN1, Side.BUY)
            everything.until_recorded()
            everything.until_published(SS)
            eventually(lambda: everything.held(CN1), what="the position of the shared account")
            yield everything
        everything.trader.close()


def rebuild_live(
    followed: Followed, *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alpha.cli", "rebuild-live", *arguments],
        cwd=followed.registry.parent,
        env=followed.listener.env | {"PYTHONPATH": str(PROJECT_ROOT)} | (env or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def spoil(followed: Followed) -> None:
    """Somebody has written into a bot's database."""
    with open_redis(followed.redis, DATABASES[SS]) as client:
        client.hset(position_key(SS, BTCUSDT), mapping={"size": "77", "side": "long", "seq": str(10**12)})
        client.xtrim(fill_stream.fills_key(SS), maxlen=1)


def rebuilt(answer: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    assert answer.returncode == 0, answer.stderr
    return {each["bot"]: each for each in json.loads(answer.stdout)["rebuilt"]}


def test_the_listener_that_holds_the_accounts_writes_everything_anew(followed: Followed) -> None:
    spoil(followed)
    done = rebuilt(rebuild_live(followed, "--json"))
    assert {bot: each["by"] for bot, each in done.items()} == dict.fromkeys((SS, CN1, CN2), "listener")
    assert (done[SS]["first_fill"], done[SS]["last_fill"], done[SS]["positions"]) == (1, 3, 2)
    # 1 bought and 2 sold of 0.001 each
    eventually(lambda: str(followed.held(SS)) == "-0.001", what="the position as the exchange has it")
    assert followed.until_published(SS) == [1, 2, 3]


def test_without_a_listener_the_ledger_alone_is_written_and_nobody_confirms_it(followed: Followed) -> None:
    account = followed.query(account_heads)[CANARY]
    followed.listener.stop()
    eventually(lambda: followed.query(account_heads)[CANARY].lease_expired, what="the lease to end")
    with open_redis(followed.redis, 0) as client:
        client.flushall()
    answer = rebuild_live(followed, "--bot", CN1, "--bot", SS)
    assert answer.returncode == 0, answer.stderr
    assert f"{CN1}: 1 positions, 0 open orders, fills 1 to 1" in answer.stdout
    assert "from the ledger alone" in answer.stdout
    with open_redis(followed.redis, DATABASES[CN1]) as client:
        row = positions.read(client, CN1, BTCUSDT)
    assert row is not None
    assert (str(row.position.quantity), row.is_fresh(), row.epoch) == ("0.001", False, account.epoch)
    assert followed.until_published(SS) == [1, 2, 3]
    with open_redis(followed.redis, DATABASES[CN2]) as client:
        assert client.keys("*") == []
    # and a listener that starts goes on from there
    with followed.listener as listener:
        listener.until_ok()
        eventually(lambda: str(followed.held(CN1)) == "0.001", what="the position, confirmed")


def test_what_cannot_be_reached_is_named(followed: Followed) -> None:
    away = rebuild_live(followed, "--bot", SS, env={"REDIS_PORT": str(free_port())})
    assert (away.returncode, away.stderr.count("\n")) == (3, 1)
    assert "Redis at" in away.stderr
    unknown = rebuild_live(followed, "--bot", "nobody_001")
    assert unknown.returncode == 2
    assert "there are:" in unknown.stderr
