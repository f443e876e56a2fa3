"""A platform that has ended, opened again as far as a proof needs it: its ledger, and its exchange standing still.

The paper exchange becomes again what it was from the requests it kept, so its word on a run that is over can be asked
for like that of one that goes on. Where the run ended before its listener had proven the last moments, a listener
recovers them first, as it does after every start. Apart from that, only the proof itself is written.
"""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType

from alpha.config.registry import Registry, load_registry
from alpha.config.settings import Settings, load_settings
from alpha.ledger.connection import Dsn, connect
from alpha.ledger.coverage import proven_until
from alpha.local.attach import DEMO_DIRECTORY, environment_of
from alpha.local.children import Child
from alpha.local.environments import inherited_environment, key_environment
from alpha.local.errors import NotRunning, StartInterrupted
from alpha.local.exchange_admin import ExchangeAdmin
from alpha.local.loopback_http import status_of
from alpha.local.paper_market import PaperMarket
from alpha.local.platform import ALPHA
from alpha.local.ports import free_port
from alpha.local.postgres import EmbeddedPostgres
from alpha.local.preflight import PROJECT
from alpha.local.private_file import write_private
from alpha.local.run_file import HomeLock
from alpha.local.valkey import EmbeddedValkey
from alpha.local.waiting import never, wait_until_ready
from database.migrate import migrate
from database.roles import ensure_login

_FILE = "kept.json"
_REGISTRY = "kept-bots.yaml"
_READY_WITHIN_S = 120.0
_RECOVERED_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRun:
    """What has to be known to open a run again. `state` is the exchange's, None where the exchange is not ours."""

    mode: str
    state: str | None
    seed: int = 1
    candles: str | None = None

    def write(self, home: Path, registry: Registry) -> None:
        """Keeps this and the registry of the run in its home, so that a later bots.yaml does not matter."""
        shutil.copyfile(registry.path, home / _REGISTRY)
        write_private(home / _FILE, json.dumps(asdict(self), indent=2) + "\n")


def kept_home(home: Path) -> Path:
    """Where below this home a run was kept: its own, else the demo's. Raises NotRunning."""
    for place in (home, home / DEMO_DIRECTORY):
        if (place / _FILE).is_file():
            return place
    raise NotRunning(
        f"no platform is running in {home}, and none was kept: start one with `alpha up`, or keep one with "
        "`alpha demo --keep`"
    )


@contextmanager
def opened_platform(
    role: str, group: str, say: Callable[[str], None], *, with_exchange: bool = True
) -> Iterator[tuple[Settings, Registry, Mapping[str, str]]]:
    """Settings, registry and environment of a role, whose logins are of the group: of the platform that runs here, else
    of the one that was kept here, opened for as long as this lasts. Raises NotRunning when there is neither."""
    try:
        environ: Mapping[str, str] = environment_of(role)
    except NotRunning as none:
        try:
            home = kept_home(load_settings().alpha_home)
        except NotRunning:
            raise none from None
        say(f"opening what was kept in {home}")
        with KeptPlatform(home, with_exchange=with_exchange) as kept:
            environ = kept.environment(group)
            yield load_settings(environ), kept.registry, environ
        return
    settings = load_settings(environ)
    yield settings, load_registry(settings.alpha_bots_file), environ


@contextmanager
def ledger_of_platform(say: Callable[[str], None] = lambda _: None) -> Iterator[tuple[Settings, Registry]]:
    """The same for who only reads the ledger."""
    with opened_platform("reader", "reader", say, with_exchange=False) as (settings, registry, _):
        yield settings, registry


