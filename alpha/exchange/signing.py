"""Bybit's signatures (https://bybit-exchange.github.io/docs/v5/guide#authentication)."""

from __future__ import annotations

import hashlib
import hmac
from typing import Protocol


class KeyPair(Protocol):
    """An API key and its secret; `alpha.config` reads them from the environment."""

    @property
    def key(self) -> str: ...
    @property
    def secret(self) -> str: ...


def sign(secret: str, text: str) -> str:
    """HMAC-SHA256 of the text as lower-case hex."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def sign_request(credentials: KeyPair, *, timestamp_ms: int, recv_window_ms: int, payload: str) -> str:
    """X-BAPI-SIGN of a request: the payload is the query string without `?`, or the exact body."""
    return sign(credentials.secret, f"{timestamp_ms}{credentials.key}{recv_window_ms}{payload}")


def stream_signature(secret: str, expires_ms: int) -> str:
    """The third argument of a stream's `auth` message."""
    return sign(secret, f"GET/realtime{expires_ms}")
