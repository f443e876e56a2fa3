"""The REST client through unmodified pybit against real HTTP: what it sends, what it reads, how it fails."""

from __future__ import annotations

import gc
import json
import logging
import socket
import time
import weakref
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests

from alpha.bot.exchange_port import ExchangePort
from alpha.domain.clock import from_ms, to_ms
from alpha.domain.ids import AccountName, OrderId, Symbol
from alpha.domain.order import OrderStatus, OrderType, TimeInForce
from alpha.domain.side import Side
from alpha.exchange.budget import Call, LocalBudget
from alpha.exchange.endpoints import paper_endpoints
from alpha.exchange.errors import (
    ExchangeAuthError,
    ExchangeError,
    ExchangeRateLimited,
    ExchangeRefused,
    ExchangeUnknown,
    ExchangeUnreachable,
    UnknownMessage,
)
from alpha.exchange.new_order import NewOrder, TradingStop
from alpha.exchange.rest import ExchangeClient
from alpha.exchange.signing import sign_request
from tests.integration.client.conftest import ACCOUNT, KEYS
from tests.integration.client.stub_exchange import Received, Reply, StubExchange, ok, refusal
from tests.support import free_port
from tests.unit.exchange.wire import order, position

BTCUSDT = Symbol("BTCUSDT")
CREATE, REALTIME, HISTORY = "/v5/order/create", "/v5/order/realtime", "/v5/order/history"
BUY = NewOrder(
    symbol=BTCUSDT,
    side=Side.BUY,
    order_type=OrderType.MARKET,
    quantity=Decimal("0.0030"),
    order_link_id="cn1-en-aaaaaaaaaaaaaaaaaaaa",
)


def test_an_order_is_signed_and_sent_in_plain_digits(stub: StubExchange, client: ExchangeClient) -> None:
    stub.rest[CREATE] = lambda _: ok({"orderId": "id-1", "orderLinkId": BUY.order_link_id})
    limit = NewOrder(
        symbol=BTCUSDT,
        side=Side.SELL,
        order_type=OrderType.LIMIT,
        quantity=Decimal("1E-3"),
        price=Decimal("1E+5"),
        order_link_id="cn1-en-bbbbbbbbbbbbbbbbbbbb",
        time_in_force=TimeInForce.POST_ONLY,
        reduce_only=True,
        stop_loss=Decimal(101000),
    )
    assert client.place_order(limit) == OrderId("id-1")
    (request,) = stub.received
    assert json.loads(request.body) == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "side": "Sell",
        "orderType": "Limit",
        "qty": "0.001",
        "price": "100000",
        "timeInForce": "PostOnly",
        "positionIdx": 0,
        "orderLinkId": "cn1-en-bbbbbbbbbbbbbbbbbbbb",
        "reduceOnly": True,
        "stopLoss": "101000",
        "tpslMode": "Full",
    }
    assert request.headers["X-BAPI-SIGN"] == sign_request(
        KEYS,
        timestamp_ms=int(request.headers["X-BAPI-TIMESTAMP"]),
        recv_window_ms=int(request.headers["X-BAPI-RECV-WINDOW"]),
        payload=request.body.decode(),
    )


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (refusal(110007, "ab not enough for new order"), ExchangeRefused),
        (refusal(110072, "OrderLinkedID is duplicate"), ExchangeRefused),
        (refusal(10003, "API key is invalid."), ExchangeAuthError),
        (refusal(10006, "Too many visits!"), ExchangeRateLimited),
        (refusal(10002, "invalid request, please check your server timestamp"), ExchangeRefused),
        (refusal(10000, "Server Timeout"), ExchangeUnknown),
        (refusal(10016, "Internal server error"), ExchangeUnknown),
        (Reply(status=403, body=b"access too frequent"), ExchangeRateLimited),
        (Reply(status=429, body=b""), ExchangeUnknown),
        (Reply(status=502, body=b"<html>"), ExchangeUnknown),
        (Reply(body=b"<html>maintenance</html>"), ExchangeUnknown),
        (Reply(body=["not", "an", "envelope"]), ExchangeUnknown),
        (Reply(body={"retCode": 5}), ExchangeUnknown),
        (Reply(hang_up=True), ExchangeUnknown),
        (Reply(body={}, after_s=2.0), ExchangeUnknown),
    ],
    ids=lambda value: f"{value.status} {str(value.body)[:30]}" if isinstance(value, Reply) else value.__name__,
)
def test_an_order_is_sent_once_whatever_the_answer(
    stub: StubExchange, client: ExchangeClient, reply: Reply, kind: type[Exception]
) -> None:
    stub.rest[CREATE] = lambda _: reply
    with pytest.raises(kind) as caught:
        client.place_order(BUY)
    assert type(caught.value) is kind
    assert "canary" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(stub.received) == 1