class KeptPlatform:
    """Use as a context, in the main thread. The processes end with this one. Who only reads needs no exchange.

    Raises AlreadyRunning for a home whose platform runs, StartFailed, and what reading the kept files raises.
    """

    def __init__(self, home: Path, *, with_exchange: bool = True, interrupted: Callable[[], bool] = never) -> None:
        self.home = home.absolute()
        self._with_exchange = with_exchange
        self._interrupted = interrupted
        self._run = KeptRun(**json.loads((self.home / _FILE).read_text()))
        self.registry = load_registry(self.home / _REGISTRY)
        self.postgres = EmbeddedPostgres(self.home, durable=False)
        self._lock = HomeLock(self.home)
        self._exchange: Child | None = None
        self._market: PaperMarket | None = None
        self._logins: dict[str, tuple[str, str]] = {}

    def __enter__(self) -> KeptPlatform:
        self._lock.take()
        try:
            self.postgres.start(self._interrupted)
            migrate(self.postgres.dsn())
            if self._with_exchange and self._run.state is not None:
                self._recover(self._open_exchange(self.home / self._run.state))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._exchange is not None:
            self._exchange.kill()
            self._exchange = None
        self._journal.unlink(missing_ok=True)
        self.postgres.stop()
        self._lock.release()

    def dsn(self, group: str) -> Dsn:
        """A login of a group: sync_writer, reader..."""
        if group not in self._logins:
            self._logins[group] = (f"kept_{group}", secrets.token_urlsafe(24))
            with closing(connect(self.postgres.dsn(), "kept")) as connection:
                ensure_login(connection, *self._logins[group], group)
        return self.postgres.dsn(*self._logins[group])

    def environment(self, group: str) -> Mapping[str, str]:
        """The environment in which a tool acts in a role on this platform."""
        dsn = self.dsn(group)
        environ = inherited_environment(self.registry) | {
            "ALPHA_ENV_FILE": "",
            "ALPHA_MODE": self._run.mode,
            "ALPHA_HOME": str(self.home),
            "ALPHA_BOTS_FILE": str(self.registry.path),
            "POSTGRES_HOST": dsn.host,
            "POSTGRES_PORT": str(dsn.port),
            "POSTGRES_DB": dsn.dbname,
            "POSTGRES_USER": dsn.user,
            "POSTGRES_PASSWORD": dsn.password,
        }
        if self._market is not None:
            environ |= {"ALPHA_PAPER_URL": self._market.url}
            environ |= key_environment(self.registry.accounts.values(), self._market.keys)
        return environ

    @property
    def _journal(self) -> Path:
        """The exchange writes what it executed again while it becomes what it was; the run's own journal stays."""
        return self.home / "kept-journal.jsonl"

    def _open_exchange(self, state: Path) -> PaperMarket:
        market = self._market = PaperMarket(self.home, self.registry, Decimal(0))
        candles = None if self._run.candles is None else Path(self._run.candles)
        arguments = market.arguments(
            speed=1.0, seed=self._run.seed, candles=candles, journal=self._journal, state=state
        )
        self._exchange = Child(
            "paper-exchange",
            [*ALPHA, *arguments],
            env=inherited_environment(self.registry)
            | {
                "ALPHA_ENV_FILE": "",
                "ALPHA_HOME": str(self.home),
                "ALPHA_BOTS_FILE": str(self.registry.path),
                "ALPHA_EXCHANGE_ADMIN_TOKEN": market.admin_token,
                "LOG_FORMAT": "json",
            },
            log=self.home / "logs" / "kept-exchange.log",
            cwd=PROJECT,
        )
        self._exchange.start()
        wait_until_ready(
            self._exchange,
            lambda: status_of(f"{market.url}/healthz") == 200,
            within_s=_READY_WITHIN_S,
            interrupted=self._interrupted,
            look_every_s=_LOOK_EVERY_S,
        )
        return market

    def _recover(self, market: PaperMarket) -> None:
        """Has a listener read what the run's own could not prove any more. What it cannot prove stays unproven."""
        until = ExchangeAdmin(market.admin_url, market.admin_token).state().market_time
        if self._is_proven(until):
            return
        valkey = EmbeddedValkey(self.home)
        valkey.start(self._interrupted)
        redis = valkey.address()
        environ = dict(self.environment("ledger_writer")) | {
            "REDIS_HOST": redis.host,
            "REDIS_PORT": str(redis.port),
            "REDIS_PASSWORD": redis.password,
            "LISTENER_PORT": str(free_port()),
            "LOG_FORMAT": "json",
        }
        listener = Child(
            "listener", [*ALPHA, "listener"], env=environ, log=self.home / "logs" / "kept-listener.log", cwd=PROJECT
        )
        try:
            listener.start()
            give_up = time.monotonic() + _RECOVERED_WITHIN_S
            while listener.running and not self._is_proven(until) and time.monotonic() < give_up:
                if self._interrupted():
                    raise StartInterrupted("stopped while the kept run was recovered")
                time.sleep(_LOOK_EVERY_S * 4)
        finally:
            listener.kill()
            valkey.stop()

    def _is_proven(self, until: datetime) -> bool:
        """Whether every account that ever had contact is proven to this market time."""
        with closing(connect(self.postgres.dsn(), "kept")) as connection:
            edges = [proven_until(connection, account) for account in self.registry.accounts]
        return all(edge is None or edge >= until for edge in edges)
