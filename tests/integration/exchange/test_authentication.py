from __future__ import annotations

import time
from typing import Any

import pytest
import requests
from pybit.exceptions import FailedRequestError, InvalidRequestError
from pybit.unified_trading import HTTP

from paper_exchange.server.signature import sign
from tests.exchange_process import ExchangeProcess
from tests.integration.exchange.clients import client

PATH = "/v5/account/info"


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        (
            "1700000000000testkey5000category=linear&limit=2&symbol=BTCUSDT",
            "ec2deedb3b3a965fff9400eb9e939fdd11502260c9efcb09e12ff708111740a4",
        ),
        (
            '1700000000000testkey5000{"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", '
            '"qty": "0.003", "orderLinkId": "s1-000017"}',
            "5cf2b91e35a2d2840b4ac1e9617ee7c24ebe08ad3b80e893d8bd9151e117e8d1",
        ),
        ("GET/realtime1700000001000", "26df689652787d6e2816d6ac43239f177f3a452676ef6c0a64e80828cb7144c7"),
    ],
)
def test_signatures_equal_the_reference_vectors(text: str, signature: str) -> None:
    assert sign("testsecret", text) == signature


def test_a_signed_request_is_answered_with_envelope_and_market_time(exchange: ExchangeProcess) -> None:
    answer = _get(exchange, PATH, "")
    assert set(answer.json()) == {"retCode", "retMsg", "result", "retExtInfo", "time"}
    assert answer.json()["retCode"] == 0
    assert int(answer.headers["X-Alpha-Market-Time"]) == exchange.admin.state()["market_time"]
    assert abs(answer.json()["time"] - time.time() * 1000) < 60_000


def test_the_raw_query_is_what_is_signed(exchange: ExchangeProcess) -> None:
    # Not in alphabetic order, and encoded where it need not be.
    assert _get(exchange, "/v5/position/list", "symbol=%42TCUSDT&category=linear").json()["retCode"] == 0


def test_a_signature_of_another_secret_is_refused(exchange: ExchangeProcess) -> None:
    http = HTTP(api_key=exchange.accounts["canary"].api_key, api_secret="wrong")
    http.endpoint = exchange.rest_url
    with pytest.raises(InvalidRequestError) as refused:
        http.get_account_info()
    assert refused.value.status_code == 10004


def test_an_unknown_key_is_refused(exchange: ExchangeProcess) -> None:
    http = HTTP(api_key="nobody", api_secret="x")
    http.endpoint = exchange.rest_url
    with pytest.raises(InvalidRequestError, match="API key is invalid") as refused:
        http.get_account_info()
    assert refused.value.status_code == 10003


@pytest.mark.parametrize("off_ms", [-6_000, 1_500])
def test_a_time_stamp_outside_the_window_is_refused(exchange: ExchangeProcess, off_ms: int) -> None:
    answer = _get(exchange, PATH, "", off_ms=off_ms).json()
    assert answer["retCode"] == 10002
    assert "req_timestamp[" in answer["retMsg"]


def test_a_wider_window_accepts_an_older_time_stamp(exchange: ExchangeProcess) -> None:
    assert _get(exchange, PATH, "", off_ms=-6_000, window="10000").json()["retCode"] == 0


def test_without_authentication_the_status_says_so(exchange: ExchangeProcess) -> None:
    answer = requests.get(exchange.rest_url + PATH, timeout=10)
    assert answer.status_code == 401
    assert answer.json()["retCode"] == 10001


def test_the_two_accounts_do_not_see_each_other(exchange: ExchangeProcess) -> None:
    first, second = client(exchange), client(exchange, "shortseller")
    ids = {http.get_api_key_information()["result"]["userID"] for http in (first, second)}
    assert ids == {account.uid for account in exchange.accounts.values()}


def test_an_unknown_path_is_not_found(exchange: ExchangeProcess) -> None:
    http = client(exchange)
    with pytest.raises(FailedRequestError) as failed:
        http.get_borrow_history()
    assert failed.value.status_code == 404


def _get(
    exchange: ExchangeProcess, path: str, query: str, *, off_ms: int = 0, window: str = "5000"
) -> requests.Response:
    account = exchange.accounts["canary"]
    timestamp = str(int(time.time() * 1000) + off_ms)
    headers: dict[str, Any] = {
        "X-BAPI-API-KEY": account.api_key,
        "X-BAPI-TIMESTAMP": timestamp,
        "X-BAPI-RECV-WINDOW": window,
        "X-BAPI-SIGN": sign(account.api_secret, f"{timestamp}{account.api_key}{window}{query}"),
    }
    request = requests.Request("GET", exchange.rest_url + path, headers=headers).prepare()
    # Set afterwards: requests would encode the query anew.
    request.url = f"{exchange.rest_url}{path}" + (f"?{query}" if query else "")
    return requests.Session().send(request, timeout=10)
