"""With the times a listener runs with, a stream that is not heard any more is replaced within 30 s.

Half a minute passes in a second here: the clock that client and event loop go by runs faster.
"""

from __future__ import annotations

import asyncio
import selectors
import time

import pytest

from alpha.exchange.stream import StreamClient, StreamState
from tests.integration.client.conftest import KEYS
from tests.integration.client.stub_exchange import (
    Script,
    Socket,
    StubExchange,
    acknowledge,
    freeze,
    messages,
    serve,
    subscribed,
)

TOPICS = ("execution", "order", "position", "wallet")
FASTER = 25.0
WITHIN_S = 30.0


class Hurrying(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(None if timeout is None else timeout / FASTER)


async def half_open(socket: Socket) -> None:
    await subscribed(socket)
    await freeze(socket)


async def answering_protocol_pings_only(socket: Socket) -> None:
    await subscribed(socket)
    async for _ in messages(socket):
        pass


async def answering_pings_only(socket: Socket) -> None:
    """What it is asked again it answers once, for each topic, so that the client knows that it does."""
    asked = 0
    async for message in messages(socket):
        if message["op"] == "ping":
            await socket.send_json({"op": "pong", "args": ["1"]})
            continue
        asked += 1
        if asked <= 2 + len(TOPICS):
            await acknowledge(socket, message)


async def forgetting(socket: Socket) -> None:
    """Answers everything; that it has forgotten the subscriptions shows only in how it answers to the same again."""
    asked = 0
    async for message in messages(socket):
        if message["op"] == "ping":
            await socket.send_json({"op": "pong", "args": ["1"]})
            continue
        asked += 1
        known = 2 < asked <= 2 + len(TOPICS)
        text = f"error:already subscribed,topic:{message['args'][0]}" if known else ""
        await acknowledge(socket, message, success=not known, text=text)


async def never_acknowledging(socket: Socket) -> None:
    await freeze(socket)


@pytest.mark.parametrize(
    "script", [half_open, answering_protocol_pings_only, answering_pings_only, forgetting, never_acknowledging]
)
def test_a_stream_that_is_not_heard_is_replaced_within_thirty_seconds(
    stub: StubExchange, monkeypatch: pytest.MonkeyPatch, script: Script
) -> None:
    real = time.monotonic
    monkeypatch.setattr("time.monotonic", lambda: real() * FASTER)
    stub.scripts = [script, serve]
    began_s, replaced_s = 0.0, 0.0
    stop = asyncio.Event()

    def on_state(state: StreamState, _: str) -> None:
        nonlocal began_s, replaced_s
        if state is StreamState.CONNECTING:
            began_s = began_s or time.monotonic()
        elif state is StreamState.STALE:
            replaced_s = replaced_s or time.monotonic()
            stop.set()

    client = StreamClient(stub.endpoints.private_url, TOPICS, KEYS, on_frame=lambda _: None, on_state=on_state)
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(Hurrying())) as runner:
        runner.run(asyncio.wait_for(client.run(stop), 3 * WITHIN_S))
    assert 0 < replaced_s - began_s <= WITHIN_S
