"""Everything a drill needs, as processes of this one: servers, exchange, two listeners, and the network between."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import TracebackType

from alpha.config.modes import Mode
from alpha.ledger.connection import Dsn, LedgerError, connect
from alpha.ledger.heads import account_heads
from alpha.ledger.sessions import end_sessions
from alpha.live.connection import RedisAddress, open_redis
from alpha.local.children import Child
from alpha.local.data_directory import prepare_home
from alpha.local.drill.cast import write_registry
from alpha.local.drill.listeners import DrillListener, Links
from alpha.local.drill.network import Network
from alpha.local.environments import LOGINS, connection_environment, inherited_environment, key_environment
from alpha.local.errors import StartFailed, StartInterrupted
from alpha.local.exchange_admin import ExchangeAdmin
from alpha.local.kept import KeptRun
from alpha.local.loopback_http import status_of
from alpha.local.paper_market import PaperMarket
from alpha.local.platform import ALPHA
from alpha.local.postgres import EmbeddedPostgres
from alpha.local.preflight import PROJECT
from alpha.local.service_user import service_user
from alpha.local.valkey import EmbeddedValkey
from alpha.local.waiting import never, wait_until_ready
from database.migrate import migrate
from database.roles import ensure_login

LISTENER_COMMAND = (*ALPHA, "listener")

_BALANCE_USDT = Decimal(1_000_000_000)
# Five minutes of market in a fifth of a second: days pass, funding is paid, and no two outages share a bar.
_MARKET_SPEED = 1500.0
_STATE = "exchange"
_READY_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.05
_LISTENERS = ("listener-a", "listener-b")


class Stage:
    """The parts of one drill, below a directory of their own. Use as a context, in the main thread.

    `listener_command` runs a listener; tests give one that lacks something. `prepare` is called with the owner's login
    when the database has been migrated.
    """

    def __init__(
        self,
        *,
        accounts: int,
        seed: int,
        listeners: int = 2,
        listener_command: Sequence[str] = LISTENER_COMMAND,
        prepare: Callable[[Dsn], None] = lambda _: None,
        interrupted: Callable[[], bool] = never,
        on_progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="alpha-drill-"))
        self.logs.mkdir()
        self.journal = self.home / "journal.jsonl"
        self._seed, self._names = seed, _LISTENERS[:listeners]
        self._command, self._prepare = tuple(listener_command), prepare
        self._interrupted, self._progress = interrupted, on_progress
        self.registry = write_registry(self.home / "bots.yaml", accounts)
        self.postgres = EmbeddedPostgres(self.home, durable=False)
        self.valkey = EmbeddedValkey(self.home)
        self.network = Network()
        self.listeners: list[DrillListener] = []
        self.market: PaperMarket
        self._exchange: Child | None = None
        self._logins: dict[str, tuple[str, str]] = {}

    def __enter__(self) -> Stage:
        try:
            self._start_all()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends every process at once: nothing of a drill is worth a graceful end. Files stay until `remove`."""
        for listener in self.listeners:
            listener.kill()
        if self._exchange is not None:
            self._exchange.kill()
        self.valkey.stop(0)
        self.postgres.stop(0)
        self.network.close()

    def remove(self) -> None:
        """Deletes every file of the drill, after `close`."""
        self.postgres.remove()
        self.valkey.remove()
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def log(self) -> Path:
        """For what the drill itself has to say."""
        return self.logs / "drill.log"

    def dsn(self, role: str) -> Dsn:
        """A login that does not pass the drill's network: owner, or a role of the platform."""
        return self.postgres.dsn() if role == "owner" else self.postgres.dsn(*self._logins[role])

    def environment(self, role: str) -> dict[str, str]:
        """The environment in which a tool acts in a role, not through the drill's network."""
        connections = connection_environment(self.dsn(role), self.redis_address())
        keys = key_environment(self.registry.accounts.values(), self.market.keys)
        return self._common() | connections | keys | {"ALPHA_PAPER_URL": self.market.url}

    def redis_address(self) -> RedisAddress:
        """Redis, not through the drill's network."""
        return self.valkey.address()

    def admin(self) -> ExchangeAdmin:
        """A client of the exchange's administration, for one thread."""
        return ExchangeAdmin(self.market.admin_url, self.market.admin_token)

    def leader(self) -> DrillListener:
        """The listener that writes for most accounts now; the first one while nobody says so."""
        try:
            with closing(connect(self.dsn("reader"), "drill", 2)) as connection:
                holders = [head.holder for head in account_heads(connection).values() if not head.lease_expired]
        except LedgerError:
            holders = []
        return max(self.listeners, key=lambda each: sum(holder.endswith(f":{each.pid}") for holder in holders))

    def standby(self) -> DrillListener:
        """The other listener, or the only one."""
        leader = self.leader()
        return next((each for each in self.listeners if each is not leader), leader)

    def all_live(self) -> bool:
        """Whether each account is live on one of the listeners."""
        live: set[str] = set().union(*(listener.live_accounts() for listener in self.listeners))
        return live >= set(self.registry.accounts)

    def end_sessions(self) -> int:
        """Ends the sessions of the listeners on PostgreSQL; how many."""
        with closing(connect(self.dsn("owner"), "drill", 2)) as connection:
            return end_sessions(connection, "alpha-listener")

    def flush_redis(self) -> int:
        """Empties Redis; how many keys it held."""
        with open_redis(self.redis_address(), 0) as client:
            held = sum(int(database["keys"]) for database in client.info("keyspace").values())
            client.flushall()
        return held

    def restart_exchange(self) -> Child:
        """Begins the exchange, from its state when there was one before, and does not wait."""
        arguments = self.market.arguments(
            speed=_MARKET_SPEED, seed=self._seed, candles=None, journal=self.journal, state=self.home / _STATE
        )
        self._exchange = Child(
            "paper-exchange",
            [*ALPHA, *arguments, "--lockstep", "off"],
            env=self._common() | {"ALPHA_EXCHANGE_ADMIN_TOKEN": self.market.admin_token},
            log=self.logs / "paper-exchange.log",
            cwd=PROJECT,
        )
        self._exchange.start()
        return self._exchange

    def kill_exchange(self) -> None:
        if self._exchange is not None:
            self._exchange.kill()

    def exchange_answers(self) -> bool:
        """Whether the exchange is open. Raises StartFailed when it ended instead."""
        if self._exchange is not None and not self._exchange.running:
            raise StartFailed(f"the paper exchange ended: {self._exchange.last_words()}")
        return status_of(f"{self.market.url}/healthz") == 200

    def kill_servers(self) -> None:
        """kill -9 of PostgreSQL and Redis."""
        for server in (self.postgres.child, self.valkey.child):
            if server is not None:
                # And waited for: of a process that nobody has waited for PostgreSQL believes that it runs.
                server.kill()

    def _start_all(self) -> None:
        prepare_home(self.home, service_user())
        self._say("starting PostgreSQL and Valkey")
        self.postgres.start(self._interrupted)
        self.valkey.start(self._interrupted)
        migrate(self.postgres.dsn())
        with closing(connect(self.postgres.dsn(), "drill")) as connection:
            for role, group in LOGINS.items():
                self._logins[role] = (f"local_{role}", secrets.token_urlsafe(24))
                ensure_login(connection, *self._logins[role], group)
        self._prepare(self.postgres.dsn())
        self._say("starting the paper exchange")
        self.market = PaperMarket(self.home, self.registry, _BALANCE_USDT)
        exchange = self.restart_exchange()
        wait_until_ready(exchange, self.exchange_answers, within_s=_READY_WITHIN_S, interrupted=self._interrupted)
        self._say(f"starting {len(self._names)} listeners")
        self.network.start()
        self.listeners = [self._listener(name) for name in self._names]
        for listener in self.listeners:
            listener.start()
        self._wait_until_well()
        KeptRun(mode=Mode.PAPER, state=_STATE, seed=self._seed).write(self.home, self.registry)
        self.market.release()

    def _wait_until_well(self) -> None:
        """Until one listener is live and the other stands by."""
        give_up = time.monotonic() + _READY_WITHIN_S
        while not all(listener.health().get("ok") for listener in self.listeners):
            if self._interrupted():
                raise StartInterrupted("stopped while the listeners were starting")
            for listener in self.listeners:
                if not listener.running:
                    raise StartFailed(f"{listener.name} ended: {listener.last_words()} (log: {listener.log})")
            if time.monotonic() > give_up:
                raise StartFailed(f"the listeners are not well after {_READY_WITHIN_S:.0f} s (logs: {self.logs})")
            time.sleep(_LOOK_EVERY_S)

    def _listener(self, name: str) -> DrillListener:
        links = Links(
            postgres=self.network.link(self.postgres.port),
            redis=self.network.link(self.valkey.port),
            exchange=self.network.link(self.market.port),
        )
        dsn = replace(self.dsn("listener"), port=links.postgres.port)
        redis = replace(self.valkey.address(), port=links.redis.port)
        env = self.environment("listener") | connection_environment(dsn, redis)
        env |= {"ALPHA_PAPER_URL": f"http://127.0.0.1:{links.exchange.port}"}
        return DrillListener(name, self._command, env, links, self.logs / f"{name}.log")

    def _common(self) -> dict[str, str]:
        return inherited_environment(self.registry) | {
            "ALPHA_ENV_FILE": "",
            "ALPHA_MODE": "paper",
            "ALPHA_HOME": str(self.home),
            "ALPHA_BOTS_FILE": str(self.registry.path),
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "info",
            "PYTHONUNBUFFERED": "1",
        }

    def _say(self, words: str) -> None:
        if self._interrupted():
            raise StartInterrupted(f"stopped before {words}")
        self._progress(words)
