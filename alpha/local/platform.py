"""The supervisor: the whole platform as child processes of this one."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import structlog
from structlog.typing import FilteringBoundLogger

from alpha.config.credentials import credentials
from alpha.config.modes import Mode
from alpha.config.registry import AccountConfig, BotConfig, Registry
from alpha.config.settings import Settings, environment
from alpha.domain.ids import BotId
from alpha.ledger.connection import Connection, Dsn, LedgerError, connect
from alpha.ledger.controls import PLATFORM, Control, DesiredState, account_scope, bot_scope, load_controls
from alpha.ledger.kills import hold
from alpha.live.connection import LIVE_ERRORS, open_redis
from alpha.live.health import read_heartbeat
from alpha.local.children import Child
from alpha.local.data_directory import prepare_home
from alpha.local.environments import (
    LOGINS,
    ROLES,
    connection_environment,
    inherited_environment,
    key_environment,
)
from alpha.local.errors import StartFailed, StartInterrupted
from alpha.local.loopback_http import status_of
from alpha.local.paper_market import PaperMarket
from alpha.local.ports import LOOPBACK, free_port
from alpha.local.postgres import EmbeddedPostgres
from alpha.local.preflight import PROJECT, check_configuration
from alpha.local.run_file import HomeLock, RunFile
from alpha.local.service_user import service_user
from alpha.local.supervised import Change, ProcessEvent, Supervised
from alpha.local.valkey import EmbeddedValkey
from alpha.local.waiting import never, wait_until_ready
from alpha.service.alerts import AlertWriter
from database.migrate import migrate
from database.roles import ensure_login
from paper_exchange.market.instruments import listable
from telegram_manager.commanding.kill_journal import KILL_FOLDER, KillJournal

POSTGRES, VALKEY, EXCHANGE, FEED, LISTENER = "postgres", "valkey", "paper-exchange", "feed", "listener"
STANDBY = "listener-standby"
TRADE_SYNC = "trade-sync"
TELEGRAM = "telegram-manager"

ALPHA = (sys.executable, "-m", "alpha.cli")
"""The `alpha` command of this installation."""

TELEGRAM_MANAGER = (sys.executable, "-m", "telegram_manager")

log: FilteringBoundLogger = structlog.get_logger(__name__)

_READY_WITHIN_S = 40.0
_BOTS_READY_WITHIN_S = 30.0
_CONTROLS_EVERY_S = 0.5
_LOOK_EVERY_S = 0.05
# A stop takes less than five seconds in all: bots first (they cancel their entries), servers last.
_BOTS_GRACE_S, _SERVICES_GRACE_S, _SERVERS_GRACE_S = 2.0, 1.0, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformOptions:
    """What to run, and on which market. All but `bots` concerns the paper exchange."""

    bots: tuple[BotId, ...]
    speed: float = 1.0
    """Market seconds per wall second."""
    candles: Path | None = None
    """A folder of candles to replay; None is a synthetic market from `seed`."""
    seed: int = 1
    journal: Path
    """Where the exchange writes each execution as it makes it."""
    state: Path | None = None
    """Where the exchange keeps what it needs to go on after a restart; None forgets."""
    exchange_balance_usdt: Decimal = Decimal(10_000)
    fresh: bool = False
    """Begins by deleting everything in the home."""
    standby: bool = False
    """Whether a second listener stands by, which goes on within two seconds when the first one is killed or stuck."""
    durable: bool = True
    """Whether a commit waits for the disk. Without it data survive every process, but not the machine."""
    full_lockstep: bool = False
    """Whether each bar waits for its bots as long as it takes, so that nothing depends on how fast anybody is."""
    telegram: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The environment of the Telegram command centre, token included; without any it does not run."""
    hold_market: bool = False
    """Leaves the market paused after `start`, until `release_market`."""


