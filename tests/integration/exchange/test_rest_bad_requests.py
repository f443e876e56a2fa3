"""Whatever is sent, the answer is Bybit's envelope with a code of the client's fault, and the server goes on."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paper_exchange.server.rest import ROUTES
from tests.exchange_process import ExchangeProcess
from tests.integration.exchange.clients import BTC
from tests.integration.exchange.raw_rest import Answer, RawRest, read

# Asked of every route, so half of the usual number of examples makes a thousand requests.
_half = settings(max_examples=settings().max_examples // 2)

_OURS = (10000, 10016)
"""Codes that say it was the exchange's fault."""

_POSTS = [route for route in ROUTES if route.method == "POST"]
_GETS = [route for route in ROUTES if route.method == "GET"]

_GOOD: dict[str, Any] = {
    "category": "linear",
    "symbol": BTC,
    "side": "Buy",
    "orderType": "Limit",
    "qty": "0.001",
    "price": "90000",
    "orderId": "unknown",
    "buyLeverage": "3",
    "sellLeverage": "3",
    "mode": 0,
    "setMarginMode": "REGULAR_MARGIN",
    "settleCoin": "USDT",
    "tpslMode": "Full",
}
_ORDER_NAMES = (
    "category", "symbol", "side", "orderType", "qty", "price", "timeInForce", "positionIdx", "orderLinkId", "orderId",
    "reduceOnly", "closeOnTrigger", "triggerPrice", "triggerDirection", "triggerBy", "takeProfit", "stopLoss",
    "tpTriggerBy", "slTriggerBy", "tpslMode", "tpOrderType", "slOrderType", "tpLimitPrice", "slLimitPrice", "tpSize",
    "slSize", "trailingStop", "activePrice", "slippageToleranceType", "slippageTolerance", "smpType", "buyLeverage",
    "sellLeverage", "mode", "coin", "settleCoin", "baseCoin", "orderFilter", "stopOrderType", "setMarginMode",
)  # fmt: skip
_QUERY_NAMES = (
    b"category", b"symbol", b"limit", b"cursor", b"startTime", b"endTime", b"start", b"end", b"interval", b"openOnly",
    b"intervalTime", b"orderId", b"orderLinkId", b"execType", b"orderFilter", b"orderStatus", b"baseCoin", b"coin",
    b"settleCoin", b"status", b"accountType", b"type", b"currency",
)  # fmt: skip

_numbers = st.one_of(
    st.integers(-(10**40), 10**40),
    st.integers(-3, 3),
    st.floats(),
    st.sampled_from([10**4_000, 1e308, -0.0, 5e-324]),
)
_texts = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["", " ", "NaN", "Infinity", "-1", "0", "1e999999", "1e-999999", "1_000", "0x10", "9" * 5_000]),
    st.sampled_from(
        ["x" * 37, "\ud800", "\x00", "0." + "1" * 500, "Market", "Limit", "Partial", "MarkPrice", "IndexPrice"]
    ),
    _numbers.map(repr),
)
_values = st.recursive(
    st.one_of(st.none(), st.booleans(), _numbers, _texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=4,
)
_bodies = st.dictionaries(st.sampled_from(_ORDER_NAMES), _values, max_size=5).map(lambda odd: {**_GOOD, **odd})
_raw_values = st.one_of(
    st.binary(max_size=12).map(lambda raw: b"".join(b"%%%02X" % byte for byte in raw)),
    st.sampled_from([b"", b"%", b"%ff", b"%00", b"-1", b"NaN", b"1:2,3:4", b"9" * 1_500, b"0", b"1.5"]),
    st.integers(-(10**20), 10**20).map(lambda number: b"%d" % number),
    st.integers(0, 10**14).map(lambda number: b"%d" % number),
)
_queries = st.lists(st.tuples(st.sampled_from(_QUERY_NAMES), _raw_values), max_size=4)


@pytest.fixture(scope="module")
def rest(exchange: ExchangeProcess) -> Iterator[RawRest]:
    connection = RawRest(exchange)
    yield connection
    connection.close()
    # a traceback may have been answered with grace and is a fault all the same
    log = exchange.log.read_text()
    assert "request_failed" not in log, log[-4_000:]
    assert "Traceback" not in log, log[-4_000:]
    assert exchange.admin.state()["accounts"]["canary"]["uid"]


@pytest.mark.parametrize("route", _POSTS, ids=lambda route: route.path)
def test_no_body_makes_the_server_fail(rest: RawRest, route: Any) -> None:
    @_half
    @given(_bodies)
    def check(body: dict[str, Any]) -> None:
        _expect_an_answer(rest.post(route.path, {**body, "request": [body, {"symbol": BTC, **body}]}))

    check()


@given(st.dictionaries(st.sampled_from(["bot", "executions", "done", "other"]), _values, max_size=4))
def test_no_body_makes_the_lockstep_fail(rest: RawRest, body: dict[str, Any]) -> None:
    _expect_an_answer(rest.post("/paper/lockstep", body))


@pytest.mark.parametrize("route", _POSTS, ids=lambda route: route.path)
def test_no_bytes_make_the_server_fail(rest: RawRest, route: Any) -> None:
    bodies = [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        b'"text"',
        b"[" * 50_000,
        b'{"a":' * 20_000,
        b'{"qty": NaN}',
        b"1e999",
    ]
    bodies += [
        b'{"category": "\xed\xa0\x80"}',
        b'{"category": "\\ud800"}',
        b'{"request": [1, null, [], "x"], "category": "linear"}',
    ]
    for body in bodies:
        answer = _expect_an_answer(rest.post(route.path, body))
        assert answer.status == 200


@given(st.binary(max_size=200))
def test_no_noise_makes_the_server_fail(rest: RawRest, body: bytes) -> None:
    _expect_an_answer(rest.post("/v5/order/create", body))


@pytest.mark.parametrize("route", _GETS, ids=lambda route: route.path)
def test_no_query_makes_the_server_fail(rest: RawRest, route: Any) -> None:
    good = b"category=linear&symbol=BTCUSDT&accountType=UNIFIED&interval=5&intervalTime=5min"

    @_half
    @given(_queries)
    def check(odd: list[tuple[bytes, bytes]]) -> None:
        changed = {name for name, _ in odd}
        kept = [pair for pair in good.split(b"&") if pair.partition(b"=")[0] not in changed]
        answer = rest.get(route.path, b"&".join([*kept, *(name + b"=" + value for name, value in odd)]))
        _expect_an_answer(answer)

    check()


@given(
    st.sampled_from(["X-BAPI-API-KEY", "X-BAPI-TIMESTAMP", "X-BAPI-SIGN", "X-BAPI-RECV-WINDOW"]),
    st.one_of(
        st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["Cc"]), max_size=30),
        st.sampled_from(["9" * 5_000, "-1", "1e5", "٣", "\udcff", "0"]),
    ),
)
def test_no_authentication_makes_the_server_fail(rest: RawRest, header: str, value: str) -> None:
    answer = rest.get("/v5/account/info", headers={header: value})
    assert answer.code in (0, 10001, 10002, 10003, 10004)
    assert answer.status == (401 if answer.text.startswith("empty value") else 200)


