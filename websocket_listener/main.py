"""The listener: what it is made of, and how it starts and ends."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import structlog

from alpha.config.addresses import endpoints
from alpha.config.credentials import credentials
from alpha.config.errors import ConfigError
from alpha.config.key_rights import check_key
from alpha.config.modes import Mode, check_uid
from alpha.config.registry import AccountConfig, Registry
from alpha.config.settings import Settings, environment
from alpha.domain.fill import Fill
from alpha.domain.ids import AccountName
from alpha.exchange.budget import ADDRESS_LIMIT
from alpha.exchange.errors import ExchangeAuthError, ExchangeError
from alpha.exchange.executions import Readers
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.connection import Connection
from alpha.ledger.drift import EntryBlocks
from alpha.ledger.fill_rows import FillSource
from alpha.ledger.fills import RecordResult
from alpha.ledger.registry import AccountKind, RegisteredAccount, RegisteredBot, sync_registry
from alpha.live.connection import BUS_DB, FLAGS_DB, STATE_DB, open_redis
from alpha.live.rate_budget import SharedBudget
from alpha.service.alerts import AlertWriter
from alpha.service.degraded import DegradedModes
from alpha.service.health import HealthServer
from alpha.service.heap import share_one_heap
from alpha.service.listed_symbols import ListingWatch, known_when_answered
from alpha.service.shutdown import StopSignal
from websocket_listener.account_session import AccountSession, AccountState, Role, SessionConfig
from websocket_listener.attribution import AccountOwners
from websocket_listener.bookkeeping import Bookkeeping
from websocket_listener.books_in_memory import BooksInMemory
from websocket_listener.controls_mirror import ControlsMirror
from websocket_listener.excursions import Excursions
from websocket_listener.feed import INTERVAL
from websocket_listener.leadership import Leadership, LeadershipHooks
from websocket_listener.live_state import LiveHooks, LiveState
from websocket_listener.metrics import ListenerMetrics
from websocket_listener.reconcile import Reconciler
from websocket_listener.recovery import Recovery
from websocket_listener.status import Status
from websocket_listener.supervision import supervised
from websocket_listener.timing import RecoveryTiming
from websocket_listener.turn import Turn
from websocket_listener.writer import Writer

log = structlog.get_logger()
_WAIT_FOR_LEDGER_S = 5.0
_WATCHED_EVERY_S = 0.5
# More than are on their way at most times: each collection looks through all of those. Not many times as many, because
# a ring that some library leaves behind may hold much.
_OBJECTS_BETWEEN_COLLECTIONS = 40_000


def main(settings: Settings, registry: Registry) -> None:
    """Runs the listener until SIGTERM or SIGINT. Raises ConfigError or ExchangeAuthError when it must not start."""
    # Each account has threads that ask over REST, and what they are told in a burst is more than all the rest.
    share_one_heap()
    # A fill passes three threads; the default of 5 ms would let each of them wait that long for a busy one.
    sys.setswitchinterval(0.0005)
    stop = StopSignal().install()
    environ = environment()
    registry = known_when_answered(settings, registry.in_use(environ), stop, port=settings.listener_port)
    if stop.is_set():
        return
    listener = Listener(settings, registry, environ)
    listener.start()
    ListingWatch(settings, registry, stop, may_end=listener.turn.has_come).start()
    _collect_seldom()
    try:
        asyncio.run(listener.run(stop))
    finally:
        listener.stop()


def _collect_seldom() -> None:
    """What was made so far stays to the end, and of what is heard nearly nothing refers to itself: its memory is given
    back at once. By default the collector would look it all through several times a second."""
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)


class Listener:
    """Builds the parts, wires them, and holds them together.

    Event loop: one stream per account, frames are sorted and queued. Writer thread: everything into PostgreSQL. Live
    thread: everything into Redis. Per account a recovery thread that asks over REST. Three small threads follow
    PostgreSQL: leadership, the mirror of the controls and the reconciler of the bots' streams.

    Several listeners may run: each account is recorded by one of them, the others stand by and follow within seconds.
    """

    def __init__(self, settings: Settings, registry: Registry, environ: Mapping[str, str]) -> None:
        self._settings, self._registry = settings, registry
        accounts = [account for account in registry.accounts.values() if registry.bots_on(account.name)]
        if not accounts:
            raise ConfigError("no bot in bots.yaml uses an account: there is nothing to listen to")
        configs = [self._session_config(account, environ, len(accounts)) for account in accounts]
        for config in configs:
            where = config.endpoints
            log.info(
                "account",
                account=config.account.name,
                environment=where.environment,
                rest_url=where.rest_url,
                private_url=where.private_url,
                bots=[bot.id for bot in config.owners.bots],
            )
        dsn, redis_address = settings.dsn(), settings.redis()
        self._holder = f"{socket.gethostname()}:{os.getpid()}"
        self._stumbles: dict[AccountName, str] = {}
        """What failed last of each account, which is told once."""
        self._uids: dict[int, AccountName] = {}
        self._uids_lock = threading.Lock()
        self._budget = SharedBudget(redis_address, limit=ADDRESS_LIMIT.part(settings.alpha_rest_percent / 100))
        self._clients = {config.account.name: _client(config, self._budget) for config in configs}
        self._redis = {bot.id: open_redis(redis_address, bot.redis_db) for bot in registry.bots.values()}
        state, bus = open_redis(redis_address, STATE_DB), open_redis(redis_address, BUS_DB)

        self._alerts = AlertWriter(dsn, redis_address, "listener")
        metrics = ListenerMetrics()
        self._books = Bookkeeping(self._alerts, metrics)
        self._writer = Writer(
            dsn,
            on_committed=self._committed,
            on_refused=self._books.refused,
            on_fenced=self._fenced,
            on_turn=self._books.take_turn,
            on_lost=self._ledger_lost,
        )
        self._books.use(self._writer)
        self._leadership = Leadership(
            dsn,
            self._holder,
            LeadershipHooks(
                ready=lambda: [name for name, session in self._sessions.items() if session.is_ready],
                writer_busy_for_s=lambda: self._writer.busy_for_s,
                on_taken=self._taken,
                on_held_elsewhere=lambda account, holder: self._sessions[account].held_elsewhere(holder),
                on_lost=self._lost,
                on_yielded=self._yielded,
                epoch_met=lambda account: self._live.epoch_met(account),
            ),
        )
        hooks = LiveHooks(
            health=lambda account: self._sessions[account].health(),
            settled=self._settled,
            on_hole=lambda: self._reconciler.hurry(),
            on_orders=self._writer.save_orders,
            on_positions=self._writer.save_positions,
            on_drift=self._books.drifted,
            on_fenced=self._fenced,
            holds=self._leadership.holds,
            on_told=self._books.told,
        )
        settle_s = max(config.timing.settle_s for config in configs)
        self._live = LiveState(self._redis, state, bus, hooks, metrics, settle_s=settle_s)
        self._books.tell_books_to(BooksInMemory(self._writer, self._live))
        self._reconciler = Reconciler(dsn, self._redis, self._live.epochs, on_blocked=self._blocked)
        self._mirror = ControlsMirror(dsn, state)
        self._flags = open_redis(redis_address, FLAGS_DB)
        self.turn = Turn(self._flags, self._holder, self._records_any)
        """When this listener may end so that another one hears its accounts."""
        self._excursions = Excursions(dsn, state, lambda: self._writer.accounts, INTERVAL)
        self._sessions = {
            config.account.name: AccountSession(
                config,
                self._writer,
                self._live,
                self._books.keep_raw,
                self._alerts,
                on_ready=self._leadership.hurry,
            )
            for config in configs
        }
        self._readers = Readers()
        self._recoveries = [self._recovery(session) for session in self._sessions.values()]
        self._degraded = DegradedModes("listener", self._troubles, self._alerts, redis_address)
        status = Status(
            self._sessions,
            self._leadership,
            self._writer,
            self._live,
            self._books.fill_to_commit,
            metrics,
            self._degraded,
        )
        self._health = HealthServer(settings.listener_port, status, metrics.registry, host=settings.health_host)

    def start(self) -> None:
        """Checks who we are at the exchange, then starts every thread. Raises ConfigError, ExchangeAuthError."""
        self._identify_all()
        self._writer.start()
        self._live.start()
        try:
            self._writer.run(self._sync_registry).result(_WAIT_FOR_LEDGER_S)
        except TimeoutError:
            log.warning("started_without_ledger", hint="fills wait for PostgreSQL and are recorded on its return")
        self._leadership.start()
        self._reconciler.start()
        self._mirror.start()
        self._excursions.start()
        self._health.start()
        self._degraded.start()
        log.info("listener_started", health_port=self._health.port, accounts=list(self._sessions))

    async def run(self, stop: StopSignal) -> None:
        """The streams of all accounts, until told to stop."""
        streams = [asyncio.create_task(self._keep_up(session)) for session in self._sessions.values()]
        watching = asyncio.create_task(self._watch())
        await asyncio.sleep(0)
        for recovery in self._recoveries:
            recovery.start()
        await stop.wait_async()
        log.info("listener_stopping")
        self._leadership.take_no_more()
        watching.cancel()
        for session in self._sessions.values():
            session.stop()
        await asyncio.gather(*streams)

    def stop(self) -> None:
        """Ends in the order of the data: no more reading, then the ledger, then Redis. The leases are released once
        everything is in the ledger, so that a standby finds it there."""
        for recovery in self._recoveries:
            recovery.stop()
        for recovery in self._recoveries:
            recovery.join(12)
        for session in self._sessions.values():
            session.release()
        left = self._writer.stop()
        if left:
            log.warning("fills_left_for_recovery", count=left)
        self._leadership.stop()
        self._live.stop()
        self._excursions.stop()
        self._mirror.stop()
        self._reconciler.stop()
        self._health.stop()
        self._degraded.stop()
        self._alerts.close()
        for client in self._clients.values():
            client.close()
        self._budget.close()
        self._flags.close()
        log.info("listener_stopped")

    def _session_config(self, account: AccountConfig, environ: Mapping[str, str], accounts: int) -> SessionConfig:
        where = endpoints(account, self._settings)
        return SessionConfig(
            account=account,
            endpoints=where,
            credentials=credentials(account, environ),
            owners=AccountOwners(account, self._registry.bots_on(account.name)),
            timing=RecoveryTiming.of(where),
            accounts=accounts,
        )

    def _recovery(self, session: AccountSession) -> Recovery:
        return Recovery(
            session,
            self._clients[session.name],
            self._writer,
            self._live,
            holder=self._holder,
            identify=self._identify,
            keep_raw=self._books.keep_raw,
            alerts=self._alerts,
            readers=self._readers,
        )

    def _identify_all(self) -> None:
        """A wrong key or a UID twice ends the start; an exchange that is away does not, recovery asks again."""
        with ThreadPoolExecutor(max_workers=8) as pool:
            asked = [pool.submit(self._identify, session) for session in self._sessions.values()]
        for answer in asked:
            error = answer.exception()
            if isinstance(error, ExchangeError) and not isinstance(error, ExchangeAuthError):
                log.warning("account_not_identified_yet", reason=str(error))
            elif error is not None:
                raise error

    def _identify(self, session: AccountSession) -> None:
        """Who the key belongs to. Two entries with one UID would record every fill of it twice, under two names."""
        if session.uid is not None:
            return
        key = self._clients[session.name].key_information()
        if key is None or key.uid is None:
            return
        environment = Mode(session.config.endpoints.environment)
        for warning in check_key(session.name, key, environment, self._settings.alpha_allow_withdrawal_keys):
            log.warning("key_is_weak", account=session.name, hint=warning)
        uid = key.uid
        check_uid(session.name, uid, environment, self._settings.alpha_live_accounts)
        with self._uids_lock:
            other = self._uids.setdefault(uid, session.name)
        if other != session.name:
            raise ConfigError(
                f"accounts {other} and {session.name} have the same UID {uid}: they are one account, so remove one of "
                "them from bots.yaml and let its bots use the other"
            )
        session.uid = uid

    def _sync_registry(self, connection: Connection) -> None:
        sync_registry(
            connection,
            [
                RegisteredAccount(
                    account=session.name,
                    kind=AccountKind(session.config.endpoints.environment),
                    uid=None if session.uid is None else str(session.uid),
                    position_mode=session.config.account.position_mode,
                )
                for session in self._sessions.values()
            ],
            [
                RegisteredBot(
                    bot=bot.id,
                    code=bot.code,
                    account=bot.account,
                    strategy=bot.strategy,
                    symbols=bot.symbols,
                    redis_db=bot.redis_db,
                    category=bot.category,
                    capital_usdt=bot.capital_usdt,
                    params=bot.params,
                )
                for bot in self._registry.bots.values()
            ],
        )

    def _committed(self, committed: RecordResult) -> None:
        # The bots first: they wait for it.
        self._live.put(committed)
        fills: dict[AccountName, list[Fill]] = {}
        for recorded in committed.recorded:
            # What recovery brings is not asked for again before it is proven, unless something is wrong with it.
            if recorded.source is FillSource.STREAM:
                fills.setdefault(recorded.fill.account, []).append(recorded.fill)
        for account, mine in fills.items():
            self._sessions[account].known_fills.committed(mine)
        self._books.recorded(committed)

    def _taken(self, account: AccountName, epoch: int) -> None:
        session = self._sessions[account]
        if session.role is Role.STANDBY:
            self._alerts.alert(
                "account_taken_over",
                f"account {account} was taken over: its listener stopped, or was cut off, and this one goes on",
                account=account,
                epoch=epoch,
            )
        session.took(epoch)

    def _fenced(self, account: AccountName) -> None:
        """Told by whoever tried to write: the ledger, or Redis."""
        self._leadership.give_up(account)
        self._lost(account)

    def _lost(self, account: AccountName) -> None:
        if self._drop(account, "another listener has taken this account"):
            self._alerts.alert(
                "account_fenced",
                f"another listener has taken account {account}; this one stands by, and what it had not written the "
                "other recovers",
                severity="error",
                account=account,
            )

    def _yielded(self, account: AccountName) -> None:
        # Nothing to alert: when no listener hears the account, each of them says so.
        self._drop(account, "its stream stays away; whoever hears it may take it")

    def _drop(self, account: AccountName, why: str) -> bool:
        """Write for the account no more; whether it was ours until now."""
        self._writer.drop_account(account)
        self._live.drop_account(account)
        return self._sessions[account].stand_by(why)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCHED_EVERY_S)
            self._books.backlog(self._writer.backlog, dropped=self._writer.dropped)
            for session in self._sessions.values():
                try:
                    session.look_after()
                except Exception as error:
                    log.exception("account_not_looked_after", account=session.name)
                    self._stumbled(session, error)

    async def _keep_up(self, session: AccountSession) -> None:
        await supervised(session.name, session.run, lambda error: self._stumbled(session, error))

    def _stumbled(self, session: AccountSession, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        if self._stumbles.get(session.name) == text:
            return
        self._stumbles[session.name] = text
        self._alerts.alert(
            "account_task_failed",
            f"the listener failed on account {session.name} and goes on: {text}; see its log",
            severity="error",
            account=session.name,
        )

    def _ledger_lost(self) -> None:
        for session in self._sessions.values():
            session.known_fills.forget_all()

    def _settled(self, account: AccountName) -> bool:
        is_live = self._sessions[account].state is AccountState.LIVE
        return is_live and self._writer.available and self._writer.backlog == 0

    def _troubles(self) -> dict[str, str]:
        """What each part says of itself, "" where it is well."""
        accounts = {
            f"account {name}": "" if session.state is AccountState.STANDBY else session.trouble
            for name, session in self._sessions.items()
        }
        unlisted = ", ".join(self._registry.unlisted)
        symbols = f"what {unlisted} trades is not known: the exchange does not say what it lists" if unlisted else ""
        return {"ledger": self._writer.trouble, "redis": self._live.trouble, "symbols": symbols, **accounts}

    def _records_any(self) -> bool:
        return any(session.role is Role.LEADER for session in self._sessions.values())

    def _blocked(self, blocks: EntryBlocks) -> None:
        self._live.call(lambda: self._live.blocked(blocks))


def _client(config: SessionConfig, budget: SharedBudget) -> ExchangeClient:
    return ExchangeClient(config.account.name, config.endpoints, config.credentials, budget=budget)