def test_a_port_that_nobody_listens_on_is_unreachable() -> None:
    nobody = ExchangeClient(ACCOUNT, paper_endpoints(f"http://127.0.0.1:{free_port()}"), KEYS)
    with pytest.raises(ExchangeUnreachable, match=r"canary \(paper\): the exchange cannot be reached"):
        nobody.place_order(BUY)
    nobody.close()


def test_a_name_that_does_not_exist_is_unreachable() -> None:
    nowhere = ExchangeClient(ACCOUNT, paper_endpoints("http://nowhere.invalid"), KEYS)
    nowhere._http.client.trust_env = False
    with pytest.raises(ExchangeUnreachable):
        nowhere.place_order(BUY)
    nowhere.close()


def test_a_read_is_asked_again_for_reasons_that_pass(stub: StubExchange, client: ExchangeClient) -> None:
    answers = iter([refusal(10006, "Too many visits!"), Reply(status=502, body=b""), ok({"list": []})])
    stub.rest[REALTIME] = lambda _: next(answers)
    assert client.open_orders() == []
    assert len(stub.received) == 3


def test_a_read_is_given_up_after_three_attempts(stub: StubExchange, client: ExchangeClient) -> None:
    stub.rest[REALTIME] = lambda _: Reply(status=502, body=b"")
    with pytest.raises(ExchangeUnknown):
        client.open_orders()
    assert len(stub.received) == 3


def test_a_refused_read_is_not_asked_again(stub: StubExchange, client: ExchangeClient) -> None:
    stub.rest[REALTIME] = lambda _: refusal(10001, "params error")
    with pytest.raises(ExchangeRefused):
        client.open_orders()
    assert len(stub.received) == 1


def test_a_long_rate_limit_is_handed_to_the_caller_at_once(stub: StubExchange, client: ExchangeClient) -> None:
    stub.rest[REALTIME] = lambda _: Reply(status=403, body=b"access too frequent")
    with pytest.raises(ExchangeRateLimited):
        client.open_orders()
    assert len(stub.received) == 1


@pytest.mark.parametrize("body", [{"retCode": 0, "retMsg": "OK"}, {"retCode": 0, "retMsg": "", "result": 5, "time": 1}])
def test_an_envelope_without_a_result_is_kept_raw(
    stub: StubExchange, client: ExchangeClient, body: dict[str, Any]
) -> None:
    stub.rest[REALTIME] = lambda _: Reply(body)
    with pytest.raises(UnknownMessage) as caught:
        client.open_orders()
    assert caught.value.raw == body


def test_the_two_clocks(stub: StubExchange, client: ExchangeClient) -> None:
    market = datetime(2025, 3, 1, 12, tzinfo=UTC)
    stub.rest["/v5/market/time"] = lambda _: ok({}, **{"X-Alpha-Market-Time": str(to_ms(market))})
    assert client.market_time() == market
    assert abs(client.server_time().timestamp() - time.time()) < 5
    stub.rest["/v5/market/time"] = lambda _: ok({})
    assert abs(client.market_time().timestamp() - time.time()) < 5


def test_the_uid_of_a_key(stub: StubExchange, client: ExchangeClient) -> None:
    stub.rest["/v5/user/query-api"] = lambda _: ok({"userID": 1448939})
    assert client.uid() == 1448939
    stub.rest["/v5/user/query-api"] = lambda _: refusal(10032, "Demo trading are not supported.")
    assert client.uid() is None


def test_an_order_is_found_open_or_closed_or_not_at_all(stub: StubExchange, client: ExchangeClient) -> None:
    mine = order(orderLinkId="mine", orderStatus="Filled")
    stub.rest[REALTIME] = lambda _: ok({"list": [], "category": "linear"})
    stub.rest[HISTORY] = lambda request: ok({"list": [mine] if request.query["orderLinkId"] == "mine" else []})
    found = client.order(BTCUSDT, "mine")
    assert found is not None
    assert found.status is OrderStatus.FILLED
    assert client.order(BTCUSDT, "another") is None
    stub.rest[REALTIME] = lambda _: ok({"list": [mine | {"orderStatus": "New"}]})
    found = client.order(BTCUSDT, "mine")
    assert found is not None
    assert found.status is OrderStatus.NEW


