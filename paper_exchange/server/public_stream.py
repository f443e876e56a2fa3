"""The public WebSocket of linear: klines and tickers (https://bybit-exchange.github.io/docs/v5/websocket/public/kline)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from alpha.domain.clock import to_ms
from alpha.domain.ids import Symbol
from paper_exchange.market.klines import INTERVALS, Candle
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.render_market import kline_update, ticker_update
from paper_exchange.server.sockets import ACK_DELAY_S, Socket, request_id, serve, topics_of
from paper_exchange.server.wall_clock import WallClock


class PublicStream:
    """All public sockets. The market moves bar by bar, so klines and tickers are pushed when a bar has closed."""

    def __init__(self, exchange: Exchange, clock: WallClock) -> None:
        self._exchange = exchange
        self._clock = clock
        self._sockets: set[Socket] = set()
        self._tickers: dict[Symbol, dict[str, str]] = {}
        self._cross_sequence = 0

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/v5/public/linear", self._serve)

    def publish_bar(self) -> None:
        """Pushes the candles that the last bar belongs to, and what changed in the tickers."""
        self._cross_sequence += 1
        topics = set().union(*(socket.topics for socket in self._sockets))
        for topic in sorted(topics):
            frame = self._kline_frame(topic) if topic.startswith("kline.") else self._ticker_delta(topic)
            text = orjson.dumps(frame).decode()
            for socket in self._sockets:
                if topic in socket.topics:
                    socket.send(text)

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        return await serve(request, self._sockets.add, self._sockets.discard, self._on_frame)

    async def _on_frame(self, socket: Socket, frame: dict[str, Any]) -> None:
        match frame.get("op"):
            case "ping":
                socket.send_json(_reply(socket, frame, "ping", message="pong"))
            case "subscribe":
                await self._subscribe(socket, frame)
            case "unsubscribe":
                await asyncio.sleep(ACK_DELAY_S)
                socket.topics.difference_update(topics_of(frame))
                socket.send_json(_reply(socket, frame, "unsubscribe"))
            case other:
                op = "" if other is None else str(other)
                socket.send_json(_reply(socket, frame, op, success=False, message="Params Error"))

    async def _subscribe(self, socket: Socket, frame: dict[str, Any]) -> None:
        topics = topics_of(frame)
        unknown = [topic for topic in topics if not self._is_topic(topic)]
        await asyncio.sleep(ACK_DELAY_S)
        if unknown or not topics:
            message = f"error:handler not found,topic:{','.join(unknown)}"
            socket.send_json(_reply(socket, frame, "subscribe", success=False, message=message))
            return
        socket.send_json(_reply(socket, frame, "subscribe"))
        await asyncio.sleep(ACK_DELAY_S)
        socket.topics.update(topics)
        for topic in topics:
            socket.send_json(self._open_kline(topic) if topic.startswith("kline.") else self._ticker_snapshot(topic))

    def _is_topic(self, topic: str) -> bool:
        match topic.split("."):
            case ["kline", interval, symbol]:
                return interval in INTERVALS and symbol in self._exchange.listings
            case ["tickers", symbol]:
                return symbol in self._exchange.listings
        return False

    def _kline_frame(self, topic: str) -> dict[str, Any]:
        _, interval, symbol = topic.split(".")
        candle = self._exchange.klines.closing_now(Symbol(symbol), INTERVALS[interval])
        return self._framed_kline(topic, interval, candle)

    def _open_kline(self, topic: str) -> dict[str, Any]:
        """The first frame of a subscription: the candle that is open now."""
        _, interval, symbol = topic.split(".")
        candle = self._exchange.klines.between(Symbol(symbol), INTERVALS[interval], limit=1)[0]
        return self._framed_kline(topic, interval, candle)

    def _framed_kline(self, topic: str, interval: str, candle: Candle) -> dict[str, Any]:
        row = kline_update(candle, interval, self._exchange.now)
        return {"topic": topic, "type": "snapshot", "ts": self._clock.now_ms(), "data": [row]}

    def _ticker_snapshot(self, topic: str) -> dict[str, Any]:
        symbol = Symbol(topic.split(".")[1])
        # What the others were told last, so that the next delta fits the new socket as well.
        told = self._tickers.setdefault(symbol, self._ticker(symbol))
        return self._framed_ticker(topic, "snapshot", told)

    def _ticker_delta(self, topic: str) -> dict[str, Any]:
        symbol = Symbol(topic.split(".")[1])
        before, now = self._tickers.get(symbol, {}), self._ticker(symbol)
        self._tickers[symbol] = now
        changed = {name: value for name, value in now.items() if before.get(name) != value}
        return self._framed_ticker(topic, "delta", {"symbol": symbol, **changed})

    def _ticker(self, symbol: Symbol) -> dict[str, str]:
        return ticker_update(self._exchange.ticker(symbol), self._exchange.listings[symbol])

    def _framed_ticker(self, topic: str, kind: str, data: Mapping[str, str]) -> dict[str, Any]:
        sequence = to_ms(self._exchange.now) + self._cross_sequence
        return {"topic": topic, "type": kind, "data": data, "cs": sequence, "ts": self._clock.now_ms()}


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
