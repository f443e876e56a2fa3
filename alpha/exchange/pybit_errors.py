"""What pybit and requests raise, told apart by what is known afterwards.

Facts of pybit 5.17.0 this rests on (`_http_manager.py`): a retCode other than 0 raises InvalidRequestError, an HTTP
status other than 200 FailedRequestError, an answer that is no JSON FailedRequestError 409, both with `status_code`;
time-outs and broken connections come through as the exceptions of requests. An answer that is JSON but no envelope
raises KeyError, TypeError or AttributeError inside pybit, after the request has been sent.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import requests
from pybit.exceptions import FailedRequestError, InvalidRequestError
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, ProxyError, SSLError

from alpha.domain.ids import AccountName
from alpha.exchange.endpoints import PAPER
from alpha.exchange.errors import (
    RATE_LIMIT_CODE,
    ExchangeAuthError,
    ExchangeError,
    ExchangeRateLimited,
    ExchangeRefused,
    ExchangeUnknown,
    ExchangeUnreachable,
)

PYBIT_ERRORS = (
    InvalidRequestError,
    FailedRequestError,
    requests.exceptions.RequestException,
    KeyError,
    TypeError,
    AttributeError,
)

# retCodes after which the outcome of an order is open (https://bybit-exchange.github.io/docs/v5/error). 10014,
# "duplicate request", means that an earlier copy may have been taken.
_UNKNOWN_CODES = frozenset({429, 10000, 10014, 10016})
_AUTH_HINTS = {
    401: "the request was not authenticated",
    10003: "the key is wrong or belongs to another environment",
    10004: "the signature does not fit: check the secret",
    10005: "the key lacks a permission: it needs to read, and to trade contracts",
    10007: "the key is not authenticated",
    10010: "the key is bound to another IP address",
    33004: "the key has expired",
}
_IP_LIMIT_WAIT_S = 600.0
# A paper exchange refuses until its window of 5 s has passed.
_PAPER_IP_LIMIT_WAIT_S = 5.0
_DEFAULT_LIMIT_WAIT_S = 1.0
_TEXT_MAX = 200


def exchange_error(
    error: Exception, *, operation: str, account: AccountName, environment: str, api_key: str = ""
) -> ExchangeError:
    """The error of ours that says what is known after `error`, one of PYBIT_ERRORS.

    `api_key` is kept out of the text: Bybit's answer to a wrong signature (10004) repeats what was signed.
    """
    where = f"{account} ({environment})"
    if isinstance(error, InvalidRequestError):
        code, headers = int(error.status_code), error.resp_headers
        text = _short(error.message.replace(api_key, "(key)") if api_key else error.message)
        return _answered(code, text, headers, operation=operation, account=account, environment=environment)
    if isinstance(error, FailedRequestError):
        code, text = int(error.status_code), _short(error.message)
        if code == 403:
            wait_s = _PAPER_IP_LIMIT_WAIT_S if environment == PAPER else _IP_LIMIT_WAIT_S
            return ExchangeRateLimited(
                f"{where}: the exchange answers {operation} with HTTP 403: this address has sent too much, or is in a "
                f"country it does not serve; nothing is sent for {wait_s:.0f} s",
                operation=operation,
                code=code,
                text=text,
                retry_after_s=wait_s,
            )
        if code in (400, 401, 404, 405):
            return _answered(code, text, None, operation=operation, account=account, environment=environment)
        return ExchangeUnknown(
            f"{where}: {operation} got HTTP {code} ({text}): what became of it is unknown",
            operation=operation,
            code=code,
        )
    if nothing_was_sent(error):
        return ExchangeUnreachable(
            f"{where}: the exchange cannot be reached for {operation}: {_short(_cause(error))}", operation=operation
        )
    if isinstance(error, requests.exceptions.RequestException):
        return ExchangeUnknown(
            f"{where}: no answer to {operation} ({_short(_cause(error))}): what became of it is unknown",
            operation=operation,
        )
    return ExchangeUnknown(
        f"{where}: the answer to {operation} is not Bybit's envelope ({type(error).__name__}: {_short(error)})",
        operation=operation,
    )


def nothing_was_sent(error: Exception) -> bool:
    """Whether the connection was never made: refused, name not found, no route, TLS or proxy handshake failed."""
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    if isinstance(
        error,
        requests.exceptions.InvalidURL
        | requests.exceptions.MissingSchema
        | requests.exceptions.InvalidSchema
        | requests.exceptions.InvalidProxyURL,
    ):
        return True
    if not isinstance(error, requests.exceptions.ConnectionError):
        return False
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    # NameResolutionError is a NewConnectionError. An SSLError may also come in the middle of a connection, where
    # the request may have gone out; only a failed certificate is surely before it.
    if isinstance(reason, SSLError):
        return "CERTIFICATE_VERIFY_FAILED" in str(reason)
    return isinstance(reason, NewConnectionError | ConnectTimeoutError | ProxyError)


def _answered(
    code: int, text: str, headers: Mapping[str, str] | None, *, operation: str, account: AccountName, environment: str
) -> ExchangeError:
    where = f"{account} ({environment})"
    if code in _AUTH_HINTS:
        return ExchangeAuthError(
            f"account {account}, environment {environment}: {_AUTH_HINTS[code]} ({code} {text})",
            operation=operation,
            code=code,
            text=text,
            account=account,
            environment=environment,
        )
    if code == RATE_LIMIT_CODE:
        return ExchangeRateLimited(
            f"{where}: too many requests to {operation} ({code} {text})",
            operation=operation,
            code=code,
            text=text,
            retry_after_s=_wait_for_reset(headers),
        )
    if code in _UNKNOWN_CODES:
        return ExchangeUnknown(
            f"{where}: {operation} answered {code} {text}: what became of it is unknown", operation=operation, code=code
        )
    hint = "; compare this machine's clock with the exchange's" if code == 10002 else ""
    return ExchangeRefused(
        f"{where}: {operation} refused: {code} {text}{hint}", operation=operation, code=code, text=text
    )


def _wait_for_reset(headers: Mapping[str, str] | None) -> float:
    """Seconds until X-Bapi-Limit-Reset-Timestamp (wall clock), at least a little: the header may lie in the past."""
    try:
        reset_ms = int((headers or {})["X-Bapi-Limit-Reset-Timestamp"])
    except (KeyError, ValueError):
        return _DEFAULT_LIMIT_WAIT_S
    return min(max(reset_ms / 1000 - time.time(), 0.05), 60.0)


def _cause(error: Exception) -> object:
    cause = error.args[0] if error.args else error
    return cause.reason if isinstance(cause, MaxRetryError) else cause


def _short(text: object) -> str:
    return " ".join(str(text).split())[:_TEXT_MAX]
