"""An exchange, a database, and whatever of listener and sync service a test starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from alpha.domain.ids import AccountName
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.connection import Connection, connect, transaction
from alpha.ledger.coverage import intervals, proven_end
from alpha.live.connection import RedisAddress
from tests.exchange_process import PROJECT_ROOT, ExchangeProcess
from tests.integration.listener.processes import (
    SHORTSELLER,
    ServiceProcess,
    Trader,
    environment_of,
    write_registry,
)
from tests.support import Database, eventually
from trade_sync_service.account_sync import AccountSync, sync_account
from trade_sync_service.comparison import SyncTiming

T = TypeVar("T")

QUICK = SyncTiming(settle_s=0.2, overlap=timedelta(days=1), reach=timedelta(days=729))
"""The paper exchange's list does not lag here."""


class Scene:
    """Everything around one account, `shortseller`."""

    def __init__(self, folder: Path, exchange: ExchangeProcess, database: Database, redis: RedisAddress) -> None:
        self.exchange, self.database, self.redis, self.folder = exchange, database, redis, folder
        self.registry = write_registry(folder / "bots.yaml", accounts=(SHORTSELLER,))
        self.trader = Trader(exchange)
        self.client: ExchangeClient = self.trader.clients[SHORTSELLER]
        self._ending = ExitStack()
        self.ledger = self._ending.enter_context(closing(connect(database.dsn("sync_writer"), "tests")))
        self.listener = ServiceProcess("listener", folder / "listener.log", self.env("ledger_writer"))

    def env(self, group: str) -> dict[str, str]:
        """What a process of a group is given; `owner` may do everything."""
        dsn = self.database.owner if group == "owner" else self.database.dsn(group)
        env = environment_of(self.exchange, replace(dsn, password=dsn.password or "none"), self.redis, self.registry)
        return env | {"ALPHA_HOME": str(self.folder / "home")}

    def alpha(self, *arguments: str, group: str = "sync_writer") -> subprocess.Popen[str]:
        """Begins a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "alpha.cli", *arguments],
            cwd=PROJECT_ROOT,
            env=self.env(group),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def sync(self, timing: SyncTiming = QUICK) -> AccountSync:
        return sync_account(self.client, self.ledger, timing=timing)

    def ask(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with transaction(self.ledger) as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall()

    def as_listener(self, work: Callable[[Connection], T]) -> T:
        """Something only the listener may write."""
        with closing(connect(self.database.dsn("ledger_writer"), "tests")) as connection:
            return work(connection)

    def fills(self) -> list[str]:
        return [row[0] for row in self.ask("SELECT exec_id FROM trading.fills ORDER BY exec_time, seq")]

    def until_proven(self, account: AccountName = SHORTSELLER) -> None:
        """Waits until the account is proven up to the market's time now."""
        until = self.client.market_time()

        def proven() -> bool:
            end = proven_end(intervals(self.ledger, account))
            return end is not None and end >= until

        eventually(proven, 60, f"{account} to be proven until {until}")

    def __enter__(self) -> Scene:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.close()
        self.trader.close()


class SyncService:
    """`python -m trade_sync_service`."""

    def __init__(self, scene: Scene, **changes: str) -> None:
        self._log = scene.folder / "trade-sync.log"
        self._env = scene.env("sync_writer") | changes
        self._process: subprocess.Popen[bytes] | None = None

    def stop(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(20)

    def events(self, name: str) -> list[dict[str, Any]]:
        """What it has logged under this name."""
        lines = self._log.read_text().splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [each for each in found if each.get("event") == name]

    def __enter__(self) -> SyncService:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "trade_sync_service"],
                cwd=PROJECT_ROOT,
                env={**os.environ, **self._env},
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)
