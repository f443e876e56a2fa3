"""The market feed, a process of its own: one public stream, closed bars and prices into Redis for all bots."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import redis
import structlog

from alpha.config.addresses import endpoints
from alpha.config.errors import ConfigError
from alpha.config.registry import Registry
from alpha.config.settings import Settings
from alpha.domain.bar import Bar
from alpha.domain.ids import AccountName, Symbol
from alpha.exchange.budget import Budget
from alpha.exchange.endpoints import Endpoints
from alpha.exchange.errors import ExchangeError, UnknownMessage
from alpha.exchange.parse import PublicMessage, interval_to_wire, parse_public
from alpha.exchange.rest import ExchangeClient
from alpha.exchange.stream import Frame, StreamClient, StreamState
from alpha.exchange.ticker import Ticker
from alpha.live import market
from alpha.live.connection import LIVE_ERRORS, STATE_DB, open_redis
from alpha.live.health import FeedHealth, write_feed_health
from alpha.live.rate_budget import SharedBudget
from alpha.live.wire import now
from alpha.service.health import HealthServer
from alpha.service.listed_symbols import ListingWatch, listed_when_answered
from alpha.service.process import run_service
from alpha.service.shutdown import StopSignal

log = structlog.get_logger()

INTERVAL = timedelta(minutes=5)
_SILENT_S = 15.0
_HEALTH_EVERY_S = 1.0
_TICK_S = 0.2
# https://bybit-exchange.github.io/docs/v5/ws/connect: so many characters of topics on one public connection.
_TOPICS_LENGTH = 21_000


def main(settings: Settings, registry: Registry) -> None:
    """Runs the feed until SIGTERM or SIGINT. Raises ConfigError when it must not start."""
    stop = StopSignal().install()
    registry = listed_when_answered(settings, registry, stop, port=settings.feed_port)
    ListingWatch(settings, registry, stop).start()
    feed = Feed(
        public_endpoints(settings, registry),
        registry.symbols,
        open_redis(settings.redis(), STATE_DB),
        SharedBudget(settings.redis()),
    )
    health = HealthServer(settings.feed_port, feed.status, host=settings.health_host).start()
    log.info("feed_started", url=feed.endpoints.public_url, symbols=list(registry.symbols), health_port=health.port)
    try:
        asyncio.run(feed.run(stop))
    finally:
        health.stop()
        log.info("feed_stopped")


def public_endpoints(settings: Settings, registry: Registry) -> Endpoints:
    """Where the market is. One market for all: a symbol has one price in Redis.

    Raises ConfigError when accounts name different public streams.
    """
    by_url: dict[str, tuple[AccountName, Endpoints]] = {}
    for account in registry.accounts.values():
        if registry.bots_on(account.name):
            where = endpoints(account, settings)
            by_url.setdefault(where.public_url, (account.name, where))
    if not by_url:
        raise ConfigError("no bot in bots.yaml uses an account: there is no market to follow")
    if len(by_url) > 1:
        names = " and ".join(name for name, _ in by_url.values())
        raise ConfigError(
            f"accounts {names} have different public_url: the feed follows one market, make them the same"
        )
    return next(iter(by_url.values()))[1]


def shares_of(symbols: Sequence[Symbol]) -> list[tuple[Symbol, ...]]:
    """The symbols of each connection, in their order: as many as it may subscribe to."""
    shares: list[list[Symbol]] = [[]]
    length = 0
    for symbol in symbols:
        more = sum(map(len, _topics(symbol)))
        if length + more > _TOPICS_LENGTH:
            shares.append([])
            length = 0
        shares[-1].append(symbol)
        length += more
    return [tuple(share) for share in shares]


def _topics(symbol: Symbol) -> tuple[str, str]:
    return f"kline.{interval_to_wire(INTERVAL)}.{symbol}", f"tickers.{symbol}"


@dataclass(frozen=True, slots=True)
class _Subscribed:
    """The stream of these symbols has begun anew; what closed meanwhile is asked over REST."""

    symbols: tuple[Symbol, ...]


class Feed:
    """The event loop hears, one thread writes.

    After every (re)connect, and whenever a closed bar does not follow the one before, the bars between are fetched
    over REST before it is written, so that the streams in Redis have no gap. A bar is written once. There are as many
    connections as it takes: the exchange bounds what may be subscribed to on each.
    """

    def __init__(self, where: Endpoints, symbols: Iterable[Symbol], state: redis.Redis, budget: Budget) -> None:
        self.endpoints = where
        self._symbols = tuple(symbols)
        self._redis = state
        self._client = ExchangeClient(AccountName("market"), where, budget=budget)
        self._heard: queue.SimpleQueue[PublicMessage | _Subscribed | None] = queue.SimpleQueue()
        self._tickers: dict[Symbol, Ticker] = {}
        self._unwritten_tickers: set[Symbol] = set()
        self._waiting_bars: dict[Symbol, list[Bar]] = {}
        self._last_start: dict[Symbol, datetime] = {}
        self._market_time: datetime | None = None
        self._shares = shares_of(self._symbols)
        self._states = dict.fromkeys(range(len(self._shares)), StreamState.CONNECTING)
        self._last_frame_at: datetime | None = None
        self._last_frame_s = 0.0
        self._last_bar_at: datetime | None = None
        self._available = False
        self._next_health_s = 0.0
        self._next_tickers_s = 0.0
        # On the paper exchange a bar may be shorter than this.
        self._ticker_every_s = 0.0 if where.is_paper else _TICK_S
        self._stopping = threading.Event()
        self.unreadable = 0
        """Frames that could not be read."""

    async def run(self, stop: StopSignal) -> None:
        """Follow the market until told to stop."""
        streams = [
            StreamClient(
                self.endpoints.public_url,
                [topic for symbol in share for topic in _topics(symbol)],
                None,
                on_frame=self._on_frame,
                on_state=partial(self._on_state, number),
                on_garbage=self._on_garbage,
            )
            for number, share in enumerate(self._shares)
        ]
        ending = asyncio.Event()
        writer = threading.Thread(target=self._write_all, name="feed-writer", daemon=True)
        writer.start()
        streaming = [asyncio.create_task(stream.run(ending)) for stream in streams]
        await stop.wait_async()
        ending.set()
        await asyncio.gather(*streaming)
        self._stopping.set()
        self._heard.put(None)
        await asyncio.to_thread(writer.join, 5)

    def status(self) -> dict[str, Any]:
        """What /healthz answers."""
        return {
            "ok": self._health_state() == "live" and self._available,
            "state": self._health_state(),
            "redis": self._available,
            "last_frame_at": self._last_frame_at,
            "last_bar_at": self._last_bar_at,
            "unreadable": self.unreadable,
        }

    def _on_frame(self, frame: Frame) -> None:
        self._last_frame_at, self._last_frame_s = now(), time.monotonic()
        try:
            self._heard.put(parse_public(frame))
        except UnknownMessage as error:
            self._on_garbage(error)

    def _on_garbage(self, error: UnknownMessage) -> None:
        self.unreadable += 1
        log.warning("public_message_unreadable", reason=error.reason, count=self.unreadable)

    def _on_state(self, number: int, state: StreamState, reason: str) -> None:
        log.info("feed_state", connection=number, state=state.value, reason=reason)
        self._states[number] = state
        if state is StreamState.SUBSCRIBED:
            self._last_frame_s = time.monotonic()
            self._heard.put(_Subscribed(self._shares[number]))

    def _health_state(self) -> str:
        """`live` while all is subscribed to and heard lately: a market without any frame for so long is not one to
        trade on."""
        for state in self._states.values():
            if state is not StreamState.SUBSCRIBED:
                return state.value
        return "live" if time.monotonic() - self._last_frame_s < _SILENT_S else "silent"

    def _write_all(self) -> None:
        while not self._stopping.is_set():
            try:
                self._take_what_waits()
                self._flush()
                self._available = True
            except LIVE_ERRORS as error:
                if self._available:
                    log.warning("redis_unavailable", reason=str(error))
                self._available = False
                self._stopping.wait(0.2)
            except ExchangeError as error:
                log.warning("bars_not_fetched", reason=str(error))
                self._stopping.wait(0.5)
            except Exception:
                log.exception("feed_failed")
                self._stopping.wait(0.5)

    def _take_what_waits(self) -> None:
        try:
            message = self._heard.get(timeout=_TICK_S)
            while True:
                self._take(message)
                message = self._heard.get_nowait()
        except queue.Empty:
            return

    def _take(self, message: PublicMessage | _Subscribed | None) -> None:
        if isinstance(message, _Subscribed):
            for symbol in message.symbols:
                self._waiting_bars.setdefault(symbol, [])
            self._market_time = None
        elif message is not None:
            for update in message.bars:
                if update.is_closed:
                    self._waiting_bars.setdefault(update.bar.symbol, []).append(update.bar)
                    self._market_time = max(self._market_time or update.bar.end, update.bar.end)
            if message.ticker is not None:
                self._take_ticker(message)

    def _take_ticker(self, message: PublicMessage) -> None:
        change = message.ticker
        if change is None:
            return
        held = self._tickers.get(change.symbol)
        if message.is_delta and held is None:
            return
        self._tickers[change.symbol] = held.updated(change) if held is not None and message.is_delta else change
        self._unwritten_tickers.add(change.symbol)

    def _flush(self) -> None:
        began_anew = any(not heard for heard in self._waiting_bars.values())
        # One moment for all: what closes after it is heard, as the stream came first.
        market_time = self._client.market_time() if began_anew else None
        # Prices before bars: a bot that is woken by a bar values what it holds at prices as new as the bar.
        if self._waiting_bars or time.monotonic() >= self._next_tickers_s:
            self._next_tickers_s = time.monotonic() + self._ticker_every_s
            self._write_tickers()
        for symbol in list(self._waiting_bars):
            self._write_bars(symbol, self._waiting_bars[symbol], market_time)
            del self._waiting_bars[symbol]
        if time.monotonic() >= self._next_health_s:
            self._next_health_s = time.monotonic() + _HEALTH_EVERY_S
            write_feed_health(
                self._redis,
                FeedHealth(
                    state=self._health_state(),
                    last_frame_at=self._last_frame_at,
                    last_bar_at=self._last_bar_at,
                    updated_at=now(),
                ),
            )

    def _write_bars(self, symbol: Symbol, heard: list[Bar], market_time: datetime | None) -> None:
        """Write closed bars without a gap after what is in Redis; nothing heard means a new connection, which makes up
        for what closed until `market_time`."""
        last = market.last_bar_start(self._redis, symbol, INTERVAL)
        until = heard[0].start if heard else market_time or self._client.market_time()
        if last is not None and not heard and last + INTERVAL > until:
            # A bar that closes in the future: Redis is of a market whose clock was set back, a paper one started anew.
            log.warning("market_set_back", symbol=symbol, last=last, market_time=until)
            market.forget_bars(self._redis, symbol, INTERVAL)
            last = None
        if last is not None and last + INTERVAL < until:
            heard = self._client.klines(symbol, INTERVAL, last + INTERVAL, until) + heard
        for bar in sorted(heard, key=lambda bar: bar.start):
            market.write_bar(self._redis, bar)
            self._last_bar_at = max(self._last_bar_at or bar.end, bar.end)

    def _write_tickers(self) -> None:
        for symbol in list(self._unwritten_tickers):
            ticker = self._tickers[symbol]
            if ticker.last_price is not None and ticker.mark_price is not None:
                market.write_ticker(
                    self._redis,
                    market.Ticker(
                        symbol=symbol,
                        last_price=ticker.last_price,
                        mark_price=ticker.mark_price,
                        bid=ticker.bid_price,
                        ask=ticker.ask_price,
                        funding_rate=ticker.funding_rate,
                        at=self._at_market(ticker),
                        updated_at=now(),
                    ),
                )
            self._unwritten_tickers.discard(symbol)

    def _at_market(self, ticker: Ticker) -> datetime:
        """The market clock of a ticker. Frames carry the wall clock, which is the same except on the paper exchange:
        there it is the end of the newest closed bar, or asked for after a connect."""
        if not self.endpoints.is_paper:
            return ticker.at
        if self._market_time is None:
            self._market_time = self._client.market_time()
        return self._market_time


if __name__ == "__main__":
    sys.exit(run_service("feed", main))