class Platform:
    """PostgreSQL, Valkey, the exchange (in mode paper), feed, listener and bots, each a process, all below `home`.

    `start`, `tick` and `stop` must be called by the main thread. `interrupted` is asked wherever a start waits. The
    processes end with this one, also on kill -9. `settings` says the mode; what it says of servers is not used.
    """

    def __init__(
        self,
        home: Path,
        registry: Registry,
        options: PlatformOptions,
        *,
        settings: Settings | None = None,
        interrupted: Callable[[], bool] = never,
        on_progress: Callable[[str], None] | None = None,
        program: Sequence[str] = ALPHA,
    ) -> None:
        self.home = home.absolute()
        self.options = options
        self.settings = settings or Settings()
        if registry.trades_all and self.is_paper:
            # Our own exchange lists what it is told to.
            registry = registry.listing(listable(options.candles))
        self.registry = registry
        for bot in options.bots:
            registry.bot(bot)
        self.postgres = EmbeddedPostgres(self.home, durable=options.durable)
        self.valkey = EmbeddedValkey(self.home)
        self.processes: dict[str, Supervised] = {}
        self.market: PaperMarket | None = None
        self.listener_url = ""
        """Base URL of the listener's /healthz and /metrics; likewise the feed's."""
        self.feed_url = ""
        self._lock = HomeLock(self.home)
        self._interrupted = interrupted
        self._progress = on_progress
        self._program = tuple(program)
        self._ports: dict[str, int] = {}
        self._logins: dict[str, tuple[str, str]] = {}
        self._keys: Mapping[str, tuple[str, str]] = {}
        self._alerts: AlertWriter | None = None
        self._controls: Connection | None = None
        self._look_at_controls = 0.0
        self._restarts_asked: dict[BotId, datetime | None] = {}
        self._market_released = False
        self._written_pids: dict[str, int] | None = None
        self._started_at = ""

    @property
    def is_paper(self) -> bool:
        """Whether the exchange is ours and runs here."""
        return self.settings.alpha_mode is Mode.PAPER

    @property
    def exchange_admin(self) -> tuple[str, str] | None:
        """Base URL of the paper exchange's administration and the token for its X-Admin-Token header."""
        return None if self.market is None else (self.market.admin_url, self.market.admin_token)

    def start(self) -> None:
        """Starts everything and returns when the listener is live, the bots have reported and the market moves.

        Raises AlreadyRunning, StartFailed, ConfigError, StartInterrupted; everything started is stopped again then.
        """
        check_configuration(self.settings, self.registry, self.options.bots, self.options.candles)
        prepare_home(self.home, service_user())
        self._lock.take()
        try:
            if self.options.fresh:
                self.remove_data()
                self._lock.clear_home()
            self._start_all()
        except BaseException:
            self.stop()
            raise

    def tick(self) -> list[ProcessEvent]:
        """Restarts what died, follows the controls. To be called several times a second; does not wait.

        Returns what changed since the last call.
        """
        self._follow_controls()
        events = [event for process in self.processes.values() if (event := process.tick()) is not None]
        for event in events:
            self._tell(event)
        if any(event.name == EXCHANGE and event.change is Change.STARTED for event in events):
            self._market_released = False
        if not self.options.hold_market and not self._market_released:
            self._try_to_release()
        self._write_run_file()
        return events

    def stop(self) -> None:
        """Ends every process, bots first, within five seconds. May be called at any time and more than once."""
        if self._alerts is not None:
            self._alerts.close(0.3)
            self._alerts = None
        self._close_controls()
        bots = [self.processes[bot] for bot in self.options.bots if bot in self.processes]
        services = [
            self.processes[name] for name in (TELEGRAM, TRADE_SYNC, FEED, STANDBY, LISTENER) if name in self.processes
        ]
        exchange = [self.processes[name] for name in (EXCHANGE,) if name in self.processes]
        _stop_together(bots, _BOTS_GRACE_S)
        _stop_together(services, _SERVICES_GRACE_S)
        _stop_together(exchange, _SERVERS_GRACE_S / 2)
        self.processes.clear()
        self.valkey.stop(_SERVERS_GRACE_S / 2)
        self.postgres.stop(_SERVERS_GRACE_S)
        self._lock.release()

    def remove_data(self) -> None:
        """Deletes what the servers stored, after `stop`."""
        self.postgres.remove()
        self.valkey.remove()

    def child(self, name: str) -> Supervised:
        """The process of this name: postgres, valkey, paper-exchange, feed, listener, listener-standby, trade-sync,
        telegram-manager or a bot's id.

        Raises KeyError.
        """
        return self.processes[name]

    def env(self, role: str) -> dict[str, str]:
        """The environment in which a tool acts in a role: owner, listener, bot, reader or commander."""
        return self._environment(role, self.registry.accounts.values())

    def dsn(self, role: str) -> Dsn:
        """How a role logs in to PostgreSQL."""
        return self.postgres.dsn() if role == "owner" else self.postgres.dsn(*self._logins[role])

    def metrics_port(self, name: str) -> int:
        """Where the process of this name serves /healthz and /metrics. Raises KeyError."""
        return self._ports[name]

    def release_market(self) -> None:
        """Lets the paper exchange's market move. Raises StartFailed when the exchange does not answer."""
        if self.is_paper and not self._market_released and not self._try_to_release():
            raise StartFailed("the paper exchange does not answer on its administration port")

    def _start_all(self) -> None:
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._say("starting PostgreSQL")
        self.postgres.start(self._interrupted)
        self._say("starting Valkey")
        self.valkey.start(self._interrupted)
        self._say("migrating the database")
        migrate(self.postgres.dsn())
        self._make_logins()
        self._alerts = AlertWriter(self.dsn("commander"), self.valkey.address(), "supervisor")
        for name, server in ((POSTGRES, self.postgres), (VALKEY, self.valkey)):
            self.processes[name] = Supervised(name, server.begin)
            if server.child is not None:
                self.processes[name].adopt(server.child)
        if self.is_paper:
            self._say("starting the paper exchange")
            self._start_exchange()
        else:
            self._keys = self._keys_of_environment()
        self._say("starting feed and listener")
        for name in (FEED, LISTENER, *((STANDBY,) if self.options.standby else ())):
            self._ports[name] = free_port()
        self.feed_url, self.listener_url = (f"http://{LOOPBACK}:{self._ports[name]}" for name in (FEED, LISTENER))
        self._run(LISTENER, [LISTENER], self.env("listener") | {"LISTENER_PORT": str(self._ports[LISTENER])})
        self._run(FEED, [FEED], self._environment("reader", ()) | {"FEED_PORT": str(self._ports[FEED])})
        self._wait_for(LISTENER, f"{self.listener_url}/healthz")
        if self.options.standby:
            # After the first one is live: which of two that start at once holds the accounts would be chance.
            self._run(STANDBY, [LISTENER], self.env("listener") | {"LISTENER_PORT": str(self._ports[STANDBY])})
        self._say("starting bots")
        self._start_bots()
        self._wait_for(FEED, f"{self.feed_url}/healthz", ok=(200, 503))  # no frame comes while the market is held
        self._wait_for_bots()
        if not self.options.hold_market:
            self.release_market()
        self._want_trade_sync()
        if self.options.telegram:
            self._want_telegram()
        self._write_run_file()

    def _want_trade_sync(self) -> None:
        """Compared is what has happened: the next `tick` starts the service, and nobody waits for it."""
        self._ports[TRADE_SYNC] = free_port()
        env = self.env("sync") | {"SYNC_PORT": str(self._ports[TRADE_SYNC])}
        self._supervise(TRADE_SYNC, [TRADE_SYNC], env).want(True)

    def _want_telegram(self) -> None:
        """Likewise the command centre: whoever trades does not wait for it."""
        self._ports[TELEGRAM] = free_port()
        env = self.env("commander") | dict(self.options.telegram) | {"TELEGRAM_PORT": str(self._ports[TELEGRAM])}
        self._supervise(TELEGRAM, [], env, program=TELEGRAM_MANAGER).want(True)

    def _say(self, words: str) -> None:
        if self._interrupted():
            raise StartInterrupted(f"stopped before {words}")
        self._write_run_file()
        if self._progress is not None:
            self._progress(words)

    def _make_logins(self) -> None:
        with closing(connect(self.postgres.dsn(), "supervisor")) as connection:
            for role, group in LOGINS.items():
                login, password = f"local_{role}", secrets.token_urlsafe(24)
                ensure_login(connection, login, password, group)
                self._logins[role] = (login, password)

    def _start_exchange(self) -> None:
        options = self.options
        market = self.market = PaperMarket(self.home, self.registry, options.exchange_balance_usdt)
        self._keys = market.keys
        self._ports |= {EXCHANGE: market.port, "paper-exchange-admin": market.admin_port}
        arguments = market.arguments(
            speed=options.speed,
            seed=options.seed,
            candles=options.candles,
            journal=options.journal,
            state=options.state,
            full_lockstep_of=len(options.bots) if options.full_lockstep else None,
        )
        self._run(EXCHANGE, arguments, self._common() | {"ALPHA_EXCHANGE_ADMIN_TOKEN": market.admin_token})
        self._wait_for(EXCHANGE, f"{market.url}/healthz")

    def _keys_of_environment(self) -> Mapping[str, tuple[str, str]]:
        environ = environment()
        found = {name: credentials(account, environ) for name, account in self.registry.accounts.items()}
        return {name: (each.key, each.secret) for name, each in found.items()}

    def _common(self) -> dict[str, str]:
        return inherited_environment(self.registry) | {
            # All that a process needs is given here; a .env of this directory is for other ways to run it.
            "ALPHA_ENV_FILE": "",
            "ALPHA_MODE": self.settings.alpha_mode,
            "ALPHA_LIVE_ACCOUNTS": ",".join(self.settings.alpha_live_accounts),
            "ALPHA_RUN": self.settings.alpha_run,
            "ALPHA_HOME": str(self.home),
            "ALPHA_BOTS_FILE": str(self.registry.path.absolute()),
            "ALPHA_PAPER_URL": self.settings.alpha_paper_url if self.market is None else self.market.url,
            "LOG_FORMAT": "json",
            "LOG_LEVEL": self.settings.log_level,
            "PYTHONUNBUFFERED": "1",
        }

    def _environment(self, role: str, accounts: Iterable[AccountConfig]) -> dict[str, str]:
        connections = connection_environment(self.dsn(role), self.valkey.address())
        return self._common() | connections | key_environment(accounts, self._keys)

    def _run(self, name: str, arguments: list[str], env: Mapping[str, str]) -> Supervised:
        """Has the supervisor keep `alpha <arguments>` running, from now on."""
        process = self._supervise(name, arguments, env)
        process.want(True)
        event = process.tick()
        if event is not None and event.change is not Change.STARTED:
            raise StartFailed(event.words)
        return process

    def _supervise(
        self, name: str, arguments: list[str], env: Mapping[str, str], *, program: Sequence[str] = ()
    ) -> Supervised:
        argv = [*(program or self._program), *arguments]
        frozen = MappingProxyType(dict(env))

        def spawn() -> Child:
            child = Child(name, argv, env=frozen, log=self.home / "logs" / f"{name}.log", cwd=PROJECT)
            child.start()
            return child

        self.processes[name] = Supervised(name, spawn)
        return self.processes[name]

    def _write_kept_kills(self) -> None:
        """A kill that was ordered while the ledger was away, or that a restored ledger does not know, holds before any
        bot runs."""
        with closing(connect(self.dsn("commander"), "supervisor")) as connection:
            for entry in KillJournal(self.home / KILL_FOLDER).entries():
                if entry.kill.is_held:
                    hold(connection, entry.kill)

    def _start_bots(self) -> None:
        self._write_kept_kills()
        controls = self._read_controls() or {}
        for bot_id in self.options.bots:
            bot = self.registry.bot(bot_id)
            self._ports[bot_id] = free_port()
            env = self._environment("bot", (self.registry.account(bot.account),))
            self._supervise(bot_id, ["bot", bot_id], env | {"BOT_PORT": str(self._ports[bot_id])})
            self.processes[bot_id].want(_shall_run(bot, controls))
            # Who starts now was not running when a restart was asked for before.
            own = controls.get(bot_scope(bot_id))
            self._restarts_asked[bot_id] = None if own is None else own.restart_asked_at
            self.processes[bot_id].tick()

    def _wait_for(self, name: str, url: str, *, ok: tuple[int, ...] = (200,)) -> None:
        child = self.processes[name].child
        if child is None:
            raise StartFailed(f"{name} did not start")
        wait_until_ready(
            child,
            lambda: status_of(url) in ok,
            within_s=_READY_WITHIN_S,
            interrupted=self._interrupted,
            look_every_s=_LOOK_EVERY_S,
        )

    def _wait_for_bots(self) -> None:
        """Until every bot has written a heartbeat. One that takes too long is reported and not waited for."""
        waiting = {bot for bot in self.options.bots if self.processes[bot].wanted}
        give_up = time.monotonic() + _BOTS_READY_WITHIN_S
        while waiting and time.monotonic() < give_up:
            if self._interrupted():
                raise StartInterrupted("stopped while the bots were starting")
            for bot in sorted(waiting):
                child = self.processes[bot].child
                if child is not None and not child.running:
                    raise StartFailed(
                        f"bot {bot} ended with code {child.exit_code}: {child.last_words()} ({child.log})"
                    )
                try:
                    with open_redis(self.valkey.address(), self.registry.bot(bot).redis_db) as redis:
                        heartbeat = read_heartbeat(redis, bot)
                except LIVE_ERRORS:
                    heartbeat = None
                if heartbeat is not None and heartbeat.is_alive():
                    waiting.discard(bot)
            time.sleep(_LOOK_EVERY_S)
        if waiting:
            self._alert("bots_slow", f"bots not ready after {_BOTS_READY_WITHIN_S:.0f} s: {', '.join(sorted(waiting))}")

    def _try_to_release(self) -> bool:
        if self.market is not None and not self._market_released:
            self._market_released = self.market.release()
        return self._market_released

    def _read_controls(self) -> Mapping[str, Control] | None:
        """None while the database is away."""
        try:
            if self._controls is None or self._controls.closed:
                self._controls = connect(self.dsn("commander"), "supervisor", statement_timeout_s=2)
            return load_controls(self._controls)
        except LedgerError as error:
            log.warning("controls_unknown", error=str(error))
            self._close_controls()
            return None

    def _close_controls(self) -> None:
        if self._controls is not None:
            self._controls.close()
            self._controls = None

    def _follow_controls(self) -> None:
        if time.monotonic() < self._look_at_controls or not self.postgres.ready():
            return
        self._look_at_controls = time.monotonic() + _CONTROLS_EVERY_S
        controls = self._read_controls()
        if controls is None:
            return
        for bot_id in self.options.bots:
            process = self.processes.get(bot_id)
            wanted = _shall_run(self.registry.bot(bot_id), controls)
            if process is not None and process.wanted != wanted:
                log.info("bot_wanted" if wanted else "bot_not_wanted", bot=bot_id)
                process.want(wanted)
            own = controls.get(bot_scope(bot_id))
            asked_at = None if own is None else own.restart_asked_at
            if process is not None and asked_at != self._restarts_asked.get(bot_id):
                log.info("bot_restarted", bot=bot_id)
                process.restart()
            self._restarts_asked[bot_id] = asked_at

    def _tell(self, event: ProcessEvent) -> None:
        match event.change:
            case Change.DIED:
                text = f"{event.name} {event.ending}; started again in {event.restart_in_s:g} s"
                self._alert("process_died", text, process=event.name, exit_code=event.exit_code)
            case Change.GAVE_UP:
                text = f"{event.name} cannot run as configured: {event.words}; correct it and start the bot or platform"
                self._alert("process_given_up", text, process=event.name, exit_code=event.exit_code)
            case Change.STARTED | Change.STOPPED:
                log.info("process_changed", process=event.name, change=event.change, exit_code=event.exit_code)

    def _alert(self, kind: str, text: str, *, process: str = "", exit_code: int | None = None) -> None:
        if self._alerts is not None:
            self._alerts.alert(kind, text, severity="error", process=process, exit_code=exit_code)

    def _write_run_file(self) -> None:
        pids = {name: pid for name, process in self.processes.items() if (pid := process.pid) is not None}
        if pids == self._written_pids:
            return
        market = self.market
        RunFile(
            pid=os.getpid(),
            mode=self.settings.alpha_mode,
            started_at=self._started_at,
            bots=tuple(self.options.bots),
            pids=pids,
            ports=self._ports | {POSTGRES: self.postgres.port, VALKEY: self.valkey.port},
            env={role: self._tool_environment(role) for role in ROLES} if self._keys else {},
            exchange_url=None if market is None else market.url,
            admin_url=None if market is None else market.admin_url,
            admin_token=None if market is None else market.admin_token,
        ).write(self.home)
        self._written_pids = pids

    def _tool_environment(self, role: str) -> dict[str, str]:
        """What a tool needs on top of the environment of its own terminal."""
        inherited = inherited_environment(self.registry)
        return {name: value for name, value in self.env(role).items() if inherited.get(name) != value}


def _shall_run(bot: BotConfig, controls: Mapping[str, Control]) -> bool:
    scopes = (PLATFORM, account_scope(bot.account), bot_scope(bot.id))
    return all(scope not in controls or controls[scope].desired_state is DesiredState.RUNNING for scope in scopes)


def _stop_together(processes: Iterable[Supervised], grace_s: float) -> None:
    """Asks all, then waits for all, then kills the rest."""
    children = [process.child for process in processes if process.child is not None]
    for child in children:
        child.ask_to_stop()
    give_up = time.monotonic() + grace_s
    for child in children:
        if not child.wait(give_up - time.monotonic()):
            child.kill()
