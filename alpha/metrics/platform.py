"""What no single process knows: read from ledger, Redis and PgBouncer each time Prometheus asks."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime

import structlog
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from alpha.config import Registry, Settings
from alpha.exchange.budget import Purpose
from alpha.ledger.connection import LedgerError, connect
from alpha.ledger.controls import PLATFORM, DesiredState, account_scope, bot_scope
from alpha.ledger.platform_figures import PlatformFigures, platform_figures
from alpha.ledger.servers import PoolStanding, pool_standing
from alpha.live.connection import FLAGS_DB, LIVE_ERRORS, open_redis
from alpha.live.glance import Glance, Watched, take_glance
from alpha.live.rate_budget import calls_in_window
from alpha.metrics.catalogue import CATALOGUE, Process
from alpha.metrics.registry import MetricSet

log = structlog.get_logger(__name__)

LEDGER, REDIS, PGBOUNCER = "ledger", "redis", "pgbouncer"


class PlatformCollector(Collector):
    """Asks all sources anew for every scrape.

    One that does not answer is 0 in `alpha_source_up`, and what it would have said is absent: an old figure would look
    like a present one.
    """

    def __init__(self, settings: Settings, registry: Registry, metrics: MetricSet) -> None:
        self._settings, self._registry, self._metrics = settings, registry, metrics
        # Scrapes of two Prometheus servers are answered one after the other.
        self._asking = threading.Lock()

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Names only: registering must ask nobody."""
        for metric in CATALOGUE:
            if metric.process is Process.EXPORTER:
                yield self._metrics.family(metric.name)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        with self._asking:
            figures, glance, calls = self._figures(), self._glance(), self._calls()
            pools = pool_standing(self._settings.pooled_dsn()) if self._settings.pooled else None
        up = {LEDGER: figures is not None, REDIS: glance is not None and calls is not None}
        if self._settings.pooled:
            up[PGBOUNCER] = pools is not None
        values = _Values(self._metrics)
        for source, there in up.items():
            values.add("alpha_source_up", there, source)
        if figures is not None:
            self._of_ledger(values, figures)
        if glance is not None:
            self._of_redis(values, glance)
        if calls is not None:
            _of_calls(values, calls)
        if pools is not None:
            _of_pools(values, pools)
        yield from values.families.values()

    def _figures(self) -> PlatformFigures | None:
        accounts = tuple(self._registry.accounts)
        try:
            dsn, pooled = self._settings.pooled_dsn(), self._settings.pooled
            with closing(connect(dsn, "exporter", statement_timeout_s=5, pooled=pooled)) as connection:
                return platform_figures(connection, accounts)
        except LedgerError as error:
            log.warning("ledger_unknown", error=str(error))
            return None

    def _glance(self) -> Glance | None:
        watched = [
            Watched(bot.id, bot.redis_db, tuple((symbol, 0) for symbol in bot.symbols))
            for bot in self._registry.bots.values()
        ]
        try:
            return take_glance(self._settings.redis(), tuple(self._registry.accounts), watched)
        except LIVE_ERRORS as error:
            log.warning("redis_unknown", error=str(error))
            return None

    def _calls(self) -> dict[tuple[str, Purpose], int] | None:
        try:
            with open_redis(self._settings.redis(), FLAGS_DB) as client:
                return calls_in_window(client)
        except LIVE_ERRORS as error:
            log.warning("redis_unknown", error=str(error))
            return None

    def _of_ledger(self, values: _Values, figures: PlatformFigures) -> None:
        for account, standing in figures.accounts.items():
            proven = figures.proven_until[account]
            if proven is not None:
                values.add("alpha_coverage_proven_until_timestamp_seconds", proven.timestamp(), account)
            values.add("alpha_coverage_unproven_intervals", len(standing.unproven), account)
            values.add("alpha_drift_open", standing.drift_blocking, account)
            values.add("alpha_raw_events_waiting", standing.raw_waiting, account)
            values.add("alpha_fills_unattributed", figures.unattributed[account], account)
        for bot in self._registry.bots.values():
            scopes = (PLATFORM, account_scope(bot.account), bot_scope(bot.id))
            over = [figures.controls[scope] for scope in scopes if scope in figures.controls]
            wanted = all(control.desired_state is DesiredState.RUNNING for control in over)
            values.add("alpha_bot_wanted", wanted, bot.id)
            values.add("alpha_entries_allowed", all(control.entries_allowed for control in over), bot.id)
            values.add("alpha_net_pnl_usdt", float(figures.net_pnl.get(bot.id, 0)), bot.id)
        for severity in ("info", "warning", "error", "critical"):
            values.add("alpha_alerts", figures.alerts.get(severity, 0), severity)
        for task, ended in (("sync", figures.synced_at), ("proof", figures.proven_at)):
            for account, at in ended.items():
                values.add("alpha_task_age_seconds", (figures.at - at).total_seconds(), task, account)
        # What never ended well is as old as the ledger.
        backed_up_at = figures.begun_at if figures.backup is None else figures.backup.taken_at
        values.add("alpha_task_age_seconds", (figures.at - backed_up_at).total_seconds(), "backup", "")
        if figures.backup is not None:
            values.add("alpha_task_duration_seconds", figures.backup.seconds, "backup")
        values.add("alpha_database_size_bytes", figures.database.size_bytes)
        values.add("alpha_database_connections", figures.database.connections)
        values.add("alpha_database_connections_limit", figures.database.most_connections)

    def _of_redis(self, values: _Values, glance: Glance) -> None:
        now = datetime.now(UTC)
        for account, health in glance.accounts.items():
            # No listener has ever spoken of an account that is not in use.
            if health is not None:
                values.add("alpha_stream_live", health.is_live(now), account)
                values.add("alpha_stream_updated_age_seconds", _age(now, health.updated_at), account)
        for account, wallet in glance.wallets.items():
            if wallet is not None:
                values.add("alpha_account_equity_usdt", float(wallet.equity), account)
        values.add("alpha_feed_live", glance.feed is not None and glance.feed.is_live(now))
        for bot, said in glance.bots.items():
            if said.heartbeat is not None:
                values.add("alpha_heartbeat_age_seconds", _age(now, said.heartbeat.updated_at), bot)
            for (symbol, _), held in said.positions.items():
                if held is None:
                    continue
                price = held.mark_price or held.position.entry_price
                values.add("alpha_position_notional_usdt", float(held.position.quantity * price), bot, symbol)
                values.add("alpha_unrealized_pnl_usdt", float(held.unrealized_pnl or 0), bot, symbol)
        values.add("alpha_redis_memory_bytes", glance.memory_bytes)
        values.add("alpha_redis_memory_limit_bytes", glance.memory_limit_bytes)


class _Values:
    """Families that were given a value."""

    def __init__(self, metrics: MetricSet) -> None:
        self._metrics = metrics
        self.families: dict[str, GaugeMetricFamily] = {}

    def add(self, name: str, value: float, *labels: str) -> None:
        family = self.families.get(name)
        if family is None:
            family = self.families[name] = self._metrics.family(name)
        family.add_metric(labels, float(value))


def _of_calls(values: _Values, calls: Mapping[tuple[str, Purpose], int]) -> None:
    for (scope, purpose), count in calls.items():
        values.add("alpha_rest_calls", count, scope, purpose.value)
    # Nothing is counted where nothing is limited, and "no data" would look like an exporter that does not know.
    for purpose in set(Purpose) - {purpose for _, purpose in calls}:
        values.add("alpha_rest_calls", 0, "", purpose.value)


def _of_pools(values: _Values, pools: PoolStanding) -> None:
    values.add("alpha_pgbouncer_clients", pools.clients_active, "active")
    values.add("alpha_pgbouncer_clients", pools.clients_waiting, "waiting")
    values.add("alpha_pgbouncer_servers", pools.servers)


def _age(now: datetime, at: datetime) -> float:
    return max(0.0, (now - at).total_seconds())
