"""`alpha bot BOT_ID`: put one bot together, resume it, run it, and end it in order."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from typing import TypeVar

import redis
import structlog

from alpha.bot.alerts import StrategyAlerts
from alpha.bot.beginnings import Beginnings
from alpha.bot.checkpoint import Checkpoint
from alpha.bot.decision import Decision
from alpha.bot.environment import Environment
from alpha.bot.errors import BotError, LeaseLost
from alpha.bot.exchange_port import ExchangePort
from alpha.bot.freshness import bars_are_fresh
from alpha.bot.gate import Gate
from alpha.bot.gated_broker import GatedBroker
from alpha.bot.host import StrategyHost, restore_state
from alpha.bot.journal import LedgerJournal
from alpha.bot.lease import Lease
from alpha.bot.ledger_link import LedgerLink
from alpha.bot.limit_record import LedgerLimitRecord
from alpha.bot.live_state import LiveState
from alpha.bot.loading import load_params, load_strategy, split_params
from alpha.bot.lockstep import Lockstep
from alpha.bot.loop import DecisionLoop
from alpha.bot.market_clock import MarketClock
from alpha.bot.metrics import BotMetrics
from alpha.bot.progress import Progress
from alpha.bot.readers import BarReader, FillReader, OrderReader, Reader
from alpha.bot.resume import (
    adopt_orders,
    catch_up_fills,
    held_by_ledger,
    missed_rounds,
    recent_executions,
    warm_up_larger,
)
from alpha.bot.risk_limits import RiskLimits
from alpha.bot.saving import StateSaver
from alpha.bot.unsettled import UnsettledOrders
from alpha.config import BotConfig, Registry, Settings, check_uid, credentials, endpoints, environment
from alpha.config.key_rights import check_key
from alpha.config.modes import Mode
from alpha.exchange.endpoints import Endpoints
from alpha.exchange.errors import ExchangeUnknown, ExchangeUnreachable
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.bot_state import BotState, load_state
from alpha.ledger.connection import LedgerUnavailable
from alpha.live.connection import LIVE_ERRORS, STATE_DB, open_redis
from alpha.live.health import read_feed_health
from alpha.live.rate_budget import SharedBudget
from alpha.service.alerts import AlertWriter, Severity
from alpha.service.degraded import DegradedModes
from alpha.service.health import HealthServer
from alpha.service.listed_symbols import ListingWatch, listed_when_answered
from alpha.service.shutdown import StopSignal

log = structlog.get_logger()

T = TypeVar("T")

_LEASE_ASK_EVERY_S = 1.0
_TRY_AGAIN_S = 1.0
_TICKER_FRESH_FOR = timedelta(seconds=60)
# Calls to an exchange that does not answer may take their time-outs several times before the loop comes around.
_HANGS_AFTER_S = 60.0
_HEALTH_ASKS_WITHIN_S = 1.0
# Beyond that the wallet that Redis has of the last fill stands in: the loop has exits to decide on.
_EQUITY_WITHIN_S = 2.0


def run_bot(settings: Settings, registry: Registry, bot_id: str, *, stop: StopSignal | None = None) -> None:
    """Run one bot until SIGTERM or SIGINT (or until `stop` is set). Logging must be configured.

    Raises AlphaError with one line when it cannot start as configured, LeaseLost when another copy took over.
    """
    stop = stop or StopSignal().install()
    bot = registry.bot(bot_id)
    structlog.contextvars.bind_contextvars(bot=bot.id, account=bot.account)
    if bot.trades_all:
        registry = listed_when_answered(settings, registry, stop, port=settings.bot_port)
        ListingWatch(settings, registry, stop).start()
        bot = registry.bot(bot_id)
    with ExitStack() as ending:
        try:
            _Bot(settings, registry, bot, stop, ending).run()
        except _StoppedWhileStarting:
            log.info("bot_stopped_while_starting")


def _reports_live(state: redis.Redis) -> bool:
    """Whether the feed says of itself that it is live; False, too, when Redis does not answer."""
    try:
        feed = read_feed_health(state)
    except LIVE_ERRORS:
        return False
    return feed is not None and feed.is_live()


class _StoppedWhileStarting(BotError):
    """Asked to stop before there was anything to wind up."""


class _Bot:
    """One bot of this process. The order of its parts' ends is that of `ending`, last made first ended."""

    def __init__(
        self, settings: Settings, registry: Registry, bot: BotConfig, stop: StopSignal, ending: ExitStack
    ) -> None:
        account = registry.account(bot.account)
        if account.position_mode != "one_way":
            raise BotError(
                f"bot {bot.id}: account {bot.account} is in hedge mode, which bots cannot trade in yet: "
                "set position_mode to one_way in bots.yaml"
            )
        self._settings = settings
        self._bot = bot
        self._stop = stop
        self._ending = ending
        self._strategy_class = load_strategy(bot.strategy)
        params, self._limits = split_params(self._strategy_class, bot.params)
        self._params = load_params(self._strategy_class, params)
        self._endpoints: Endpoints = endpoints(account, settings)
        keys = credentials(account, environment())
        self._api_key = keys.key
        budget = SharedBudget(settings.redis())
        self._client = ExchangeClient(bot.account, self._endpoints, keys, budget=budget)
        self._wallet_client = ExchangeClient(
            bot.account, self._endpoints, keys, budget=budget, reads_within_s=_EQUITY_WITHIN_S
        )
        self._link = self._new_link("decisions")
        self._lease = Lease(self._new_link("lease"), bot.id, f"{socket.gethostname()}:{os.getpid()}")
        self._own = open_redis(settings.redis(), bot.redis_db)
        self._state = open_redis(settings.redis(), STATE_DB)
        self._alerts = AlertWriter(settings.dsn(), settings.redis(), f"bot-{bot.id}")
        self._metrics = BotMetrics()
        ending.callback(self._alerts.close)
        ending.callback(budget.close)
        ending.callback(self._client.close)
        ending.callback(self._wallet_client.close)
        ending.callback(self._own.close)
        ending.callback(self._state.close)

    def run(self) -> None:
        log.info(
            "bot_starting",
            environment=self._endpoints.environment,
            rest_url=self._endpoints.rest_url,
            strategy=self._bot.strategy,
            symbols=list(self._bot.symbols),
        )
        key = self._answered("the exchange", self._client.key_information)
        if key is not None and key.uid is not None:  # demo trading does not tell
            environment, account = Mode(self._endpoints.environment), self._bot.account
            check_uid(account, key.uid, environment, self._settings.alpha_live_accounts)
            allowed = self._settings.alpha_allow_withdrawal_keys
            for warning in check_key(account, key, environment, allowed, trades=True):
                log.warning("key_is_weak", hint=warning)
        if not self._take_lease():
            return
        loop, host = self._put_together()
        if self._stop.is_set():
            return
        log.info("bot_running", cursor=self._progress.cursor, market_time=self._progress.latest.isoformat())
        try:
            loop.run()
        except LeaseLost:
            # Whatever this copy would still do is the other one's business now.
            self._alerts.alert(
                "lease_lost", f"{self._bot.id} runs twice; this copy ended", severity=Severity.ERROR, bot=self._bot.id
            )
            raise
        self._wind_up(loop, host)

    def _take_lease(self) -> bool:
        """Wait for the lease. False when asked to stop meanwhile."""
        waiting = False
        while not self._answered("the ledger", self._lease.take):
            if not waiting:
                log.warning("waiting_for_lease", hint="another copy of this bot runs, or one ended a moment ago")
            waiting = True
            if self._stop.wait(_LEASE_ASK_EVERY_S):
                return False
        if self._stop.is_set():
            return False
        self._lease.keep()
        self._ending.callback(self._lease.give_back)
        return True

    def _put_together(self) -> tuple[DecisionLoop, StrategyHost]:
        bot, client = self._bot, self._client
        stored = self._answered("the ledger", self._load_state)
        checkpoint = Checkpoint.model_validate(stored.state)
        state, problem = restore_state(self._strategy_class, checkpoint.strategy)
        if problem is not None:
            self._alerts.alert(
                "state_unreadable",
                f"{bot.id} begins with a new state: the saved one does not fit its strategy ({problem})",
                severity=Severity.ERROR,
                account=bot.account,
                bot=bot.id,
            )
        self._degraded = DegradedModes(f"bot-{bot.id}", self._troubles, self._alerts, self._settings.redis())
        self._progress = progress = Progress(checkpoint, stored.cursor)
        clock = MarketClock(is_paper=self._endpoints.is_paper)
        port = ExchangePort(client, None if bot.trades_all else bot.symbols, self._wallet_client)
        journal = LedgerJournal(self._link, bot.id, bot.account)
        self._live = live = LiveState(
            bot=bot,
            own=self._own,
            state=self._state,
            ticker_fresh_for=_TICKER_FRESH_FOR,
            instruments=self._answered("the exchange", lambda: client.instruments(bot.symbols)),
            progress=progress,
            lease_held=self._lease.is_held,
            is_stopping=self._stop.is_set,
            ask_equity=port.equity,
        )
        limits = RiskLimits(
            limits=self._limits,
            progress=progress,
            prices=live,
            record=LedgerLimitRecord(self._link, self._alerts, bot.id, bot.account),
            lifted_at=live.resumed_at,
        )
        self._broker = broker = GatedBroker(
            bot=bot.id,
            code=bot.code,
            run=stored.run,
            gate=Gate(self._limits, live, limits),
            orders=progress.orders,
            port=port,
            journal=journal,
            view=live,
            alerts=StrategyAlerts(self._alerts, bot.id, bot.account),
            entry_sent=progress.entry_sent,
            pause=self._stop.wait,
            counter=self._metrics,
            limits=limits,
        )
        strategy = self._strategy_class(
            params=self._params,
            state=state,
            symbols=bot.symbols,
            broker=broker,
            environment=Environment(self._endpoints.environment),
        )
        if self._endpoints.is_paper:
            # Its prices move with its bars, which at speed 1 are as far apart as on the market.
            live.ticker_fresh_for += strategy.interval
        host = StrategyHost(
            strategy=strategy,
            broker=broker,
            progress=progress,
            began_with=Beginnings(bot, self._link, progress).include,
        )
        unsettled = UnsettledOrders(progress.orders, port, journal)
        lockstep = Lockstep(self._endpoints.rest_url, self._api_key, bot.id) if self._endpoints.is_paper else None
        loop = DecisionLoop(
            bot=bot,
            run=stored.run,
            host=host,
            progress=progress,
            live=live,
            clock=clock,
            source=client,
            ask_time=client.market_time,
            link=self._link,
            own=self._own,
            saver=StateSaver(self._link, self._own, bot.id),
            unsettled=unsettled,
            lockstep=lockstep,
            metrics=self._metrics,
            max_bar_age=timedelta(seconds=self._limits.max_bar_age_seconds),
            is_stopping=self._stop.is_set,
            lease_lost=lambda: self._lease.is_lost,
        )
        if lockstep is not None:
            self._ending.callback(lockstep.close)
        self._resume(loop, host, port, journal, unsettled, clock)
        self._degraded.start()
        self._ending.callback(self._degraded.stop)
        self._serve_health(loop, clock, strategy.interval)
        self._start_readers(loop, strategy.interval)
        if lockstep is not None:
            # What an earlier life handled and could not say any more is waited for, too.
            lockstep.handled(
                self._answered("the ledger", lambda: recent_executions(self._link, bot.id, progress.cursor)),
                done=progress.decided,
            )
        return loop, host

    def _resume(
        self,
        loop: DecisionLoop,
        host: StrategyHost,
        port: ExchangePort,
        journal: LedgerJournal,
        unsettled: UnsettledOrders,
        clock: MarketClock,
    ) -> None:
        bot, progress = self._bot, self._progress
        loop.beat("catching_up")
        self._answered("orders", lambda: adopt_orders(progress, bot, self._link, port, journal))
        unsettled.ask_all()
        fills = self._answered("the ledger", lambda: catch_up_fills(host, progress, bot, self._link))
        head, held = self._answered("the ledger", lambda: held_by_ledger(bot, self._link))
        if head == progress.cursor:
            progress.hold(held)
        now = self._answered("the exchange", self._client.market_time)
        self._answered("history", lambda: warm_up_larger(host, progress, self._client, now))
        rounds = self._answered("history", lambda: missed_rounds(host.strategy, progress, self._client, now))
        clock.saw_time(now)
        newest = rounds[-1] if rounds and rounds[-1][0].end + host.strategy.interval > now else None
        loop.decide_missed(rounds[:-1] if newest else rounds)
        log.info("bot_caught_up", fills=fills, rounds=len(rounds), market_time=now.isoformat())
        host.start(clock.start_of(now, newest, is_restart=progress.decided is not None))
        loop.tell_positions()
        progress.catching_up = False
        if newest is not None:
            loop.decide_missed([newest])
        loop.save()

    def _start_readers(self, loop: DecisionLoop, interval: timedelta) -> None:
        bot, progress, queue = self._bot, self._progress, loop.queue
        own = [open_redis(self._settings.redis(), bot.redis_db) for _ in range(2)]
        state = open_redis(self._settings.redis(), STATE_DB)
        link = self._new_link("fills")
        seen = progress.observed
        after = {symbol: seen[symbol] - interval if symbol in seen else None for symbol in bot.symbols}
        readers = [
            Reader("fills", FillReader(queue, own[0], link, bot.id, progress.cursor).step),
            Reader("orders", OrderReader(queue, own[1], bot.id, "0").step),
            Reader("bars", BarReader(queue, state, interval, after).step),
        ]
        for reader in readers:
            reader.start()

        def end() -> None:
            for reader in readers:
                reader.stop()
            for reader in readers:
                reader.join()
            for client in (*own, state):
                client.close()

        self._ending.callback(end)

    def _serve_health(self, loop: DecisionLoop, clock: MarketClock, interval: timedelta) -> None:
        progress, started = self._progress, time.monotonic()
        # A client of its own: a Redis that hangs must not hold up the answer that says so.
        feed = open_redis(self._settings.redis(), STATE_DB, timeout_s=_HEALTH_ASKS_WITHIN_S)
        self._ending.callback(feed.close)

        def status() -> dict[str, object]:
            degraded = self._degraded.now()
            newest = max(progress.observed.values(), default=None)
            bars_fresh = _reports_live(feed) and bars_are_fresh(
                None if newest is None else clock.now() - newest,
                interval,
                running_s=time.monotonic() - started,
                undecided_s=loop.undecided_s,
                late_s=loop.late_s,
            )
            return {
                "ok": self._lease.is_held()
                and loop.idle_s < _HANGS_AFTER_S
                and loop.silent_s < _HANGS_AFTER_S
                and bars_fresh,
                "heartbeat_age_s": round(loop.silent_s, 1),
                "newest_bar": None if newest is None else newest.isoformat(),
                "bars_fresh": bars_fresh,
                "bot": self._bot.id,
                "environment": self._endpoints.environment,
                "lease_held": self._lease.is_held(),
                "cursor": progress.cursor,
                "latest_market_time": progress.latest.isoformat(),
                "decided": None if progress.decided is None else progress.decided.isoformat(),
                "bar_minutes": interval / timedelta(minutes=1),
                "orders_in_flight": len(list(progress.orders)),
                "denials": dict(self._broker.denials.counts),
                "degraded": degraded,
            }

        server = HealthServer(
            self._settings.bot_port, status, self._metrics.registry, host=self._settings.health_host
        ).start()
        self._ending.callback(server.stop)
        log.info("health_served", port=server.port)

    def _wind_up(self, loop: DecisionLoop, host: StrategyHost) -> None:
        """Own resting entries go, positions stay under their stops at the exchange."""
        log.info("bot_stopping")
        host.stop()
        with self._broker.deciding(Decision.on_start(now=self._progress.latest)):
            for order in self._progress.orders:
                if order.is_resting_entry:
                    self._broker.cancel(order.symbol, order.order_link_id)
        loop.save()
        loop.beat("stopped")

    def _troubles(self) -> dict[str, str]:
        """What each part says of itself, "" where it is well. Without the ledger or Redis nothing is entered, and exits
        pass."""
        return {"ledger": self._link.trouble, "redis": self._live.trouble}

    def _load_state(self) -> BotState:
        run = self._settings.alpha_run or secrets.token_hex(8)
        return self._link.run(lambda connection: load_state(connection, self._bot.id, run))

    def _new_link(self, purpose: str) -> LedgerLink:
        link = LedgerLink(self._settings.pooled_dsn(), f"bot-{self._bot.id}-{purpose}", pooled=self._settings.pooled)
        self._ending.callback(link.close)
        return link

    def _answered(self, what: str, ask: Callable[[], T]) -> T:
        """The answer, however long what is asked is away. Raises _StoppedWhileStarting when it shall end."""
        waiting = False
        while True:
            try:
                return ask()
            except (ExchangeUnknown, ExchangeUnreachable, LedgerUnavailable) as error:
                if not waiting:
                    log.warning("waiting", what=what, error=str(error))
                waiting = True
            if self._stop.wait(_TRY_AGAIN_S):
                raise _StoppedWhileStarting
