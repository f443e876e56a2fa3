"""Whatever a socket is sent, it goes on: the next ping is answered on the same connection."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.sync.client import ClientConnection, connect

from paper_exchange.server.signature import sign
from tests.exchange_process import ExchangeProcess
from tests.integration.exchange.raw_rest import RawRest

_WITHIN_S = 20.0
_OPS = ("subscribe", "unsubscribe", "auth", "ping", "order.create", "order.cancel-batch", "", "nonsense")

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(
        ["kline.1.BTCUSDT", "orderbook.50.NOPE", "tickers.", "publicTrade", "execution", "order.spot", "\x00"]
    ),
)
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=5,
)
_frames = st.one_of(
    st.dictionaries(
        st.sampled_from(["op", "args", "req_id", "reqId", "header"]),
        st.one_of(_values, st.sampled_from(_OPS)),
        max_size=4,
    ).map(lambda frame: json.dumps(frame)),
    st.fixed_dictionaries({"op": st.sampled_from(_OPS), "args": st.one_of(st.lists(_values, max_size=4), _values)}).map(
        lambda frame: json.dumps(frame)
    ),
    _values.map(lambda value: json.dumps(value)),
    st.text(max_size=60),
    st.binary(max_size=60),
)
_DEEP = "[" * 50_000
_ODD: list[Any] = [
    _DEEP,
    '{"op":' * 20_000,
    "",
    "{",
    "null",
    b"",
    b"\xff\xfe\x00",
    b'{"op":"ping"}',
    '{"op":"subscribe"}',
    '{"args":[]}',
]
PATHS = ("/v5/public/linear", "/v5/private", "/v5/trade")


@pytest.fixture(scope="module", autouse=True)
def nothing_failed(exchange: ExchangeProcess) -> Iterator[None]:
    yield
    log = exchange.log.read_text()
    assert "Traceback" not in log, log[-4_000:]


@pytest.mark.parametrize(
    ("path", "authenticated"), [*((path, False) for path in PATHS), *((path, True) for path in PATHS[1:])]
)
def test_no_frame_ends_a_socket(exchange: ExchangeProcess, path: str, authenticated: bool) -> None:
    with opened(exchange, path) as socket:
        if authenticated:
            socket.send(auth(exchange))
        for frame in _ODD:
            socket.send(frame)
        expect_pong(socket)

        # Few examples: the answer to a subscription is held back for as long as clients need to be ready for it.
        @settings(max_examples=15)
        @given(st.lists(_frames, min_size=1, max_size=3))
        def check(frames: list[Any]) -> None:
            for frame in frames:
                socket.send(frame)
            expect_pong(socket)

        check()


@pytest.mark.parametrize("path", PATHS[:2])
def test_ten_thousand_topics_at_once_are_refused_and_the_socket_lives(exchange: ExchangeProcess, path: str) -> None:
    with opened(exchange, path) as socket:
        if path == "/v5/private":
            socket.send(auth(exchange))
        topics = [f"tickers.COIN{number}USDT" for number in range(10_000)]
        socket.send(json.dumps({"op": "subscribe", "req_id": "many", "args": topics}))
        refusal = heard(socket, lambda frame: frame.get("req_id") == "many")
        assert refusal["success"] is False
        assert len(refusal["ret_msg"]) < 30_000
        expect_pong(socket)


def test_ten_thousand_subscriptions_hold_up_nobody_else(exchange: ExchangeProcess) -> None:
    rest = RawRest(exchange)
    with opened(exchange, "/v5/public/linear") as busy, opened(exchange, "/v5/public/linear") as other:
        for number in range(10_000):
            busy.send(json.dumps({"op": "subscribe", "req_id": str(number), "args": ["tickers.BTCUSDT"]}))
        expect_pong(other)
        assert rest.get("/v5/market/time").code == 0
        assert heard(busy, lambda frame: frame.get("req_id") == "0")["success"] is True
        busy.close_socket()
    rest.close()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        None,
        "text",
        ["key", "9" * 5_000, "signature"],
        ["key", -1, None],
        [None, None, None],
        [{}, [], 1e300],
        ["nobody", 99_999_999_999_999, "00"],
    ],
)
def test_a_bad_authentication_is_refused_and_the_socket_lives(exchange: ExchangeProcess, arguments: Any) -> None:
    with opened(exchange, "/v5/private") as socket:
        socket.send(json.dumps({"op": "auth", "args": arguments}))
        assert heard(socket, lambda frame: frame.get("op") == "auth")["success"] is False
        expect_pong(socket)
        socket.send(json.dumps({"op": "subscribe", "req_id": "early", "args": ["execution"]}))
        assert heard(socket, lambda frame: frame.get("req_id") == "early")["success"] is False
        # the same socket may still do it right
        socket.send(auth(exchange))
        assert heard(socket, lambda frame: frame.get("op") == "auth")["success"] is True


@contextmanager
def opened(exchange: ExchangeProcess, path: str) -> Iterator[ClientConnection]:
    with connect(f"ws://127.0.0.1:{exchange.port}{path}", proxy=None, compression=None, max_size=1 << 24) as socket:
        yield socket


def auth(exchange: ExchangeProcess) -> str:
    keys = exchange.accounts["canary"]
    expires = int(time.time() * 1000) + 10_000
    return json.dumps({"op": "auth", "args": [keys.api_key, expires, sign(keys.api_secret, f"GET/realtime{expires}")]})


_probes = count(1)


def expect_pong(socket: ClientConnection) -> None:
    """The trade socket says pong to nobody by name, so there an operation that it does not know is the probe."""
    probe = f"probe-{next(_probes)}"
    assert socket.request is not None
    if socket.request.path == "/v5/trade":
        socket.send(json.dumps({"op": "order.unknown", "reqId": probe, "args": [{}]}))
    else:
        socket.send(json.dumps({"op": "ping", "req_id": probe}))
    heard(socket, lambda frame: probe in (frame.get("req_id"), frame.get("reqId")))


def heard(socket: ClientConnection, wanted: Any) -> dict[str, Any]:
    """The first frame that is wanted; every frame before it is an object as well."""
    give_up = time.monotonic() + _WITHIN_S
    while True:
        frame = json.loads(socket.recv(timeout=give_up - time.monotonic()))
        assert isinstance(frame, dict)
        if wanted(frame):
            return frame
