"""A bot killed between every two steps of handling a fill: what the fill did has happened once."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from alpha.bot.decision import Decision
from alpha.domain.order_link_id import OrderLinkId
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.ledger.connection import Connection, connect, transaction
from alpha.ledger.fill_rows import RecordedFill
from alpha.live.connection import RedisAddress, open_redis
from alpha.live.health import read_heartbeat
from tests.chaos.echo import linked
from tests.exchange_process import PROJECT_ROOT, ExchangeProcess
from tests.integration.listener.platform import Followed
from tests.integration.listener.processes import BTCUSDT, CANARY, CN1, CODES, DATABASES, environment_of
from tests.integration.listener.relay import Relay
from tests.support import Database, eventually

pytestmark = pytest.mark.slow

_RUN = "echoes"


class DyingBot:
    """The bot, one process after another."""

    def __init__(self, folder: Path, followed: Followed) -> None:
        self._report = folder / "steps.json"
        self._log = (folder / "bot.log").open("ab")
        self._redis = open_redis(followed.redis, DATABASES[CN1])
        env = environment_of(followed.exchange, followed.database.dsn("bot"), followed.redis, followed.registry)
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.dying_bot", CN1],
            cwd=PROJECT_ROOT,
            env=env | {"ALPHA_RUN": _RUN},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._owner = followed.database.owner
        self._pid = 0

    def start(self, *, die_live: int = 0, die_resuming: int = 0) -> None:
        """Begins, and does not wait. The lease of the one before has run out by then."""
        with closing(connect(self._owner, "tests")) as connection, transaction(connection) as cursor:
            cursor.execute("DELETE FROM trading.leases")
        assert self._server.stdin is not None
        request = {"die_live": die_live, "die_resuming": die_resuming, "report": str(self._report)}
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        self._pid = self._answer()["pid"]

    def running(self) -> bool:
        heartbeat = read_heartbeat(self._redis, CN1)
        return heartbeat is not None and heartbeat.pid == self._pid and heartbeat.state == "running"

    def until_running(self) -> None:
        eventually(self.running, 20, "the bot to run")

    def ended(self) -> int:
        """Waits for the end; 0, or minus the signal."""
        return int(self._answer()["status"])

    def stop(self) -> dict[str, list[str]]:
        """Ends it in order; answers the steps that were taken, by kind."""
        os.kill(self._pid, signal.SIGTERM)
        assert self.ended() == 0
        return dict(json.loads(self._report.read_text()))

    def _answer(self) -> dict[str, Any]:
        assert self._server.stdout is not None
        answered, _, _ = select.select([self._server.stdout], [], [], 30)
        line = self._server.stdout.readline() if answered else ""
        assert line, f"no answer of the server of bots: {self._log.name}"
        return dict(json.loads(line))

    def __enter__(self) -> DyingBot:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._server as server:
            server.kill()
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        self._redis.close()
        self._log.close()


class Life:
    """Everything around the bot, and what its fills must have done."""

    def __init__(self, followed: Followed, bot: DyingBot) -> None:
        self.followed, self.bot = followed, bot

    def trade(self, count: int = 1) -> None:
        """So many fills of the bot, recorded and in its stream."""
        self.followed.trader.trade(CN1, *(Side.BUY,) * count)
        self.followed.until_recorded()
        self.followed.until_published(CN1)

    def stored(self) -> tuple[int, dict[str, Any]]:
        """Cursor and state of the strategy, as the ledger has them."""
        rows = self._ask("SELECT cursor, state FROM trading.bot_state WHERE bot = %s")
        return (rows[0][0], rows[0][1].get("strategy", {})) if rows else (0, {})

    def until_caught_up(self) -> None:
        head = len(self.fills)
        eventually(lambda: self.stored()[0] == head, 20, f"the bot to have handled fill {head}")

    @property
    def fills(self) -> list[RecordedFill]:
        return self.followed.fills(CN1)

    def check(self) -> None:
        """State, intents and orders are those of a bot that was never killed."""
        fills, chain = self.fills, ""
        for recorded in fills:
            chain = linked(chain, recorded.fill.exec_id)
        quantity = sum((recorded.fill.quantity for recorded in fills), Decimal(0))
        cursor, state = self.stored()
        assert cursor == len(fills)
        assert state == {"fills": len(fills), "quantity": str(quantity), "chain": chain}
        wanted = Counter(echo_of(recorded) for recorded in fills)
        orders = self.followed.trader.clients[CANARY].open_orders([BTCUSDT])
        assert Counter(order.order_link_id for order in orders) == wanted
        assert {order.filled_quantity for order in orders} <= {Decimal(0)}
        assert self.intents() == dict.fromkeys(wanted, "accepted")

    def intents(self) -> dict[str, str]:
        return dict(self._ask("SELECT order_link_id, outcome FROM trading.order_intents WHERE bot = %s"))

    def _ask(self, question: str) -> list[tuple[Any, ...]]:
        def ask(connection: Connection) -> list[tuple[Any, ...]]:
            with transaction(connection) as cursor:
                cursor.execute(question, (CN1,))
                return list(cursor.fetchall())

        return self.followed.query(ask)


def echo_of(recorded: RecordedFill) -> str:
    """The id of the order that answers a fill: a function of the fill alone."""
    fill = recorded.fill
    decision = Decision.on_fill(at=fill.exec_time, exec_id=fill.exec_id)
    return str(
        OrderLinkId.for_decision(
            code=CODES[CN1],
            bot=CN1,
            run=f"{_RUN}/{decision.scope_of(Reason.TIME_EXIT)}",
            symbol=fill.symbol,
            bar=decision.instant,
            reason=Reason.TIME_EXIT,
        )
    )


@pytest.fixture
def life(
    tmp_path: Path, paper_exchange: ExchangeProcess, database: Database, redis_address: RedisAddress
) -> Iterator[Life]:
    with Relay(paper_exchange.private_url) as relay:
        followed = Followed(tmp_path, paper_exchange, database, redis_address, relay)
        registry = json.loads(followed.registry.read_text())
        for bot in registry["bots"]:
            if bot["id"] == CN1:
                bot["strategy"] = "tests.chaos.echo:Echo"
        followed.registry.write_text(json.dumps(registry))
        with followed.listener as listener, DyingBot(tmp_path, followed) as dying:
            listener.until_ok()
            yield Life(followed, dying)
        followed.trader.close()


def test_a_bot_killed_between_every_two_steps_has_done_everything_once(life: Life) -> None:
    bot = life.bot
    # given the steps of a bot that is not killed: for a fill that comes while it runs, and for two from before it ran
    bot.start()
    bot.until_running()
    life.trade()
    life.until_caught_up()
    live = bot.stop()["live"]
    life.trade(2)
    bot.start()
    bot.until_running()
    life.check()
    resuming = bot.stop()["resuming"]
    # statement and COMMIT of intent, outcome and state, the order itself, the mirror in Redis
    once = ["statement of save_intent", "COMMIT", "header of a POST", "body of a POST"]
    once += ["statement of set_intent_outcome", "COMMIT"]
    saved = ["statement of save_state", "COMMIT", "SET to Redis"]
    told = ["header of a POST", "body of a POST"]
    assert live == [*once, *saved, *told, "the end"]
    # the bars that closed while it was down are a round as well, saved and told
    assert resuming == [*once, *once, *saved, *told, *saved, "the end"]
    # when it is killed at each of them, and the one after it at each of its own
    for n in range(1, max(len(live), len(resuming)) + 1):
        bot.start(die_live=n if n <= len(live) else 0)
        bot.until_running()
        # then whoever starts ends up where a bot is that was never killed
        life.check()
        life.trade()
        if n <= len(live):
            assert bot.ended() == -signal.SIGKILL, f"not at step {n} of {live}"
        else:
            life.until_caught_up()
            bot.stop()
        if n <= len(resuming):
            life.trade(2)
            bot.start(die_resuming=n)
            assert bot.ended() == -signal.SIGKILL, f"not at step {n} of {resuming}"
    bot.start()
    bot.until_running()
    life.check()
    bot.stop()
