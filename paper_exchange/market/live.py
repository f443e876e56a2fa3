"""Another exchange's prices as they come: Bybit's own public stream, which needs no keys."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import InvalidOperation
from pathlib import Path
from typing import Any

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from alpha.domain.clock import from_ms
from alpha.domain.ids import Symbol
from paper_exchange.market.columns import BarColumns
from paper_exchange.market.inside import Whole
from paper_exchange.market.instruments import Listing
from paper_exchange.market.live_history import LiveHistory
from paper_exchange.market.live_steps import LiveSteps
from paper_exchange.market.recording import Recording
from paper_exchange.market.short_steps import Minutes, ShortStep, ShortSteps
from paper_exchange.market.source import FundingRate, MarketStep, MarketUnavailable
from paper_exchange.market.upstream import Upstream

log = structlog.get_logger()

_PING_S = 20.0
_AGAIN_S = 1.0
_ACKNOWLEDGED_WITHIN_S = 10.0
_LATE_S = 0.25
_UNREADABLE = (KeyError, TypeError, AttributeError, InvalidOperation, ValueError, OverflowError, OSError)


class LiveMarket:
    """Follows the public trades and tickers of an upstream: the trades of a second are a step of this market.

    What was seen is recorded in `folder` before it is used, because it cannot be asked for again: an exchange started
    again from its state goes through the same steps, and what happened meanwhile is one step for each minute of it.
    While the upstream cannot be reached the market stands still.
    """

    def __init__(
        self, listings: Mapping[Symbol, Listing], upstream: Upstream, folder: Path | None, *, step: timedelta
    ) -> None:
        """Asks the upstream for the history. Raises MarketUnavailable."""
        self._listings = dict(listings)
        self._upstream = upstream
        self._step = step
        self._history = LiveHistory(upstream, self._listings)
        self._recording = Recording(folder, self._listings, self._history, description=self._identity())
        self._start_ms = self._recording.start_ms
        self._minutes = {symbol: self._begun(symbol, listing) for symbol, listing in self._listings.items()}
        self._short_steps = ShortSteps(self._minutes)
        self._arrival = asyncio.Event()
        self._coming = LiveSteps(self._listings, step // timedelta(milliseconds=1), self._end_ms)

    @property
    def description(self) -> dict[str, object]:
        return {**self._identity(), "start_ms": self._start_ms}

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        return tuple(self._listings)

    @property
    def start(self) -> datetime:
        return from_ms(self._start_ms)

    @property
    def step_interval(self) -> timedelta:
        return self._step

    def step(self, index: int) -> MarketStep | None:
        """None for one that has not arrived."""
        if index == 0:
            self._short_steps.begin_again()
        steps = self._recording.steps
        return self._short_steps.make(steps[index]) if index < len(steps) else None

    async def arrived(self, index: int) -> None:
        """Returns when the step of this index is there."""
        while index >= len(self._recording.steps):
            self._arrival.clear()
            await self._arrival.wait()

    def columns(self, symbol: Symbol) -> BarColumns:
        return self._minutes[symbol].columns

    def forming(self, symbol: Symbol) -> Whole | None:
        return self._minutes[symbol].forming

    def funding_rates(self, symbol: Symbol, first: datetime, last: datetime) -> Sequence[FundingRate]:
        return [rate for rate in self._recording.funding(symbol) if first <= rate.time <= last]

    async def follow(self) -> None:
        """Listens until cancelled; comes back after whatever breaks the connection."""
        while True:
            try:
                await self._listen()
            except (OSError, WebSocketException, TimeoutError, MarketUnavailable) as error:
                log.warning("upstream_lost", url=self._upstream.stream_url, error=str(error))
            await asyncio.sleep(_AGAIN_S)

    async def _listen(self) -> None:
        url = f"{self._upstream.stream_url}/v5/public/linear"
        async with connect(url, compression=None, max_size=1 << 24, proxy=self._upstream.proxy) as socket:
            topics = [f"{kind}.{symbol}" for kind in ("publicTrade", "tickers") for symbol in self._listings]
            await socket.send(json.dumps({"op": "subscribe", "req_id": "live", "args": topics}))
            # What happens from the acknowledgement on is heard, and what happened before it is asked for.
            await self._acknowledged(socket)
            await self._catch_up()
            log.info("upstream_followed", url=url, market_time=from_ms(self._end_ms).isoformat())
            # No TaskGroup: it would wrap what breaks the connection in a group that `follow` does not know.
            pinging = asyncio.create_task(_ping(socket))
            try:
                await self._read(socket)
            finally:
                pinging.cancel()

    async def _acknowledged(self, socket: ClientConnection) -> None:
        """Raises TimeoutError, or MarketUnavailable when the subscription is refused."""
        async with asyncio.timeout(_ACKNOWLEDGED_WITHIN_S):
            while (frame := _object_of(await socket.recv())).get("op") != "subscribe":
                pass
        self._check_accepted(frame)

    def _check_accepted(self, frame: Mapping[str, Any]) -> None:
        if frame.get("success") is False:
            raise MarketUnavailable(f"{self._upstream.stream_url} refuses: {frame.get('ret_msg')}")

    async def _read(self, socket: ClientConnection) -> None:
        wait_s = self._step.total_seconds() + _LATE_S
        while True:
            try:
                # A quiet market closes its last step when nothing newer has come for a step's time.
                async with asyncio.timeout(wait_s if self._coming.is_open else None):
                    text = await socket.recv()
            except TimeoutError:
                self._keep(self._coming.close())
                continue
            frame = _object_of(text)
            self._check_accepted(frame)
            try:
                steps = self._coming.take(frame)
            except _UNREADABLE as error:
                log.warning("upstream_frame_unreadable", url=self._upstream.stream_url, error=repr(error))
                continue
            self._keep(steps)

    async def _catch_up(self) -> None:
        """What happened since the last step, a step for each minute."""
        missed = await asyncio.to_thread(self._history.steps_since, self._end_ms)
        self._keep(missed)
        self._coming.begin(self._end_ms)

    def _keep(self, steps: Sequence[ShortStep]) -> None:
        for step in steps:
            self._recording.add(step)
        if steps:
            self._arrival.set()

    @property
    def _end_ms(self) -> int:
        steps = self._recording.steps
        return steps[-1].end_ms if steps else self._start_ms

    def _identity(self) -> dict[str, object]:
        return {"kind": "live", "upstream": self._upstream.rest_url, "symbols": list(self._listings)}

    def _begun(self, symbol: Symbol, listing: Listing) -> Minutes:
        rows = self._recording.history[symbol]
        minutes = Minutes(listing, from_ms(self._start_ms) - len(rows) * timedelta(minutes=1))
        for row in rows:
            minutes.columns.append(
                open_=row.open, high=row.high, low=row.low, close=row.close, volume=row.volume, mark=row.close
            )
        minutes.end_of_history()
        return minutes


def _object_of(text: str | bytes) -> dict[str, Any]:
    """The frame as an object; an empty one for what is none."""
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        log.warning("upstream_frame_unreadable", error="no JSON")
        return {}
    return frame if isinstance(frame, dict) else {}


async def _ping(socket: ClientConnection) -> None:
    # A connection that is gone is noticed, and told, by whoever reads from it.
    with suppress(WebSocketException):
        while True:
            await asyncio.sleep(_PING_S)
            await socket.send('{"op":"ping"}')
