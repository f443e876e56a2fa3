"""A disagreement with the exchange stops a bot's entries, by way of ledger, listener and Redis, until a person
decides."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from alpha.bot.checkpoint import Checkpoint
from alpha.bot.live_state import LiveState
from alpha.bot.progress import Progress
from alpha.config.registry import BotConfig, load_registry
from alpha.domain.ids import BotId
from alpha.ledger.connection import connect, transaction
from alpha.ledger.drift import Finding, add_changed_drift
from alpha.live.connection import STATE_DB, RedisAddress, open_redis
from tests.exchange_process import PROJECT_ROOT, ExchangeProcess
from tests.integration.listener.platform import Followed
from tests.integration.listener.processes import BTCUSDT, CANARY, CN1, CN2, ETHUSDT
from tests.integration.listener.relay import Relay
from tests.support import Database, eventually
from websocket_listener.live_positions import Disagreement
from websocket_listener.position_drift import finding_of

pytestmark = pytest.mark.slow


class Gates:
    """What the gates of two bots on one account say of their positions, while a real listener runs."""

    def __init__(self, followed: Followed) -> None:
        self.followed = followed
        registry = load_registry(followed.registry)
        self._state = open_redis(followed.redis, STATE_DB)
        self._own = {bot: open_redis(followed.redis, registry.bots[bot].redis_db) for bot in (CN1, CN2)}
        self._live = {bot: self._live_state(registry.bots[bot]) for bot in (CN1, CN2)}

    def _live_state(self, bot: BotConfig) -> LiveState:
        return LiveState(
            bot=bot,
            own=self._own[bot.id],
            state=self._state,
            ticker_fresh_for=timedelta(seconds=60),
            instruments={},
            progress=Progress(Checkpoint(), 0),
            lease_held=lambda: True,
            is_stopping=lambda: False,
            ask_equity=lambda: Decimal(1),
        )

    def says(self, bot: BotId) -> str:
        """Why the bot may open nothing, or "" when nothing speaks against it."""
        problem = self._live[bot].position_problem(BTCUSDT if bot == CN1 else ETHUSDT)
        return "" if problem is None else problem.code

    def until(self, **said: str) -> None:
        """Waits until the gates say so."""
        wanted = {CN1: said["cn1"], CN2: said["cn2"]}
        eventually(lambda: {bot: self.says(bot) for bot in wanted} == wanted, 15, f"the gates to say {wanted}")

    def finds(self, exchange: str, *bots: BotId) -> None:
        """What the sync service finds: the exchange holds something and our fills make nothing. On a row that the
        listener does not compare: it would see at once that this is not so."""
        found: Finding = finding_of(
            CANARY,
            Disagreement(
                symbol=BTCUSDT,
                position_idx=7,
                bots=bots,
                exchange_quantity=Decimal(exchange),
                fold_quantity=Decimal(0),
            ),
        )
        with closing(connect(self.followed.database.dsn("sync_writer"), "tests")) as connection:
            add_changed_drift(connection, found, by="tests")

    def command(self, *arguments: str, role: str = "commander") -> tuple[int, str]:
        """Exit code and output of `alpha ...` in another terminal."""
        dsn = self.followed.database.dsn(role)
        env = self.followed.listener.env | {"POSTGRES_USER": dsn.user, "POSTGRES_PASSWORD": dsn.password}
        done = subprocess.run(
            [sys.executable, "-m", "alpha.cli", *arguments],
            cwd=PROJECT_ROOT,
            env=env | {"ALPHA_HOME": str(self.followed.registry.parent)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def open_drift(self) -> list[dict[str, Any]]:
        return list(json.loads(self.command("drift", "--json", role="reader")[1])["open"])

    def audited(self) -> list[tuple[str, str, str]]:
        dsn = self.followed.database.dsn("reader")
        with closing(connect(dsn, "tests")) as connection, transaction(connection) as cursor:
            cursor.execute("SELECT actor, action, why FROM trading.audit_events ORDER BY id")
            return list(cursor.fetchall())

    def close(self) -> None:
        for client in (self._state, *self._own.values()):
            client.close()


@pytest.fixture
def gates(
    tmp_path: Path, paper_exchange: ExchangeProcess, database: Database, redis_address: RedisAddress
) -> Iterator[Gates]:
    with Relay(paper_exchange.private_url) as relay:
        followed = Followed(tmp_path, paper_exchange, database, redis_address, relay)
        with followed.listener as listener:
            listener.until_ok()
            found = Gates(followed)
            found.until(cn1="", cn2="")
            yield found
            found.close()
        followed.trader.close()


def test_drift_blocks_until_it_is_accepted_or_resolved_and_again_when_it_changes(gates: Gates) -> None:
    # given nothing that disagrees
    assert gates.command("drift", role="reader") == (0, "ledger and exchange agree\n")
    # when a position of one bot does
    gates.finds("1", CN1)
    # then that bot opens nothing, and the other on its account goes on
    gates.until(cn1="drift", cn2="")
    code, listed = gates.command("drift", role="reader")
    assert (code, "blocks new entries of canary_001" in listed) == (1, True), listed
    (found,) = gates.open_drift()
    # a decision needs a reason
    assert gates.command("drift", "accept", str(found["id"]), "--why", " ")[0] == 2
    assert gates.command("drift", "accept", "999", "--why", "wrong number")[0] == 1
    # when a person accepts it
    assert gates.command("drift", "accept", str(found["id"]), "--why", "known")[0] == 0
    gates.until(cn1="", cn2="")
    assert gates.command("drift", role="reader")[0] == 0
    # then finding the same again changes nothing
    gates.finds("1", CN1)
    (accepted,) = gates.open_drift()
    assert (accepted["times"], accepted["blocks_entries"]) == (2, False)
    assert gates.says(CN1) == ""
    # and another difference blocks again, until it is resolved
    gates.finds("2", CN1)
    gates.until(cn1="drift", cn2="")
    (changed,) = gates.open_drift()
    assert gates.command("drift", "resolve", str(changed["id"]), "--why", "mended")[0] == 0
    gates.until(cn1="", cn2="")
    audited = gates.audited()
    assert [(action, why) for _, action, why in audited] == [("drift_accept", "known"), ("drift_resolve", "mended")]
    assert all(actor.startswith("cli:") for actor, _, _ in audited)


def test_drift_that_nobody_owns_blocks_every_bot_of_its_account(gates: Gates) -> None:
    gates.finds("1")
    gates.until(cn1="drift", cn2="drift")
    (found,) = gates.open_drift()
    assert gates.command("drift", "resolve", str(found["id"]), "--why", "closed by hand")[0] == 0
    gates.until(cn1="", cn2="")
