"""The stream client against connections that break in every way we know."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import WSMsgType

from alpha.exchange.backoff import Backoff
from alpha.exchange.errors import UnknownMessage
from alpha.exchange.signing import stream_signature
from alpha.exchange.stream import Frame, StreamClient, StreamState
from alpha.exchange.subscription_probe import SubscriptionProbe
from tests.integration.client.conftest import KEYS
from tests.integration.client.stub_exchange import (
    Socket,
    StubExchange,
    acknowledge,
    freeze,
    messages,
    serve,
    subscribed,
)
from tests.support import eventually, free_port
from websocket_listener.supervision import supervised

TOPICS = ("execution", "order", "position", "wallet")
EXECUTION = {"topic": "execution", "creationTime": 1, "data": []}
C, A, S, STALE, CLOSED = (
    StreamState.CONNECTING,
    StreamState.AUTHENTICATED,
    StreamState.SUBSCRIBED,
    StreamState.STALE,
    StreamState.CLOSED,
)


class Heard:
    """What a stream client told."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.garbage: list[UnknownMessage] = []
        self.states: list[tuple[StreamState, str]] = []

    @property
    def names(self) -> list[StreamState]:
        return [state for state, _ in self.states]

    @property
    def reasons(self) -> list[str]:
        return [reason for state, reason in self.states if state is STALE]


async def soon(check: Callable[[], Any], what: str, within_s: float = 30.0) -> None:
    await asyncio.to_thread(eventually, check, within_s, what)


@asynccontextmanager
async def running(
    url: str, topics: Sequence[str] = TOPICS, *, public: bool = False, **options: Any
) -> AsyncIterator[tuple[StreamClient, Heard]]:
    """A client with times short enough for tests, stopped at the end."""
    heard = Heard()
    client = StreamClient(
        url,
        topics,
        None if public else KEYS,
        on_state=lambda state, reason: heard.states.append((state, reason)),
        on_garbage=heard.garbage.append,
        **{
            "on_frame": heard.frames.append,
            "ping_s": 0.1,
            "silent_s": 1.0,
            "probe_s": None,
            "ack_within_s": 1.0,
            "stable_after_s": 0.1,
            "refused_pause_s": 0.05,
            "backoff": Backoff(first_s=0.01, cap_s=0.05),
            **options,
        },
    )
    stop = asyncio.Event()
    task = asyncio.create_task(client.run(stop))
    try:
        yield client, heard
    finally:
        stop.set()
        await asyncio.wait_for(task, 3)
    assert heard.states[-1] == (CLOSED, "stopped")


async def test_a_private_stream_authenticates_subscribes_and_delivers(stub: StubExchange) -> None:
    seen: list[dict[str, Any]] = []

    async def script(socket: Socket) -> None:
        async for message in messages(socket):
            seen.append(message)
            if message["op"] == "ping":
                await socket.send_json({"op": "pong", "args": ["1"]})
                continue
            await acknowledge(socket, message)
            if message["op"] == "subscribe":
                await socket.send_json(EXECUTION)

    stub.scripts = [script]
    async with running(stub.endpoints.private_url) as (client, heard):
        await soon(lambda: heard.frames, "a frame")
        await soon(lambda: any(message["op"] == "ping" for message in seen), "a JSON ping")
        assert heard.names == [C, A, S]
        assert (client.connections, client.frames, heard.garbage) == (1, 1, [])
    auth, subscribe = seen[0], seen[1]
    key, expires, signature = auth["args"]
    assert (key, signature) == (KEYS.key, stream_signature(KEYS.secret, expires))
    assert subscribe["args"] == list(TOPICS)


async def test_it_pings_in_both_forms_and_again(stub: StubExchange) -> None:
    """Bybit answers the one in JSON; the other is what proxies and load balancers on the way go by."""
    pings: list[str] = []

    async def script(socket: Socket) -> None:
        await subscribed(socket)
        async for message in socket:
            if message.type is WSMsgType.PING:
                pings.append("protocol")
                await socket.pong(message.data)
            elif json.loads(message.data)["op"] == "ping":
                pings.append("json")
                await socket.send_json({"op": "pong", "args": ["1"]})

    stub.answers_pings = False
    stub.scripts = [script]
    async with running(stub.endpoints.private_url) as (client, _):
        await soon(lambda: min(pings.count("protocol"), pings.count("json")) >= 2, "two pings of each form")
        assert client.connections == 1


