"""The command centre as a test runs it: everything real but the address of Telegram."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import requests
from pydantic import SecretStr

from alpha.config.registry import Registry, load_registry
from alpha.config.settings import Settings
from alpha.config.telegram import load_telegram
from alpha.ledger.connection import Connection, Dsn, connect, transaction
from alpha.live.connection import RedisAddress
from alpha.service.shutdown import StopSignal
from telegram_manager.command import Command
from telegram_manager.command_table import COMMANDS
from telegram_manager.main import Manager
from telegram_manager.notifier.delivering import Pace
from tests.bot_api import Account, BotApi
from tests.support import Database, eventually

ROOT = Path(__file__).parents[3]
QUICK = Pace(
    look_s=0.05,
    private_s=0.01,
    shared_s=0.01,
    edit=timedelta(milliseconds=100),
    repeat=timedelta(hours=1),
    retry_first_s=0.05,
    retry_last_s=0.2,
)
KEYS = {
    f"{name}_BYBIT_API_{part}": f"{name.lower()}-{part.lower()}-0123456789"
    for name in ("SHORTSELLER", "LXALGO", "MOMENTUM", "CANARY")
    for part in ("KEY", "SECRET")
}


@dataclass
class Centre:
    """Runs in a thread of its own between `with` and its end."""

    api: BotApi
    bot: Account
    dsn: Dsn
    redis: RedisAddress
    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    pace: Pace = QUICK
    registry: Registry = field(default_factory=lambda: load_registry(ROOT / "bots.yaml"))
    paper_url: str = "http://127.0.0.1:1"
    commands: tuple[Command, ...] = COMMANDS
    waits: bool = True
    """Until it polls Telegram; not where Telegram is down."""
    manager: Manager | None = None

    def __enter__(self) -> Centre:
        settings = Settings(
            alpha_home=self.folder,
            alpha_paper_url=self.paper_url,
            postgres_host=self.dsn.host,
            postgres_port=self.dsn.port,
            postgres_db=self.dsn.dbname,
            postgres_user=self.dsn.user,
            postgres_password=SecretStr(self.dsn.password),
            redis_host=self.redis.host,
            redis_port=self.redis.port,
            redis_password=SecretStr(self.redis.password),
        )
        environ = {
            **KEYS,
            "C2_TELEGRAM_BOT_TOKEN": self.bot.token,
            "C2_TELEGRAM_API_URL": self.api.url,
            **self.environ,
        }
        telegram = load_telegram(environ, self.registry)
        assert telegram is not None
        self.manager = Manager(settings, self.registry, telegram, environ, pace=self.pace, commands=self.commands)
        self._stop = StopSignal()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="centre", daemon=True)
        self._thread.start()
        return self.until_listening() if self.waits else self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), "the command centre does not end"
        if self._error is not None and error is None:
            raise self._error

    def until_listening(self) -> Centre:
        """Waits until it polls Telegram for what is new."""
        eventually(lambda: self.bot.poller is not None and not self.bot.poller.done(), 60, "the first long poll")
        return self

    def health(self) -> tuple[int, dict[str, Any]]:
        assert self.manager is not None
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"http://127.0.0.1:{self.manager.health_port}/healthz", timeout=5)
        return answer.status_code, answer.json()

    def _run(self) -> None:
        assert self.manager is not None
        try:
            asyncio.run(self.manager.run(self._stop))
        except BaseException as error:  # noqa: BLE001  raised again where the test ends
            self._error = error


@contextmanager
def without_logins(database: Database) -> Iterator[None]:
    """The ledger is away: every session of the command centre is ended, and no new one begins."""
    login, _ = database.passwords["commander"]
    owner = connect(database.owner, "tests")
    try:
        _run(owner, f"ALTER ROLE {login} NOLOGIN")
        _run(owner, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{login}'")
        yield
    finally:
        _run(owner, f"ALTER ROLE {login} LOGIN")
        owner.close()


def _run(connection: Connection, statement: str) -> None:
    with transaction(connection) as cursor:
        cursor.execute(statement)