def test_every_page_of_a_list_is_read(stub: StubExchange, client: ExchangeClient) -> None:
    rows = [position(symbol=f"S{n}USDT") for n in range(45)]

    def page(request: Received) -> Reply:
        first = int(request.query.get("cursor") or 0)
        more = str(first + 20) if first + 20 < len(rows) else ""
        return ok({"list": rows[first : first + 20], "nextPageCursor": more, "category": "linear"})

    stub.rest["/v5/position/list"] = page
    assert [held.symbol for held in client.positions()] == [row["symbol"] for row in rows]
    assert {request.query["settleCoin"] for request in stub.received} == {"USDT"}
    assert {request.query["limit"] for request in stub.received} == {"200"}


def test_a_cursor_that_repeats_does_not_turn_in_circles(stub: StubExchange, client: ExchangeClient) -> None:
    stub.rest["/v5/position/list"] = lambda _: ok({"list": [], "nextPageCursor": "same"})
    with pytest.raises(UnknownMessage, match="cursor 'same' twice"):
        client.positions()


def test_setting_what_is_set_already_is_fine(stub: StubExchange, client: ExchangeClient) -> None:
    stub.rest["/v5/position/set-leverage"] = lambda _: refusal(110043, "leverage not modified")
    stub.rest["/v5/position/trading-stop"] = lambda _: refusal(34040, "not modified")
    client.set_leverage(BTCUSDT, Decimal(5))
    client.set_trading_stop(TradingStop(symbol=BTCUSDT, stop_loss=Decimal(0), trailing_stop=Decimal("12.5")))
    leverage, stop = (json.loads(request.body) for request in stub.received)
    assert (leverage["buyLeverage"], leverage["sellLeverage"]) == ("5", "5")
    assert stop == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "tpslMode": "Full",
        "positionIdx": 0,
        "stopLoss": "0",
        "trailingStop": "12.5",
    }
    stub.rest["/v5/position/set-leverage"] = lambda _: refusal(110013, "leverage not allowed")
    with pytest.raises(ExchangeRefused):
        client.set_leverage(BTCUSDT, Decimal(500))


