"""Looking at a running platform from outside, through the same doors that any tool has."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from typing import Any

import requests

from alpha.domain.clock import EPOCH
from alpha.domain.ids import BotId, Symbol
from alpha.ledger.connection import Connection, LedgerError, connect
from alpha.ledger.fills import RecordedFill
from alpha.ledger.reading import BotSummary, bot_summaries, fills_between
from alpha.live import positions as live_positions
from alpha.live.connection import LIVE_ERRORS, STATE_DB, LiveStateError, open_redis
from alpha.live.health import read_feed_health, read_heartbeat
from alpha.live.positions import LivePosition
from alpha.local.demo.comparison import PositionCheck
from alpha.local.demo.screen import BotView, Latency, PositionView, Snapshot
from alpha.local.exchange_admin import ExchangeAdmin, ExchangeState
from alpha.local.platform import Platform

_FAR_FUTURE = datetime(9999, 1, 1, tzinfo=EPOCH.tzinfo)
_HEALTH_TIMEOUT_S = 1.0
NO_LATENCY = Latency(p50=None, p99=None)


class Watcher:
    """Reads ledger, live state, the listener's health and the engine's counts. A part that is away is shown as away."""

    def __init__(self, platform: Platform, admin: ExchangeAdmin) -> None:
        self._platform = platform
        self._admin = admin
        self._connection: Connection | None = None
        self._bots = {bot: platform.registry.bot(bot) for bot in platform.options.bots}
        self._redis = {
            bot: open_redis(platform.valkey.address(), config.redis_db) for bot, config in self._bots.items()
        }
        self._state = open_redis(platform.valkey.address(), STATE_DB)
        self._health = requests.Session()
        self._health.trust_env = False

    def close(self) -> None:
        """Lets go of all connections."""
        if self._connection is not None:
            self._connection.close()
        for client in (*self._redis.values(), self._state):
            client.close()
        self._health.close()

    def snapshot(self, *, elapsed_s: float, total_s: float) -> Snapshot:
        """The state now. Raises AdminUnreachable when the exchange is gone, without which there is nothing to show."""
        exchange = self._admin.state()
        summaries = self.summaries()
        health = self.listener_health()
        return Snapshot(
            elapsed_s=elapsed_s,
            total_s=total_s,
            speed=self._platform.options.speed,
            market_time=exchange.market_time,
            bars=exchange.bars,
            bars_waited=exchange.bars_waited,
            orders=exchange.orders,
            exchange_fills=exchange.executions,
            ledger_fills=sum(summary.fills for summary in summaries.values()),
            listener=_listener_state(health),
            feed=self._feed_state(),
            to_commit=_latency(health, "fill_to_commit_ms"),
            to_redis=_latency(health, "fill_to_redis_ms"),
            bots=[self._view(bot, summaries.get(bot)) for bot in self._bots],
        )

    def summaries(self) -> Mapping[BotId, BotSummary]:
        """What the ledger says of each bot; empty while the database is away."""
        try:
            return bot_summaries(self._ledger())
        except LedgerError:
            self._connection = None
            return {}

    def latencies(self) -> tuple[Latency, Latency]:
        """From the exchange's frame to the commit, and to Redis, as the running listener measured them."""
        health = self.listener_health()
        return _latency(health, "fill_to_commit_ms"), _latency(health, "fill_to_redis_ms")

    def ledger(self) -> list[RecordedFill]:
        """Every fill of the demo's accounts. Raises LedgerError."""
        with closing(connect(self._platform.dsn("reader"), "demo")) as connection:
            return [
                row
                for account in self._platform.registry.accounts
                for row in fills_between(connection, account, EPOCH, _FAR_FUTURE)
            ]

    def position_checks(self, exchange: ExchangeState) -> list[PositionCheck]:
        """The position of every bot in each of its symbols, as engine, ledger and Redis tell it."""
        summaries = self.summaries()
        checks = []
        for bot, config in self._bots.items():
            summary = summaries.get(bot)
            booked = {book.key.symbol: book.position.quantity for book in summary.books} if summary else {}
            for symbol in config.symbols:
                live = self._live(bot, symbol)
                checks.append(
                    PositionCheck(
                        bot=bot,
                        symbol=symbol,
                        exchange=exchange.positions.get((config.account, symbol), Decimal(0)),
                        ledger=booked.get(symbol, Decimal(0)) if summary else None,
                        live=live.position.quantity if live else None,
                    )
                )
        return checks

    def listener_health(self) -> Mapping[str, Any]:
        """The listener's /healthz, empty when it does not answer."""
        try:
            content: dict[str, Any] = self._health.get(
                f"{self._platform.listener_url}/healthz", timeout=_HEALTH_TIMEOUT_S
            ).json()
        except (requests.RequestException, ValueError):
            return {}
        return content

    def _ledger(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._platform.dsn("reader"), "demo", statement_timeout_s=2)
        return self._connection

    def _view(self, bot: BotId, summary: BotSummary | None) -> BotView:
        held = [live for symbol in self._bots[bot].symbols if (live := self._live(bot, symbol)) is not None]
        last = summary.last_fill.fill if summary and summary.last_fill else None
        return BotView(
            bot=bot,
            state=self._heartbeat(bot),
            positions=[_position(live) for live in held if not live.position.is_flat],
            last_fill=f"{last.exec_time:%d %H:%M} {last.side} {last.quantity} {last.symbol} at {last.price}"
            if last
            else "-",
            fills=summary.fills if summary else 0,
            realized_pnl=summary.realized_pnl if summary else Decimal(0),
            fees=summary.fees if summary else Decimal(0),
            net_pnl=summary.net_pnl if summary else Decimal(0),
        )

    def _live(self, bot: BotId, symbol: Symbol) -> LivePosition | None:
        try:
            return live_positions.read(self._redis[bot], bot, symbol)
        except (*LIVE_ERRORS, LiveStateError):
            return None

    def _heartbeat(self, bot: BotId) -> str:
        try:
            heartbeat = read_heartbeat(self._redis[bot], bot)
        except LIVE_ERRORS:
            return "unknown"
        if heartbeat is None or not heartbeat.is_alive():
            return "silent"
        return heartbeat.state

    def _feed_state(self) -> str:
        try:
            health = read_feed_health(self._state)
        except LIVE_ERRORS:
            return "unknown"
        if health is None or not health.is_live():
            return "silent"
        return health.state


def _listener_state(health: Mapping[str, Any]) -> str:
    accounts = health.get("accounts", {})
    states = sorted({account.get("state", "unknown") for account in accounts.values()} - {"live"})
    if not accounts:
        return "silent"
    return ", ".join(states) if states else "live"


def _latency(health: Mapping[str, Any], name: str) -> Latency:
    measured = health.get("latency", {}).get(name, {})
    return Latency(p50=measured.get("p50"), p99=measured.get("p99"))


def _position(live: LivePosition) -> PositionView:
    return PositionView(
        symbol=live.symbol,
        quantity=live.position.quantity,
        entry_price=live.position.entry_price,
        stop=live.stop_loss,
    )
