"""Who is asking: keys, signatures and time stamps (https://bybit-exchange.github.io/docs/v5/guide)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from functools import lru_cache

from paper_exchange.accounts import Accounts, ExchangeAccount
from paper_exchange.engine import Refused

_BAD_PARAMETER = 10001
_BAD_TIMESTAMP = 10002
_BAD_KEY = 10003
_BAD_SIGNATURE = 10004
_DEFAULT_WINDOW_MS = 5000
_AHEAD_MS = 1000
_LONGEST_TIME = 18


class TimeRefused(Refused):
    """A request whose time stamp is too far from the exchange's clock."""

    def __init__(self, text: str) -> None:
        super().__init__(_BAD_TIMESTAMP, text)


class HeadersMissing(Refused):
    """A request to a private endpoint that carries no authentication at all: the one case answered with HTTP 401."""


def authenticated(headers: Mapping[str, str], signed: bytes, accounts: Accounts, now_ms: int) -> ExchangeAccount:
    """The account of a signed request. `signed` is the raw query string (GET) or the raw body (POST); the names of the
    headers are lower case.

    Raises Refused with 10001, 10002, 10003 or 10004, HeadersMissing when there is nothing to check.
    """
    key = headers.get("x-bapi-api-key", "")
    timestamp = headers.get("x-bapi-timestamp", "")
    signature = headers.get("x-bapi-sign", "")
    if not (key and timestamp and signature):
        raise HeadersMissing(_BAD_PARAMETER, "empty value: apiTimestamp[] apiKey[] apiSignature[]")
    window = headers.get("x-bapi-recv-window", "")
    _check_time(timestamp, window, now_ms)
    account = accounts.with_key(key)
    if account is None:
        raise Refused(_BAD_KEY, "API key is invalid.")
    origin = f"{timestamp}{key}{window}".encode() + signed
    expected = _digest(account.api_secret, origin)
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
        raise Refused(_BAD_SIGNATURE, f"error sign! origin_string[{origin.decode('utf-8', 'replace')}]")
    return account


def authenticated_socket(arguments: object, accounts: Accounts, now_ms: int) -> ExchangeAccount | None:
    """The account of an auth frame's `[key, expires, signature]`, None when any of it is wrong or expired."""
    if not isinstance(arguments, list) or len(arguments) != 3:
        return None
    key, expires, signature = [str(argument) for argument in arguments]
    account = accounts.with_key(key)
    if account is None or not _is_milliseconds(expires) or int(expires) <= now_ms:
        return None
    expected = sign(account.api_secret, f"GET/realtime{expires}")
    return account if hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")) else None


def sign(secret: str, text: str) -> str:
    return _digest(secret, text.encode())


def _digest(secret: str, origin: bytes) -> str:
    begun = _begun(secret).copy()
    begun.update(origin)
    return begun.hexdigest()


@lru_cache(maxsize=1024)
def _begun(secret: str) -> hmac.HMAC:
    """The hash with only the key in it, which is the half of the work that is the same for every request."""
    return hmac.new(secret.encode(), digestmod="sha256")


def _check_time(timestamp: str, window: str, now_ms: int) -> None:
    if not _is_milliseconds(timestamp) or (window and not _is_milliseconds(window)):
        raise Refused(_BAD_PARAMETER, "params error: timestamp or recv_window invalid")
    window_ms = int(window) if window else _DEFAULT_WINDOW_MS
    if not now_ms - window_ms <= int(timestamp) < now_ms + _AHEAD_MS:
        raise TimeRefused(
            "invalid request, please check your server timestamp or recv_window param. "
            f"req_timestamp[{timestamp}],server_timestamp[{now_ms}],recv_window[{window_ms}]",
        )


def _is_milliseconds(text: str) -> bool:
    return len(text) <= _LONGEST_TIME and text.isascii() and text.isdecimal()
