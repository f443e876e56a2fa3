"""The public WebSocket of linear (https://bybit-exchange.github.io/docs/v5/ws/connect, .../websocket/public/kline).

What everybody may know is told when the market moves, and what orders between two moves change in books, tickers and
trades at most every 20 ms. A topic that nobody listens to costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import orjson
from aiohttp import web

from alpha.domain.clock import to_ms
from alpha.domain.ids import Symbol
from paper_exchange.engine import OrderBook, OrderState
from paper_exchange.engine.events import Event
from paper_exchange.market.intervals import INTERVALS
from paper_exchange.market.klines import Candle
from paper_exchange.market.tape import PublicTrade
from paper_exchange.server.book_feed import DEPTHS, BookFeed
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.render_market import kline_update, ticker_update
from paper_exchange.server.sockets import Keeping, Socket, request_id, serve, topics_of
from paper_exchange.server.ticker_feed import TickerFeed
from paper_exchange.server.wall_clock import WallClock
from paper_exchange.server.wire_text import number

TOPICS = ("kline.{interval}.{symbol}", "tickers.{symbol}", "publicTrade.{symbol}", "orderbook.{depth}.{symbol}")

_TRADES_A_FRAME = 1024
_ARGS_LENGTH = 21_000
"""Characters of all topics of one connection (https://bybit-exchange.github.io/docs/v5/ws/connect)."""
_BETWEEN_BOOKS_S = 0.02
_TOP_REPEATED_S = 3.0


class PublicStream:
    """All public sockets, and what they were told."""

    def __init__(self, exchange: Exchange, clock: WallClock, keeping: Keeping) -> None:
        self._exchange = exchange
        self._clock = clock
        self._keeping = keeping
        self._listeners: dict[str, set[Socket]] = {}
        self._books: dict[str, BookFeed] = {}
        self._tickers: dict[str, TickerFeed] = {}
        self._traded: dict[str, int] = {}
        self._stirred: set[Symbol] = set()
        self._repeating: dict[str, asyncio.TimerHandle] = {}

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/v5/public/linear", self._serve)

    def publish_move(self, since: datetime) -> None:
        """The market has moved from then to now. Candles come last: who acts on one that has closed knows the prices
        that it closed at, whatever else of them is told where."""
        self._stirred.clear()
        topics = sorted(self._listeners)
        for topic in topics:
            if not topic.startswith("kline."):
                self._publish_change(topic)
        for topic in topics:
            if topic.startswith("kline."):
                self._publish_klines(topic, since)

    def publish_events(self, events: Iterable[Event]) -> None:
        """Accounts did something between two moves."""
        if not self._listeners:
            return
        is_due = bool(self._stirred)
        self._stirred.update(event.symbol for event in events if isinstance(event, OrderState))
        if self._stirred and not is_due:
            asyncio.get_running_loop().call_later(_BETWEEN_BOOKS_S, self._publish_stirred)

    def publish_anew(self) -> None:
        """The exchange became another one (a state was restored): whoever holds a book or ticker gets it whole."""
        ts = self._clock.now_ms()
        for topic, sockets in self._listeners.items():
            if topic in self._books:
                self._books[topic].begin(self._book(topic), anew=True)
                _send(sockets, self._books[topic].snapshot(to_ms(self._exchange.now), ts))
            elif topic in self._tickers:
                self._tickers[topic].begin(self._ticker(topic))
                _send(sockets, self._tickers[topic].snapshot(ts))
            elif topic in self._traded:
                self._traded[topic] = self._exchange.tape.count(_symbol(topic))

    def _publish_stirred(self) -> None:
        stirred, self._stirred = self._stirred, set()
        for topic in sorted(self._listeners):
            if _symbol(topic) in stirred and not topic.startswith("kline."):
                self._publish_change(topic)

    def _publish_klines(self, topic: str, since: datetime) -> None:
        _, interval, symbol = topic.split(".")
        candles = self._exchange.klines.closing_between(Symbol(symbol), INTERVALS[interval], since)
        if candles:
            _send(self._listeners[topic], self._kline_frame(topic, interval, candles))

    def _publish_change(self, topic: str) -> None:
        sockets, ts = self._listeners[topic], self._clock.now_ms()
        if topic in self._books:
            frame = self._books[topic].change(self._book(topic), to_ms(self._exchange.now), ts)
            if frame is not None:
                _send(sockets, frame)
                self._repeat(topic)
        elif topic in self._tickers:
            frame = self._tickers[topic].change(self._ticker(topic), ts)
            if frame is not None:
                _send(sockets, frame)
        else:
            self._publish_trades(topic, sockets)

    def _publish_trades(self, topic: str, sockets: set[Socket]) -> None:
        trades = self._exchange.tape.since(_symbol(topic), self._traded[topic])
        self._traded[topic] = self._exchange.tape.count(_symbol(topic))
        for first in range(0, len(trades), _TRADES_A_FRAME):
            rows = [_trade_row(trade) for trade in trades[first : first + _TRADES_A_FRAME]]
            _send(sockets, {"topic": topic, "type": "snapshot", "ts": self._clock.now_ms(), "data": rows})

    def _repeat(self, topic: str) -> None:
        """The top of a book that does not change is told again after three seconds, with the same `u`."""
        if self._books[topic].depth != 1:
            return
        earlier = self._repeating.pop(topic, None)
        if earlier is not None:
            earlier.cancel()
        if topic in self._listeners:
            loop = asyncio.get_running_loop()
            self._repeating[topic] = loop.call_later(_TOP_REPEATED_S, self._send_again, topic)

    def _send_again(self, topic: str) -> None:
        sockets = self._listeners.get(topic)
        if sockets:
            _send(sockets, self._books[topic].snapshot(to_ms(self._exchange.now), self._clock.now_ms()))
            self._repeat(topic)

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        return await serve(request, self._keeping, _opened, self._forget, self._on_frame)

    def _forget(self, socket: Socket) -> None:
        self._drop(socket, set(socket.topics))

    def _drop(self, socket: Socket, topics: set[str]) -> None:
        for topic in topics & socket.topics:
            listeners = self._listeners[topic]
            listeners.discard(socket)
            if not listeners:
                del self._listeners[topic]
                self._books.pop(topic, None)
                self._tickers.pop(topic, None)
                self._traded.pop(topic, None)
                repeating = self._repeating.pop(topic, None)
                if repeating is not None:
                    repeating.cancel()
        socket.topics -= topics

    def _on_frame(self, socket: Socket, frame: dict[str, Any]) -> None:
        match frame.get("op"):
            case "ping":
                socket.send_json(_reply(socket, frame, "ping", message="pong"))
            case "subscribe":
                socket.acknowledge(partial(self._subscribe, socket, frame))
            case "unsubscribe":
                socket.acknowledge(partial(self._unsubscribe, socket, frame))
            case other:
                op = "" if other is None else str(other)
                socket.send_json(_reply(socket, frame, op, success=False, message="Params Error"))

    def _unsubscribe(self, socket: Socket, frame: dict[str, Any]) -> None:
        self._drop(socket, set(topics_of(frame)))
        socket.send_json(_reply(socket, frame, "unsubscribe"))

    def _subscribe(self, socket: Socket, frame: dict[str, Any]) -> None:
        topics = list(dict.fromkeys(topics_of(frame)))
        problem = self._problem_with(socket, topics)
        if problem:
            socket.send_json(_reply(socket, frame, "subscribe", success=False, message=problem))
            return
        socket.send_json(_reply(socket, frame, "subscribe"))
        # At once, so that a client which acts on the acknowledgement misses nothing of what it does.
        for topic in topics:
            self._begin(socket, topic)

    def _problem_with(self, socket: Socket, topics: list[str]) -> str:
        """Why a subscription is refused, "" when it is not. One bad topic refuses the whole request."""
        unknown = [topic for topic in topics if not self._is_topic(topic)]
        if unknown or not topics:
            return f"error:handler not found,topic:{','.join(unknown)[:_ARGS_LENGTH]}"
        repeated = [topic for topic in topics if topic in socket.topics]
        if repeated:
            return f"error:already subscribed,topic:{repeated[0]}"
        if sum(map(len, (*socket.topics, *topics))) > _ARGS_LENGTH:
            return f"error:args of more than {_ARGS_LENGTH} characters"
        return ""

    def _is_topic(self, topic: str) -> bool:
        match topic.split("."):
            case ["kline", interval, symbol]:
                return interval in INTERVALS and symbol in self._exchange.listings
            case ["orderbook", depth, symbol]:
                return depth in map(str, DEPTHS) and symbol in self._exchange.listings
            case ["tickers" | "publicTrade", symbol]:
                return symbol in self._exchange.listings
        return False

    def _begin(self, socket: Socket, topic: str) -> None:
        """From now on the socket listens; it gets what there is to know before the first change."""
        is_first = topic not in self._listeners
        self._listeners.setdefault(topic, set()).add(socket)
        socket.topics.add(topic)
        ts = self._clock.now_ms()
        match topic.split("."):
            case ["kline", interval, symbol]:
                candles = self._exchange.klines.between(Symbol(symbol), INTERVALS[interval], limit=1)
                _send([socket], self._kline_frame(topic, interval, candles))
            case ["orderbook", depth, symbol]:
                if is_first:
                    self._books[topic] = BookFeed(topic, symbol, int(depth))
                    self._books[topic].begin(self._book(topic))
                _send([socket], self._books[topic].snapshot(to_ms(self._exchange.now), ts))
                if is_first:
                    self._repeat(topic)
            case ["tickers", symbol]:
                if is_first:
                    self._tickers[topic] = TickerFeed(topic, symbol, to_ms(self._exchange.now))
                    self._tickers[topic].begin(self._ticker(topic))
                _send([socket], self._tickers[topic].snapshot(ts))
            case _:
                if is_first:
                    self._traded[topic] = self._exchange.tape.count(_symbol(topic))

    def _kline_frame(self, topic: str, interval: str, candles: list[Candle]) -> dict[str, Any]:
        rows = [kline_update(candle, interval, self._exchange.now) for candle in candles]
        return {"topic": topic, "type": "snapshot", "ts": self._clock.now_ms(), "data": rows}

    def _book(self, topic: str) -> OrderBook:
        return self._exchange.order_book(_symbol(topic), self._books[topic].depth)

    def _ticker(self, topic: str) -> dict[str, str]:
        symbol = _symbol(topic)
        return ticker_update(self._exchange.ticker(symbol), self._exchange.listings[symbol])


def _opened(socket: Socket) -> None:
    """Nothing: a public socket is known from its first topic on."""


def _symbol(topic: str) -> Symbol:
    return Symbol(topic.rpartition(".")[2])


def _send(sockets: Iterable[Socket], content: Mapping[str, Any]) -> None:
    frame = orjson.dumps(content).decode()
    for socket in sockets:
        socket.send(frame)


def _trade_row(trade: PublicTrade) -> dict[str, Any]:
    return {
        "T": to_ms(trade.time),
        "s": trade.symbol,
        "S": trade.side.value,
        "v": number(trade.quantity),
        "p": number(trade.price),
        "L": trade.tick_direction,
        "i": trade.trade_id,
        "BT": False,
        "RPI": False,
        "seq": trade.seq,
    }


def _reply(
    socket: Socket, frame: Mapping[str, Any], op: str, *, success: bool = True, message: str = ""
) -> dict[str, Any]:
    return {
        "success": success,
        "ret_msg": message,
        "conn_id": socket.conn_id,
        "req_id": request_id(frame),
        "op": op,
    }
