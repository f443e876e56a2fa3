"""Two listeners of the same accounts, each behind a network link of its own, while fills keep coming."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import cycle, pairwise
from pathlib import Path
from types import TracebackType

from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.ledger.connection import connect, transaction
from alpha.ledger.heads import account_heads
from alpha.live import positions
from alpha.live.bot_keys import fills_key
from alpha.live.connection import STATE_DB, RedisAddress, open_redis
from alpha.live.health import read_listener_health
from alpha.local.drill.network import Link, LinkState, Network
from tests.exchange_process import Admin, ExchangeProcess
from tests.integration.listener.processes import (
    BTCUSDT,
    CANARY,
    CN1,
    CN2,
    DATABASES,
    ETHUSDT,
    SHORTSELLER,
    SS,
    ServiceProcess,
    environment_of,
    write_registry,
)
from tests.support import Database, eventually

ACCOUNTS = (SHORTSELLER, CANARY)
TRADED: dict[BotId, tuple[AccountName, Symbol, str]] = {
    SS: (SHORTSELLER, BTCUSDT, "0.001"),
    CN1: (CANARY, BTCUSDT, "0.001"),
    CN2: (CANARY, ETHUSDT, "0.01"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerFill:
    """What the ledger says of a fill; `exec_time` is the market's clock, `recorded_at` the database's."""

    bot: BotId
    bot_seq: int
    exec_id: str
    exec_time: datetime
    epoch: int
    source: str
    recorded_at: datetime


class Load(threading.Thread):
    """Every bot buys and sells in turn on a market that moves, until told to stop. The market must move: of what one
    millisecond of it holds, pages tell no order."""

    def __init__(self, exchange: ExchangeProcess) -> None:
        super().__init__(name="load", daemon=True)
        self._admin = Admin(exchange.admin.url, exchange.admin.token)
        self._ending = threading.Event()
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            self._admin.resume()
            for side in cycle(("Buy", "Sell")):
                self._admin.trade(
                    [
                        {"account": account, "symbol": symbol, "side": side, "qty": quantity}
                        for account, symbol, quantity in TRADED.values()
                    ]
                )
                if self._ending.wait(0.01):
                    return
        except Exception as error:  # noqa: BLE001 - told to the test, which fails with it
            self.failure = error

    def end(self) -> None:
        self._ending.set()
        self.join(10)
        self._admin.pause()
        self._admin.close()
        assert self.failure is None, self.failure


class Pair:
    """`first` holds every account and `second` stands by, once entered."""

    def __init__(self, folder: Path, exchange: ExchangeProcess, database: Database, redis: RedisAddress) -> None:
        self.exchange, self.database, self.redis = exchange, database, redis
        registry = write_registry(folder / "bots.yaml")
        self.network = Network()
        self.network.start()
        self.links: dict[str, Link] = {}
        self.listeners = []
        for name in ("first", "second"):
            link = self.links[name] = self.network.link(database.owner.port)
            dsn = replace(database.dsn("ledger_writer"), host="127.0.0.1", port=link.port)
            env = environment_of(exchange, dsn, redis, registry)
            self.listeners.append(ServiceProcess("listener", folder / f"{name}.log", env))
        self.first, self.second = self.listeners

    def __enter__(self) -> Pair:
        self.first.start()
        self.first.until_ok()
        self.until_role(self.first, "leader")
        self.second.start()
        self.until_role(self.second, "standby")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for listener in self.listeners:
            listener.__exit__(kind, error, trace)
        self.network.restore()
        self.network.close()

    def cut_off(self, listener: ServiceProcess, state: LinkState) -> None:
        """From PostgreSQL."""
        self.links["first" if listener is self.first else "second"].set(state)

    def until_role(self, listener: ServiceProcess, role: str, within_s: float = 60.0) -> None:
        def found() -> bool:
            health = listener.health()
            roles = {account: health["accounts"][account]["role"] for account in ACCOUNTS}
            assert roles == dict.fromkeys(ACCOUNTS, role), listener.log.read_text()[-3000:]
            assert health["ok"] or role == "undecided"
            return True

        eventually(lambda: listener.health() and found(), within_s, f"{listener.log.stem} to be {role}")

    def fills(self) -> list[LedgerFill]:
        """Per bot in commit order."""
        with closing(connect(self.database.owner, "tests")) as connection, transaction(connection) as cursor:
            cursor.execute(
                "SELECT bot, bot_seq, exec_id, exec_time, epoch, source, recorded_at FROM trading.fills"
                " ORDER BY bot, bot_seq"
            )
            return [
                LedgerFill(
                    bot=row[0],
                    bot_seq=row[1],
                    exec_id=row[2],
                    exec_time=row[3],
                    epoch=row[4],
                    source=row[5],
                    recorded_at=row[6],
                )
                for row in cursor.fetchall()
            ]

    def epochs(self) -> dict[AccountName, int]:
        with closing(connect(self.database.owner, "tests")) as connection:
            return {account: head.epoch for account, head in account_heads(connection).items()}

    def until_fills(self, more: int) -> None:
        """Waits until the ledger has so many fills more than now."""
        wanted = len(self.fills()) + more
        eventually(lambda: len(self.fills()) >= wanted, 20, f"{more} more fills")

    def first_live_commit(self, after: datetime) -> datetime:
        """When the first fill of a stream was committed under newer epochs than those before `after`."""
        fills = self.fills()
        before = max(fill.epoch for fill in fills if fill.recorded_at <= after)
        live = [f.recorded_at for f in fills if f.epoch > before and f.source == "stream" and f.recorded_at > after]
        assert live, "no live fill of a new epoch"
        return min(live)

    def until_equal(self, within_s: float = 20.0) -> list[LedgerFill]:
        """Waits until the ledger has what the exchange executed, each once; checks the numbers and the order."""
        executed = sorted(execution["exec_id"] for execution in self.exchange.executions())

        def equal() -> list[LedgerFill]:
            found = self.fills()
            assert len(found) == len(executed)
            assert sorted(fill.exec_id for fill in found) == executed
            return found

        fills = eventually(equal, within_s, f"{len(executed)} fills in the ledger")
        for bot in TRADED:
            mine = [fill for fill in fills if fill.bot == bot]
            assert [fill.bot_seq for fill in mine] == list(range(1, len(mine) + 1))
            disorder = [(a, b) for a, b in pairwise(mine) if a.exec_time > b.exec_time or a.epoch > b.epoch]
            assert not disorder, f"out of order, or written by who was fenced: {disorder}"
        return fills

    def until_redis_follows(self, fills: list[LedgerFill], within_s: float = 30.0) -> None:
        """Waits until streams, positions and health are those of the ledger, the exchange and the holder."""
        held = {
            (account, row["symbol"]): Decimal(row["size"]) * (1 if row["side"] == "Buy" else -1)
            for account, state in self.exchange.admin.state()["accounts"].items()
            for row in state["positions"]
        }

        def follows() -> bool:
            epochs = self.epochs()
            for bot, (account, symbol, _) in TRADED.items():
                with open_redis(self.redis, DATABASES[bot]) as client:
                    said = [int(entry_id.split("-")[0]) for entry_id, _ in client.xrange(fills_key(bot))]
                    position = positions.read(client, bot, symbol)
                mine = [fill.bot_seq for fill in fills if fill.bot == bot]
                assert said == mine[-max(1, len(said)) :]
                assert position is not None
                assert position.epoch == epochs[account]
                assert position.is_fresh()
                assert position.position.quantity == held.get((account, symbol), Decimal(0))
            with open_redis(self.redis, STATE_DB) as client:
                for account in ACCOUNTS:
                    health = read_listener_health(client, account)
                    assert health is not None
                    assert (health.state, health.epoch) == ("live", epochs[account])
            return True

        eventually(follows, within_s, "Redis to follow")