def klines(now: datetime, *, limit: int = 1000) -> Callable[[Received], Reply]:
    """A kline endpoint with one bar per 5 minutes up to the one that is forming at `now`, newest first."""
    length = 300_000

    def answer(request: Received) -> Reply:
        start, end = int(request.query["start"]), int(request.query["end"])
        assert int(request.query["limit"]) <= limit
        first, last = -(-start // length) * length, min(end, to_ms(now))
        starts = list(range(first, last + 1, length))[-int(request.query["limit"]) :]
        rows = [[str(at), "10", "12", "9", "11", "1", "10.5"] for at in reversed(starts)]
        return ok({"category": "linear", "symbol": "BTCUSDT", "list": rows}, **{"X-Alpha-Market-Time": str(to_ms(now))})

    return answer


def test_bars_come_oldest_first_closed_only_and_from_every_page(stub: StubExchange, client: ExchangeClient) -> None:
    now = datetime(2025, 3, 20, 12, 2, tzinfo=UTC)
    stub.rest["/v5/market/kline"] = klines(now)
    interval = timedelta(minutes=5)
    start = datetime(2025, 3, 10, tzinfo=UTC)
    bars = client.klines(BTCUSDT, interval, start, now + timedelta(days=1))
    # from 10 March 00:00 to the bar that ended on 20 March 12:00
    assert len(bars) == 10 * 288 + 144
    assert [bar.start for bar in bars] == [start + n * interval for n in range(len(bars))]
    assert bars[-1].end == datetime(2025, 3, 20, 12, tzinfo=UTC)


def test_the_end_of_an_interval_of_bars_is_excluded(stub: StubExchange, client: ExchangeClient) -> None:
    stub.rest["/v5/market/kline"] = klines(datetime(2025, 4, 1, tzinfo=UTC))
    start = datetime(2025, 3, 10, tzinfo=UTC)
    bars = client.klines(BTCUSDT, timedelta(minutes=5), start, start + timedelta(minutes=15))
    assert [bar.start for bar in bars] == [start + timedelta(minutes=5 * n) for n in range(3)]


def test_an_instrument_that_is_not_listed_is_refused(stub: StubExchange, client: ExchangeClient) -> None:
    stub.rest["/v5/market/instruments-info"] = lambda _: ok({"list": [], "nextPageCursor": ""})
    with pytest.raises(ExchangeRefused, match="lists no NOUSDT"):
        client.instruments([Symbol("NOUSDT")])


def test_times_of_a_window_are_milliseconds(stub: StubExchange, client: ExchangeClient) -> None:
    stub.rest["/v5/execution/list"] = lambda _: ok({"list": [], "nextPageCursor": ""})
    assert list(client.execution_pages(from_ms(1000), from_ms(2000))) == [[]]
    query = stub.received[0].query
    assert (query["startTime"], query["endTime"], query["limit"]) == ("1000", "2000", "100")


def test_secrets_are_in_no_log_and_no_text(
    stub: StubExchange, client: ExchangeClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stub.rest[CREATE] = lambda _: refusal(10004, f"error sign! origin_string[1795228522691{KEYS.key}5000]")
    with pytest.raises(ExchangeAuthError) as caught:
        client.place_order(BUY)
    everything = caplog.text + str(caught.value) + repr(client) + repr(KEYS)
    assert KEYS.secret not in everything
    assert KEYS.key not in everything


def test_whoever_can_do_without_an_answer_does_not_wait_for_it(stub: StubExchange) -> None:
    stub.rest["/v5/account/wallet-balance"] = lambda _: Reply(after_s=60)
    pauses: list[float] = []
    with (
        closing(ExchangeClient(ACCOUNT, stub.endpoints, KEYS)) as client,
        closing(ExchangeClient(ACCOUNT, stub.endpoints, KEYS, reads_within_s=0.2, sleep=pauses.append)) as hasty,
    ):
        assert ExchangePort(client, [BTCUSDT], hasty).equity() is None
        # One request has had all of the time there is.
        assert sum(hasty._http.timeout) <= 0.2
    assert ([request.path for request in stub.received], pauses) == (["/v5/account/wallet-balance"], [])


def test_whoever_can_do_without_an_answer_waits_for_room_no_longer_than_that(stub: StubExchange) -> None:
    class Full(LocalBudget):
        def take(self, call: Call) -> float:  # noqa: ARG002
            return 1.5

    pauses: list[float] = []
    with closing(
        ExchangeClient(ACCOUNT, stub.endpoints, KEYS, budget=Full(), reads_within_s=1.0, sleep=pauses.append)
    ) as hasty:
        hasty._is_limited = True
        with pytest.raises(ExchangeRateLimited):
            hasty.wallet()
    assert (stub.received, pauses) == ([], [])


def test_pybit_adds_no_log_handler_of_its_own(stub: StubExchange) -> None:
    made = ExchangeClient(AccountName("a"), stub.endpoints, KEYS)
    assert logging.getLogger("pybit._http_manager").handlers == []
    made.close()


def test_an_answer_is_gone_once_it_was_read(stub: StubExchange, client: ExchangeClient) -> None:
    # A page of executions is 60 kB: those that wait for the garbage collector add up to more than all the rest.
    answers: list[weakref.ref[requests.Response]] = []
    client._http.client.hooks["response"].append(lambda answer, **_: answers.append(weakref.ref(answer)))
    stub.rest["/v5/market/time"] = lambda _: ok({})
    gc.collect()
    gc.disable()
    try:
        client.server_time()
        assert [answer() for answer in answers] == [None]
    finally:
        gc.enable()


def test_a_proxy_of_the_environment_does_not_stand_before_loopback(
    stub: StubExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    stub.rest["/v5/market/time"] = lambda _: ok({})
    made = ExchangeClient(ACCOUNT, stub.endpoints, KEYS)
    made.server_time()
    made.close()


def test_a_proxy_of_the_environment_stands_before_an_exchange_elsewhere(
    stub: StubExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(5)
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.delenv("http_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        elsewhere = replace(stub.endpoints, rest_url="http://exchange.invalid")
        made = ExchangeClient(ACCOUNT, elsewhere, KEYS, answer_timeout_s=0.2)
        # Nothing answers for the proxy: what it was asked is enough.
        with pytest.raises(ExchangeError):
            made.server_time()
        made.close()
        asked, _ = proxy.accept()
        with asked:
            assert asked.recv(100).startswith(b"GET http://exchange.invalid/v5/market/time")
