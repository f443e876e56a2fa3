"""What pybit and requests raise becomes refused, unknown or unreachable."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests
import urllib3
from pybit.exceptions import FailedRequestError, InvalidRequestError

from alpha.domain.ids import AccountName
from alpha.exchange.errors import (
    ExchangeAuthError,
    ExchangeError,
    ExchangeRateLimited,
    ExchangeRefused,
    ExchangeUnknown,
    ExchangeUnreachable,
)
from alpha.exchange.pybit_errors import exchange_error

OPERATION = "POST /v5/order/create"


def told(error: Exception) -> ExchangeError:
    return exchange_error(error, operation=OPERATION, account=AccountName("canary"), environment="demo")


def answered(code: int, text: str = "no", headers: Any = None) -> ExchangeError:
    return told(InvalidRequestError("POST /v5/order/create: {}", text, code, "12:00:00", headers))


def http_status(status: int) -> ExchangeError:
    return told(FailedRequestError("POST /v5/order/create: {}", "HTTP status code is not 200.", status, "12:00", None))


@pytest.mark.parametrize("code", [10001, 10002, 110003, 110007, 110017, 110072, 110094, 34040, 110043])
def test_an_answer_with_a_code_is_a_refusal_that_keeps_code_and_text(code: int) -> None:
    error = answered(code, "ab not enough\nfor new order")
    assert type(error) is ExchangeRefused
    assert (error.code, error.text) == (code, "ab not enough for new order")
    assert error.operation == OPERATION
    assert f"{code} ab not enough for new order" in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize("code", [10000, 10016, 10014, 429])
def test_the_exchanges_own_time_outs_leave_the_outcome_unknown(code: int) -> None:
    error = answered(code)
    assert type(error) is ExchangeUnknown
    assert error.code == code


@pytest.mark.parametrize("code", [10003, 10004, 10005, 10007, 10010, 33004])
def test_trouble_with_the_key_names_account_and_environment(code: int) -> None:
    error = answered(code, "API key is invalid.")
    assert type(error) is ExchangeAuthError
    assert (error.account, error.environment, error.code) == ("canary", "demo", code)
    assert "account canary, environment demo" in str(error)
    assert f"{code} API key is invalid." in str(error)


def test_http_401_is_trouble_with_the_key() -> None:
    assert type(http_status(401)) is ExchangeAuthError


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 409])
def test_http_failures_of_the_server_leave_the_outcome_unknown(status: int) -> None:
    assert type(http_status(status)) is ExchangeUnknown


@pytest.mark.parametrize("status", [400, 404])
def test_http_failures_of_the_request_are_refusals(status: int) -> None:
    assert type(http_status(status)) is ExchangeRefused


def test_a_rate_limit_says_how_long_to_wait() -> None:
    ahead = answered(10006, "Too many visits!", {"X-Bapi-Limit-Reset-Timestamp": str(int(time.time() * 1000) + 400)})
    past = answered(10006, "Too many visits!", {"X-Bapi-Limit-Reset-Timestamp": "1000"})
    bare = answered(10006, "Too many visits!")
    assert isinstance(ahead, ExchangeRateLimited)
    assert 0.05 <= ahead.retry_after_s <= 0.4
    assert isinstance(past, ExchangeRateLimited)
    assert past.retry_after_s == 0.05
    assert isinstance(bare, ExchangeRateLimited)
    assert bare.retry_after_s == 1.0


def test_the_limit_of_an_address_asks_for_ten_minutes() -> None:
    error = http_status(403)
    assert isinstance(error, ExchangeRateLimited)
    assert error.retry_after_s == 600


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.ReadTimeout("read timed out"),
        requests.exceptions.ConnectionError(
            urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104, "reset"))
        ),
        requests.exceptions.ChunkedEncodingError("cut off"),
        requests.exceptions.SSLError("record overflow"),
        KeyError("retMsg"),
        AttributeError("'list' object has no attribute 'get'"),
    ],
    ids=repr,
)
def test_a_break_after_sending_leaves_the_outcome_unknown(error: Exception) -> None:
    assert type(told(error)) is ExchangeUnknown


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.ConnectTimeout("connect timed out"),
        requests.exceptions.ProxyError("no proxy"),
        requests.exceptions.InvalidURL("no host"),
    ],
    ids=repr,
)
def test_a_break_before_sending_is_unreachable(error: Exception) -> None:
    assert type(told(error)) is ExchangeUnreachable


def test_duplicates_and_gone_orders_are_told_apart_from_other_refusals() -> None:
    duplicate, gone = answered(110072), answered(110001)
    assert isinstance(duplicate, ExchangeRefused)
    assert duplicate.is_duplicate_order
    assert not duplicate.is_order_gone
    assert isinstance(gone, ExchangeRefused)
    assert gone.is_order_gone
    assert not gone.is_duplicate_order