async def test_a_public_stream_does_not_authenticate(stub: StubExchange) -> None:
    stub.scripts = [serve]
    async with running(stub.endpoints.public_url, ["tickers.BTCUSDT"], public=True) as (_, heard):
        await soon(lambda: S in heard.names, "a subscription")
        assert heard.names == [C, S]


async def test_topics_are_asked_for_in_requests_the_exchange_takes(stub: StubExchange) -> None:
    asked: list[list[str]] = []

    async def script(socket: Socket) -> None:
        async for message in messages(socket):
            if message["op"] == "subscribe":
                asked.append(message["args"])
            if message["op"] != "ping":
                await acknowledge(socket, message)

    stub.scripts = [script]
    topics = ["wallet", *(f"kline.5.S{n}USDT" for n in range(12))]
    async with running(stub.endpoints.private_url, topics) as (_, heard):
        await soon(lambda: S in heard.names, "a subscription")
    assert asked == [["wallet"], topics[1:11], topics[11:]]


async def test_data_before_the_acknowledgement_is_not_lost(stub: StubExchange) -> None:
    async def script(socket: Socket) -> None:
        async for message in messages(socket):
            if message["op"] == "subscribe":
                await socket.send_json(EXECUTION)
            await acknowledge(socket, message)

    stub.scripts = [script]
    async with running(stub.endpoints.private_url) as (_, heard):
        await soon(lambda: S in heard.names, "a subscription")
        assert heard.frames == [EXECUTION]


async def test_a_half_open_socket_is_replaced(stub: StubExchange) -> None:
    async def script(socket: Socket) -> None:
        await subscribed(socket)
        await freeze(socket)

    stub.scripts = [script, serve]
    async with running(stub.endpoints.private_url) as (client, heard):
        await soon(lambda: heard.names.count(S) >= 2, "a second subscription")
        assert client.connections == 2
        assert "nothing heard for" in heard.reasons[0] or "keepalive ping timeout" in heard.reasons[0]


async def test_a_socket_that_answers_protocol_pings_only_is_replaced(stub: StubExchange) -> None:
    async def script(socket: Socket) -> None:
        await subscribed(socket)
        async for _ in messages(socket):
            pass  # reading answers protocol pings

    stub.scripts = [script, serve]
    async with running(stub.endpoints.private_url) as (_, heard):
        await soon(lambda: heard.names.count(S) >= 2, "a second subscription")
        assert "nothing heard for" in heard.reasons[0]


async def test_where_nothing_happens_the_answers_to_pings_say_that_it_is_heard(stub: StubExchange) -> None:
    stub.scripts = [serve]
    async with running(stub.endpoints.private_url) as (client, heard):
        assert client.silent_for_s == math.inf, "never subscribed"
        await soon(lambda: S in heard.names, "a subscription")
        subscribed_s = time.monotonic()
        await soon(lambda: client.silent_for_s < time.monotonic() - subscribed_s, "something heard since")
        assert client.frames == 0


async def test_a_server_that_lets_in_and_breaks_off_is_not_heard(stub: StubExchange) -> None:
    async def refuse(socket: Socket) -> None:
        await socket.close()

    async def once(socket: Socket) -> None:
        await subscribed(socket)
        await socket.close()

    stub.scripts = [once, refuse]
    async with running(stub.endpoints.private_url) as (client, heard):
        await soon(lambda: STALE in heard.names, "the first break")
        broken_s, connections = time.monotonic(), client.connections
        await soon(lambda: client.connections >= connections + 3, "connections that are let in")
        waited_s = time.monotonic() - broken_s
        assert client.silent_for_s > waited_s, "none of them was heard"


async def test_a_quiet_but_healthy_private_socket_stays(stub: StubExchange) -> None:
    stub.scripts = [serve]
    async with running(stub.endpoints.private_url) as (client, heard):
        await soon(lambda: S in heard.names, "a subscription")
        await asyncio.sleep(2.1)  # the subject: more than twice the allowed silence
        assert (client.connections, heard.reasons) == (1, [])


async def test_a_public_socket_that_only_pongs_is_replaced(stub: StubExchange) -> None:
    stub.scripts = [serve]
    async with running(stub.endpoints.public_url, ["tickers.BTCUSDT"], public=True, data_silent_s=0.5) as (_, heard):
        await soon(lambda: heard.names.count(S) >= 2, "a second subscription")
        assert "no data for" in heard.reasons[0]