@given(st.lists(st.text("abcxyz/.%-_0", max_size=10), max_size=5).map("/".join))
def test_a_path_that_is_none_is_not_found(rest: RawRest, path: str) -> None:
    answer = rest.unsigned("GET", b"/v5/nothing/" + path.encode())
    assert (answer.status, answer.code) in ((404, 10017), (400, 10001))


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_method_that_is_none_is_not_found(rest: RawRest, method: str) -> None:
    answer = rest.unsigned(method, b"/v5/order/create")
    assert (answer.status, answer.code) == (404, 10017)


def test_the_form_of_the_body_is_no_matter_of_its_content_type(rest: RawRest) -> None:
    order = {**_GOOD, "orderType": "Market", "qty": "0.001"}
    for content_type in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "nonsense",
        "multipart/form-data; boundary=x",
    ):
        answer = rest.post("/v5/order/create", order, {"Content-Type": content_type})
        assert answer.code == 0, answer.text


def test_a_body_beyond_all_measure_is_refused(rest: RawRest) -> None:
    answer = rest.post("/v5/order/create", b'{"category": "' + b"x" * (1 << 21) + b'"}')
    assert (answer.status, answer.code) == (413, 10001)


def test_a_body_that_is_not_what_its_headers_say_is_refused(rest: RawRest) -> None:
    answer = rest.post("/v5/order/create", b"no gzip", {"Content-Encoding": "gzip"})
    assert (answer.status, answer.code) == (400, 10001)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /v5/market/time?a=\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v5/market/time?a= b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v5/market/time?a=" + b"9" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v5/market/time HTTP/1.1\r\nHost: x\r\nX-BAPI-SIGN: " + b"9" * 20_000 + b"\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v5/\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v5/order/create HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v5/order/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 as a client that speaks TLS\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /v5/private HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ],
    ids=["bytes", "blank", "long line", "long header", "url", "nul", "length", "chunk", "tls", "nonsense", "handshake"],
)
def test_what_is_no_http_is_refused_in_the_same_form(exchange: ExchangeProcess, request_bytes: bytes) -> None:
    with socket.create_connection(("127.0.0.1", exchange.port), timeout=20) as connection:
        connection.sendall(request_bytes)
        response = http.client.HTTPResponse(connection)
        response.begin()
        answer = read(response.status, response.read())
    assert (answer.status, answer.code) == (400, 10001)


def test_a_client_that_leaves_in_the_middle_of_its_request_is_no_fault(
    exchange: ExchangeProcess, rest: RawRest
) -> None:
    for sent in (
        b"POST /v5/order/create HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
        b"GET /v5/market/ti",
        b"",
    ):
        with socket.create_connection(("127.0.0.1", exchange.port), timeout=20) as connection:
            connection.sendall(sent)
    assert rest.get("/v5/account/info").code == 0


def test_a_text_of_the_client_comes_back_cut(rest: RawRest) -> None:
    answer = rest.get("/v5/market/tickers", b"category=" + b"x" * 5_000)
    assert answer.code == 10001
    assert len(answer.text) < 200


def _expect_an_answer(answer: Answer) -> Answer:
    assert answer.status == 200, answer
    assert answer.code not in _OURS, answer
    # signed as it was sent, so nothing may be wrong with the signature
    assert answer.code not in (10003, 10004), answer
    return answer
