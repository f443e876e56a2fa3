"""A listener at work between the firehose, PostgreSQL and Valkey, each a process of its own."""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import redis

from alpha.config.registry import Registry
from alpha.domain.errors import AlphaError
from alpha.domain.ids import BotId
from alpha.ledger.connection import Connection, connect
from alpha.ledger.reading import bot_heads
from alpha.live import fill_stream
from alpha.live.connection import RedisAddress, open_redis
from alpha.local.children import Child
from alpha.local.environments import connection_environment, inherited_environment
from alpha.local.ports import free_port
from benchmarks.cast import cast, keys, write_bots_file
from benchmarks.servers import Servers

_ROOT = Path(__file__).parent.parent
_POLL_S = 0.02
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


class BenchmarkFailed(AlphaError):
    """What was to be measured did not happen."""


class Scene:
    """So many accounts with one bot each, and `fills` fills that will happen on each of them.

    The listener runs in mode demo: its time-outs and intervals are those it has on Bybit. `program` is what runs as the
    listener. `redis_at` puts something between the listener and Valkey; `lists_per_s` is the exchange's limit on asking
    for executions, None for none.
    """

    def __init__(
        self,
        servers: Servers,
        *,
        accounts: int = 1,
        fills: int,
        with_states: bool = False,
        program: tuple[str, ...] = ("-m", "alpha.cli", "listener"),
        redis_at: RedisAddress | None = None,
        mode: str = "demo",
        lists_per_s: int | None = None,
    ) -> None:
        self.servers = servers
        self.roles = cast(accounts)
        self.owner, self.writer = servers.fresh()
        self.folder = servers.home / self.owner.dbname
        self.folder.mkdir()
        self.exchange_port, self.listener_port = free_port(), free_port()
        self.rest_url = f"http://127.0.0.1:{self.exchange_port}"
        self.private_url = f"ws://127.0.0.1:{self.exchange_port}/v5/private"
        self._stack = ExitStack()
        self._firehose = self._child(
            "firehose",
            "-m",
            "benchmarks.firehose",
            json.dumps(
                {
                    "port": self.exchange_port,
                    "accounts": accounts,
                    "fills": fills,
                    "states": with_states,
                    "lists_per_s": lists_per_s,
                }
            ),
        )
        registry = self.folder / "bots.yaml"
        write_bots_file(registry, self.roles, rest_url=self.rest_url, private_url=self.private_url)
        self._environment = {
            "ALPHA_ENV_FILE": "",
            "ALPHA_MODE": mode,
            "ALPHA_BOTS_FILE": str(registry),
            "ALPHA_HOME": str(self.folder),
            "LISTENER_PORT": str(self.listener_port),
            "LOG_FORMAT": "json",
            **connection_environment(self.writer, redis_at or servers.valkey.address()),
            **keys(self.roles),
        }
        self.listener = self._child("listener", *program, env=self._environment)
        self._redis = {role.bot: open_redis(servers.valkey.address(), role.redis_db) for role in self.roles}
        self._connection: Connection | None = None

    def __enter__(self) -> Scene:
        self._stack.callback(self._firehose.kill)
        self._firehose.start()
        self.until(lambda: self.progress() is not None, within_s=300, what="the firehose to be loaded")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if self._connection is not None:
            self._connection.close()
        for client in self._redis.values():
            client.close()

    def start_listener(self) -> None:
        """Starts it and waits until all its accounts are live."""
        self.launch_listener()
        try:
            self.until(lambda: self.health().get("ok"), within_s=60, what="the listener to be well")
        except BenchmarkFailed as error:
            raise BenchmarkFailed(
                f"{error}; it says {self.health()} and at last logged {self.listener.last_words()}"
            ) from None

    def launch_listener(self) -> None:
        """Starts it and does not wait."""
        self._stack.callback(self.listener.stop)
        self.listener.start()

    def stop_listener(self) -> None:
        self.listener.stop(10)

    @property
    def process(self) -> psutil.Process:
        """The listener."""
        return psutil.Process(self.listener.pid)

    def cpu_s(self) -> float:
        """CPU seconds that the listener has used so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def health(self) -> dict[str, Any]:
        """The listener's /healthz, empty while it does not answer."""
        try:
            return _json(f"http://127.0.0.1:{self.listener_port}/healthz")
        except urllib.error.HTTPError as error:
            return dict(json.load(error))
        except OSError:
            return {}

    def run(self, **asked: Any) -> None:
        """Let fills happen; see `benchmarks.firehose`. Returns at once."""
        _json(f"{self.rest_url}/run", asked)

    def progress(self) -> dict[str, Any] | None:
        try:
            said = _json(f"{self.rest_url}/progress")
        except OSError:
            return None
        if said["failure"]:
            raise BenchmarkFailed(f"the firehose failed: {said['failure']}")
        return said

    def sent_ns(self) -> dict[str, int]:
        """Execution id to the wall time at which the firehose sent it, of a paced run."""
        return {exec_id: int(at) for exec_id, at in _json(f"{self.rest_url}/sent").items()}

    def committed(self) -> int:
        """How many fills are committed and numbered, of all bots. Raises LedgerUnavailable while it is away."""
        if self._connection is None or self._connection.closed:
            self._connection = connect(self.owner, "bench")
        return sum(bot_heads(self._connection).values())

    def published(self) -> int:
        """How many fills the bots' streams have got, of all bots. Raises members of LIVE_ERRORS."""
        return sum(fill_stream.last_seq(client, bot) for bot, client in self._redis.items())

    def until_recorded(self, fills: int, *, within_s: float) -> int:
        """Waits until so many fills are committed and published; answers the wall time (ns) at which that was seen."""
        seen = {"committed": 0, "published": 0}

        def recorded() -> bool:
            # Redis follows the ledger, so while it lacks some there is no need to ask PostgreSQL.
            seen["published"] = self.published()
            if seen["published"] < fills:
                return False
            seen["committed"] = self.committed()
            return seen["committed"] >= fills

        try:
            self.until(recorded, within_s=within_s, what=f"{fills} fills to be recorded")
        except BenchmarkFailed as error:
            raise BenchmarkFailed(f"{error}; {seen}, the ledger has {self.committed()}") from None
        return time.time_ns()

    def until(self, check: Callable[[], object], *, within_s: float, what: str, every_s: float = _POLL_S) -> None:
        """Raises BenchmarkFailed with the last words of what has ended meanwhile."""
        give_up = time.monotonic() + within_s
        while not check():
            for child in (self._firehose, self.listener):
                if child.exit_code is not None and not child.running and child.exit_code > 0:
                    raise BenchmarkFailed(f"{child.name} ended ({child.exit_code}): {child.last_words()}")
            if time.monotonic() > give_up:
                raise BenchmarkFailed(f"waited {within_s:.0f} s in vain for {what}")
            time.sleep(every_s)

    def child(self, name: str, *arguments: str) -> Child:
        """Another Python process beside the listener, with the listener's surroundings; ends with the scene."""
        child = self._child(name, *arguments, env=self._environment)
        self._stack.callback(child.kill)
        return child

    def _child(self, name: str, *arguments: str, env: Mapping[str, str] | None = None) -> Child:
        inherited = inherited_environment(_NOBODY)
        return Child(
            name,
            [sys.executable, *arguments],
            env={**inherited, **(env or {})},
            log=self.folder / f"{name}.log",
            cwd=_ROOT,
        )

    @property
    def clients(self) -> Mapping[BotId, redis.Redis]:
        """Bot to a client of its database."""
        return self._redis


_NOBODY = Registry(path=Path(), accounts={}, bots={})


def _json(url: str, content: Mapping[str, Any] | None = None) -> dict[str, Any]:
    request = urllib.request.Request(url, data=None if content is None else json.dumps(content).encode())
    with _open(request, timeout=30) as answer:
        return dict(json.load(answer))
