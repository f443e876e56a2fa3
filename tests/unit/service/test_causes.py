"""Errors as the libraries raise them get the name of their cause, and everyone comes with something to do."""

from __future__ import annotations

import socket

import pytest
import redis
import requests
from redis.exceptions import BusyLoadingError, OutOfMemoryError, ReadOnlyError, ResponseError

from alpha.domain.ids import AccountName
from alpha.exchange.endpoints import paper_endpoints
from alpha.exchange.errors import (
    ExchangeAuthError,
    ExchangeRateLimited,
    ExchangeRefused,
    ExchangeUnknown,
    ExchangeUnreachable,
)
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.connection import Dsn, LedgerUnavailable, connect
from alpha.service.causes import Cause, cause_of

NOWHERE = "nowhere.invalid"  # never resolves: https://www.rfc-editor.org/rfc/rfc6761#section-6.4
_ASKED = "POST /v5/order/create"


def refused(code: int, text: str) -> ExchangeRefused:
    return ExchangeRefused(f"canary (paper): refused: {code} {text}", operation=_ASKED, code=code, text=text)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (LedgerUnavailable("PostgreSQL did not finish: could not extend file", sqlstate="53100"), Cause.DISK_FULL),
        (
            LedgerUnavailable("PostgreSQL did not finish: cannot execute INSERT", sqlstate="25006"),
            Cause.LEDGER_READ_ONLY,
        ),
        (LedgerUnavailable("PostgreSQL at x: FATAL: sorry, too many clients already"), Cause.LEDGER_CONNECTIONS),
        (LedgerUnavailable("canceling statement due to statement timeout", sqlstate="57014"), Cause.LEDGER_SLOW),
        (LedgerUnavailable("PostgreSQL at 127.0.0.1:1 does not let x into y: refused"), Cause.LEDGER_AWAY),
        (OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), Cause.REDIS_FULL),
        (ResponseError("OOM allow-oom flag is not set on the script"), Cause.REDIS_FULL),
        (ReadOnlyError("You can't write against a read only replica."), Cause.REDIS_READ_ONLY),
        (ResponseError("MISCONF Errors writing to the AOF file: No space left on device"), Cause.REDIS_DISK),
        (BusyLoadingError("Redis is loading the dataset in memory"), Cause.REDIS_LOADING),
        (
            redis.exceptions.ConnectionError("Error 111 connecting to 127.0.0.1:6379"),
            Cause.REDIS_AWAY,
        ),
        (
            refused(10002, "please check your server timestamp or recv_window param"),
            Cause.CLOCK_STEPPED,
        ),
        (refused(10016, "Internal System Error"), Cause.EXCHANGE_MAINTENANCE),
        (refused(110007, "ab not enough for new order"), Cause.UNKNOWN),
        (
            ExchangeRateLimited("too many", operation=_ASKED, code=10006, text="", retry_after_s=1),
            Cause.RATE_LIMITED,
        ),
        (
            ExchangeAuthError("", operation=_ASKED, code=10003, text="", account="a", environment="live"),
            Cause.KEY_REFUSED,
        ),
        (ExchangeUnknown("no answer to POST /v5/order/create (timed out)", operation=_ASKED), Cause.EXCHANGE_AWAY),
        (socket.gaierror(-2, "Name or service not known"), Cause.NAME_UNRESOLVED),
        (ValueError("something else"), Cause.UNKNOWN),
    ],
    ids=lambda value: value.value if isinstance(value, Cause) else type(value).__name__,
)
def test_an_error_has_a_named_cause_also_by_its_text_alone(error: Exception, cause: Cause) -> None:
    assert cause_of(error) is cause
    if not isinstance(error, ExchangeAuthError):  # its text says in words what its type says
        by_text = cause_of(f"Redis: {error}" if isinstance(error, redis.RedisError) else str(error))
        assert by_text in (cause, Cause.LEDGER_AWAY, Cause.UNKNOWN)


def test_a_ledger_whose_name_does_not_resolve_is_named() -> None:
    with pytest.raises(LedgerUnavailable) as raised:
        connect(Dsn(host=NOWHERE, port=5432, dbname="x", user="x", password="x"), "tests")
    assert cause_of(raised.value) is Cause.NAME_UNRESOLVED
    assert cause_of(str(raised.value)) is Cause.NAME_UNRESOLVED


def test_a_redis_whose_name_does_not_resolve_is_named() -> None:
    with redis.Redis(host=NOWHERE) as client, pytest.raises(redis.exceptions.ConnectionError) as raised:
        client.ping()
    assert cause_of(raised.value) is Cause.NAME_UNRESOLVED
    assert cause_of(f"Redis: {raised.value}") is Cause.NAME_UNRESOLVED


def test_an_exchange_whose_name_does_not_resolve_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests.Session, "trust_env", False, raising=False)
    client = ExchangeClient(AccountName("canary"), paper_endpoints(f"http://{NOWHERE}:8787"), sleep=lambda _: None)
    with pytest.raises(ExchangeUnreachable) as raised:
        client.market_time()
    client.close()
    assert cause_of(raised.value) is Cause.NAME_UNRESOLVED
    assert cause_of(str(raised.value)) is Cause.NAME_UNRESOLVED


def test_every_cause_says_what_to_do() -> None:
    assert all(cause.advice.endswith(".") for cause in Cause)