async def test_a_socket_of_which_every_message_is_taken_is_heard(
    stub: StubExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says nothing that is decoded here, pongs and answers neither."""
    probed: list[str] = []

    class Noting(SubscriptionProbe):
        def heard(self, topic: str, at_s: float) -> None:
            probed.append(topic)
            super().heard(topic, at_s)

    def take_all(messages: list[bytes], _: Callable[[bytes], None]) -> Sequence[str]:
        return ["execution"] * len(messages)

    async def script(socket: Socket) -> None:
        await subscribed(socket)
        await anext(messages(socket))  # the first ping: from here on messages are handed over
        while True:
            await socket.send_json(EXECUTION)
            await asyncio.sleep(0.02)

    monkeypatch.setattr("alpha.exchange.stream.SubscriptionProbe", Noting)
    stub.scripts = [script]
    quick = {"silent_s": 0.5, "data_silent_s": 0.5, "probe_s": 60.0, "ack_within_s": 60.0}
    async with running(stub.endpoints.private_url, take_messages=take_all, **quick) as (client, heard):
        await soon(lambda: client.frames >= 60, "frames for more than twice the allowed silence")
        assert (client.connections, heard.reasons, heard.frames) == (1, [], [])
        assert set(probed) == {"execution"}


async def test_a_private_socket_whose_subscriptions_are_remembered_stays(stub: StubExchange) -> None:
    """Asked again and again, Bybit refuses a subscription that it has already."""
    asked: list[list[str]] = []
    stub.scripts = [lambda socket: remembering(socket, asked)]
    async with running(stub.endpoints.private_url, probe_s=0.2) as (client, heard):
        await soon(lambda: asked.count(["execution"]) >= 4, "repeated questions")
        assert (client.connections, heard.reasons, heard.garbage) == (1, [], [])
    assert asked[: 1 + len(TOPICS)] == [list(TOPICS), *([topic] for topic in TOPICS)]


async def test_a_server_that_accepts_every_subscription_is_asked_again_and_kept(stub: StubExchange) -> None:
    stub.scripts = [serve]
    async with running(stub.endpoints.private_url, probe_s=0.1) as (client, heard):
        await soon(lambda: S in heard.names, "a subscription")
        await asyncio.sleep(1.0)  # the subject: several questions
        assert (client.connections, heard.reasons, heard.garbage) == (1, [], [])


async def test_a_deaf_socket_is_replaced(stub: StubExchange) -> None:
    """The server answers pings, sends nothing, and has forgotten one subscription of four."""
    forgetting: list[str] = []
    stub.scripts = [lambda socket: remembering(socket, [], forgetting), serve]
    async with running(stub.endpoints.private_url, probe_s=0.2) as (_, heard):
        await soon(lambda: S in heard.names, "a subscription")
        await asyncio.sleep(0.3)  # so that the server has shown how it answers
        forgetting.append("execution")
        await soon(lambda: heard.names.count(S) >= 2, "a second subscription")
        assert "the subscription of execution had gone" in heard.reasons[0]


async def test_a_socket_that_answers_pings_and_no_questions_any_more_is_replaced(stub: StubExchange) -> None:
    async def script(socket: Socket) -> None:
        answered = 0
        async for message in messages(socket):
            if message["op"] == "ping":
                await socket.send_json({"op": "pong", "args": ["1"]})
            elif answered < 2 + len(TOPICS):
                answered += 1
                await acknowledge(socket, message)

    stub.scripts = [script, serve]
    async with running(stub.endpoints.private_url, probe_s=0.2, ack_within_s=0.3) as (_, heard):
        await soon(lambda: heard.names.count(S) >= 2, "a second subscription")
        assert "was not confirmed" in heard.reasons[0]


async def test_a_server_that_never_answers_the_question_is_not_asked_again(stub: StubExchange) -> None:
    asked: list[list[str]] = []

    async def script(socket: Socket) -> None:
        async for message in messages(socket):
            if message["op"] == "subscribe":
                asked.append(message["args"])
            if message["op"] == "ping":
                await socket.send_json({"op": "pong", "args": ["1"]})
            elif len(asked) <= 1:
                await acknowledge(socket, message)

    stub.scripts = [script]
    async with running(stub.endpoints.private_url, probe_s=0.1, ack_within_s=0.2) as (client, heard):
        await soon(lambda: len(asked) == 1 + len(TOPICS), "the questions")
        await asyncio.sleep(0.8)  # the subject: time for more of them
        assert (client.connections, len(asked), heard.reasons) == (1, 1 + len(TOPICS), [])


async def test_a_connection_that_somebody_else_gives_up_is_replaced(stub: StubExchange) -> None:
    stub.scripts = [serve]
    async with running(stub.endpoints.private_url) as (client, heard):
        await soon(lambda: S in heard.names, "a subscription")
        client.replace("executions were missing")
        await soon(lambda: heard.names.count(S) >= 2, "a second subscription")
        assert "executions were missing" in heard.reasons[0]
        assert client.connections == 2


async def remembering(socket: Socket, asked: list[list[str]], forgotten: Sequence[str] = ()) -> None:
    """Answers as Bybit does to what it has already, and forgets topics when told."""
    known: set[str] = set()
    async for message in messages(socket):
        if message["op"] == "ping":
            await socket.send_json({"op": "pong", "args": ["1"]})
            continue
        if message["op"] == "subscribe":
            asked.append(message["args"])
            known -= set(forgotten)
            if again := known & set(message["args"]):
                text = f"error:already subscribed,topic:{sorted(again)[0]}"
                await acknowledge(socket, message, success=False, text=text)
                continue
            known |= set(message["args"])
        await acknowledge(socket, message)


async def test_refused_authentication_is_told_and_tried_again(stub: StubExchange) -> None:
    async def script(socket: Socket) -> None:
        async for message in messages(socket):
            await acknowledge(socket, message, success=False, text="Params Error")

    stub.scripts = [script, serve]
    async with running(stub.endpoints.private_url) as (_, heard):
        await soon(lambda: S in heard.names, "a subscription")
        assert heard.names == [C, STALE, C, A, S]
        assert "auth refused: Params Error" in heard.reasons[0]


async def test_refused_authentication_in_the_other_form(stub: StubExchange) -> None:
    async def script(socket: Socket) -> None:
        await anext(messages(socket))
        await socket.send_json({"op": "auth", "retCode": 10003, "retMsg": "Invalid apikey", "connId": "c-1"})

    stub.scripts = [script, serve]
    async with running(stub.endpoints.private_url) as (_, heard):
        await soon(lambda: heard.reasons, "a refusal")
        assert "auth refused: Invalid apikey" in heard.reasons[0]


async def test_a_refused_subscription_is_told_and_tried_again(stub: StubExchange) -> None:
    async def script(socket: Socket) -> None:
        async for message in messages(socket):
            await acknowledge(socket, message, success=message["op"] == "auth", text="Invalid topic: lottery")

    stub.scripts = [script, serve]
    async with running(stub.endpoints.private_url) as (_, heard):
        await soon(lambda: S in heard.names, "a subscription")
        assert heard.names == [C, A, STALE, C, A, S]
        assert "subscribe refused: Invalid topic: lottery" in heard.reasons[0]


async def test_a_subscription_that_is_never_acknowledged_is_given_up(stub: StubExchange) -> None:
    async def script(socket: Socket) -> None:
        async for message in messages(socket):
            if message["op"] == "auth":
                await acknowledge(socket, message)

    stub.scripts = [script, serve]
    async with running(stub.endpoints.private_url) as (_, heard):
        await soon(lambda: S in heard.names, "a subscription")
        assert heard.names == [C, A, STALE, C, A, S]
        assert "subscribe not acknowledged" in heard.reasons[0]


async def test_a_server_that_goes_away_is_connected_to_again(stub: StubExchange) -> None:
    async def script(socket: Socket) -> None:
        await subscribed(socket)
        await socket.close(code=1001, message=b"going away")

    stub.scripts = [script, serve]
    async with running(stub.endpoints.private_url) as (_, heard):
        await soon(lambda: heard.names.count(S) >= 2, "a second subscription")
        assert heard.names == [C, A, S, STALE, C, A, S]
        assert "1001" in heard.reasons[0]


async def test_garbage_is_kept_raw_and_the_stream_goes_on(stub: StubExchange) -> None:
    async def script(socket: Socket) -> None:
        await subscribed(socket)
        await socket.send_str("{not json")
        await socket.send_str("[1, 2]")
        await socket.send_bytes(b"\xff\xfe")
        await socket.send_json({"op": "surprise"})
        await socket.send_json(EXECUTION)
        await serve(socket)

    stub.scripts = [script]
    async with running(stub.endpoints.private_url) as (client, heard):
        await soon(lambda: heard.frames, "the frame after the garbage")
        assert [error.raw for error in heard.garbage] == ["{not json", [1, 2], "\\xff\\xfe", {"op": "surprise"}]
        assert client.connections == 1


async def test_a_failure_of_ours_costs_a_reconnect_and_not_the_stream(
    stub: StubExchange, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    kept: list[Frame] = []

    def fail_once(frame: Frame) -> None:
        kept.append(frame)
        if len(kept) == 1:
            raise ZeroDivisionError("our bug")

    async def script(socket: Socket) -> None:
        await subscribed(socket)
        await socket.send_json(EXECUTION)
        await serve(socket)

    stub.scripts = [script]
    async with running(stub.endpoints.private_url, on_frame=fail_once) as (client, heard):
        await soon(lambda: len(kept) == 2, "a frame on the next connection")
        assert client.failures == 1
        assert "ZeroDivisionError: our bug" in heard.reasons[0]


async def test_a_failure_of_ours_on_one_of_many_messages_costs_a_reconnect_too(
    stub: StubExchange, caplog: pytest.LogCaptureFixture
) -> None:
    """What came behind it on the connection is recovered like everything that a reconnect misses."""
    caplog.set_level(logging.CRITICAL)
    taken: list[bytes] = []

    def fail_on_the_second(messages: list[bytes], otherwise: Callable[[bytes], None]) -> Sequence[str]:
        topics = []
        for message in messages:
            if b"execution" not in message:
                otherwise(message)
                continue
            taken.append(message)
            if len(taken) == 2:
                raise ZeroDivisionError("our bug")
            topics.append("execution")
        return topics

    async def script(socket: Socket) -> None:
        await subscribed(socket)
        await anext(messages(socket))  # the first ping: from here on messages are handed over
        for _ in range(3):
            await socket.send_json(EXECUTION)
        await serve(socket)

    stub.scripts = [script]
    async with running(stub.endpoints.private_url, take_messages=fail_on_the_second) as (client, heard):
        await soon(lambda: len(taken) >= 5, "the messages of the next connection")
        assert (client.failures, client.connections) == (1, 2)
        assert heard.names[:5] == [C, A, S, STALE, C]
        assert "ZeroDivisionError: our bug" in heard.reasons[0]


async def test_a_failure_of_ours_when_told_of_a_break_does_not_end_the_stream(
    stub: StubExchange, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    told: list[StreamState] = []
    failures: list[Exception] = []

    def fail_at_the_first_break(state: StreamState, _: str) -> None:
        told.append(state)
        if state is STALE and told.count(STALE) == 1:
            raise ZeroDivisionError("our bug")

    async def breaks(socket: Socket) -> None:
        await subscribed(socket)
        await socket.close()

    stub.scripts = [breaks, serve]
    client = StreamClient(
        stub.endpoints.private_url,
        TOPICS,
        KEYS,
        on_frame=lambda _: None,
        on_state=fail_at_the_first_break,
        backoff=Backoff(first_s=0.01, cap_s=0.05),
    )
    stop = asyncio.Event()
    task = asyncio.create_task(
        supervised("canary", lambda: client.run(stop), failures.append, again_after_s=0.01),
    )
    await soon(lambda: told.count(S) >= 2, "a second subscription")
    stop.set()
    await asyncio.wait_for(task, 3)
    assert [str(error) for error in failures] == ["our bug"]
    assert told[-1] is CLOSED


async def test_a_port_that_nobody_listens_on_is_tried_again() -> None:
    async with running(f"ws://127.0.0.1:{free_port()}/v5/private") as (client, heard):
        await soon(lambda: len(heard.reasons) >= 3, "several attempts")
        assert client.connections == 0
        assert "ConnectionRefusedError" in heard.reasons[0]


async def test_attempts_are_spaced_when_connections_do_not_last(stub: StubExchange) -> None:
    async def script(socket: Socket) -> None:
        await subscribed(socket)
        await socket.close(code=1001)

    stub.scripts = [script]
    backoff = Backoff(first_s=0.01, cap_s=10)
    async with running(stub.endpoints.private_url, backoff=backoff, stable_after_s=5.0) as (_, heard):
        await soon(lambda: len(heard.reasons) >= 4, "four short connections")
        assert backoff.attempts >= 4


async def test_spacing_starts_anew_after_a_connection_that_lasted(stub: StubExchange) -> None:
    async def script(socket: Socket) -> None:
        await subscribed(socket)
        await asyncio.sleep(0.3)
        await socket.close(code=1001)

    stub.scripts = [script]
    backoff = Backoff(first_s=0.01, cap_s=10)
    async with running(stub.endpoints.private_url, backoff=backoff) as (_, heard):
        await soon(lambda: len(heard.reasons) >= 3, "three lasting connections")
        assert backoff.attempts == 1


async def test_a_stream_stops_at_once_while_it_waits_for_an_answer(stub: StubExchange) -> None:
    stub.scripts = [freeze]
    async with running(stub.endpoints.private_url, ack_within_s=60.0) as (client, _):
        await soon(lambda: client.connections == 1, "a connection")
    # leaving `running` waits at most 3 s for the end
