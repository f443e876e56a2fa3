"""Who sends a request, and whether the signature proves it (https://bybit-exchange.github.io/docs/v5/guide)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping

from paper_exchange.accounts import PaperAccount
from paper_exchange.engine import Refused

_DEFAULT_WINDOW_MS = 5000
_AHEAD_MS = 1000


class KeyRing:
    """The accounts by API key."""

    def __init__(self, accounts: Iterable[PaperAccount]) -> None:
        self._by_key = {account.api_key: account for account in accounts}

    def of_key(self, key: str) -> PaperAccount:
        """Raises Refused 10003 for a key nobody has."""
        account = self._by_key.get(key)
        if account is None:
            raise Refused(10003, "API key is invalid.")
        return account

    def of_request(self, headers: Mapping[str, str], payload: str, now_ms: int) -> PaperAccount:
        """The account that signed a request. `payload` is the raw query string or the raw body.

        Raises Refused: 10003 key, 10002 time, 10004 signature, 10001 missing headers.
        """
        key = headers.get("X-BAPI-API-KEY", "")
        stamp, window = headers.get("X-BAPI-TIMESTAMP", ""), headers.get("X-BAPI-RECV-WINDOW", "")
        if not key or not _is_number(stamp):
            raise Refused(10001, "request parameter error: X-BAPI-API-KEY and X-BAPI-TIMESTAMP are needed")
        account = self.of_key(key)
        window_ms = int(window) if _is_number(window) else _DEFAULT_WINDOW_MS
        sent_ms = int(stamp)
        if not now_ms - window_ms <= sent_ms < now_ms + _AHEAD_MS:
            raise Refused(
                10002,
                "invalid request, please check your server timestamp or recv_window param. "
                f"req_timestamp[{sent_ms}],server_timestamp[{now_ms}],recv_window[{window_ms}]",
            )
        signed = hmac.new(account.api_secret.encode(), f"{stamp}{key}{window}{payload}".encode(), hashlib.sha256)
        if not hmac.compare_digest(signed.hexdigest(), headers.get("X-BAPI-SIGN", "")):
            raise Refused(10004, "error sign! origin_string does not match the signature")
        return account

    def of_stream(self, args: object, now_ms: int) -> PaperAccount | None:
        """The account of a stream's auth message `[key, expires, signature]`, None when it does not prove anything."""
        if not isinstance(args, list) or len(args) != 3:
            return None
        key, expires, signature = (str(part) for part in args)
        account = self._by_key.get(key)
        if account is None or not _is_number(expires) or int(expires) <= now_ms:
            return None
        signed = hmac.new(account.api_secret.encode(), f"GET/realtime{expires}".encode(), hashlib.sha256)
        return account if hmac.compare_digest(signed.hexdigest(), signature) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
