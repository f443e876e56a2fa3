"""Bybit's limits on REST: per account and endpoint in a rolling second, and per address in five.

https://bybit-exchange.github.io/docs/v5/rate-limit; the numbers are those of a unified account without VIP level,
linear contracts. Market endpoints have the limit of the address only. A batch takes one unit for each of its orders;
when fewer are left, the first orders pass and the others are refused one by one. How often margin mode and coins may
be asked for is UNCONFIRMED.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

TOO_MANY_VISITS = 10006
TOO_MANY_VISITS_TEXT = "Too many visits!"
PER_IP = 600
BAN_S = 600.0

_IP_WINDOW_S = 5.0
_SHORTEST_RESET_MS = 100
"""A client reads the answer later than it was written, and one that finds the reset in its past breaks."""

PER_SECOND: Mapping[str, int] = {
    "/v5/order/create": 10,
    "/v5/order/amend": 10,
    "/v5/order/cancel": 10,
    "/v5/order/cancel-all": 10,
    "/v5/order/create-batch": 10,
    "/v5/order/amend-batch": 10,
    "/v5/order/cancel-batch": 10,
    "/v5/order/realtime": 50,
    "/v5/order/history": 50,
    "/v5/execution/list": 50,
    "/v5/position/list": 50,
    "/v5/position/closed-pnl": 50,
    "/v5/position/set-leverage": 10,
    "/v5/position/switch-mode": 10,
    "/v5/position/trading-stop": 10,
    "/v5/account/wallet-balance": 50,
    "/v5/account/info": 50,
    "/v5/account/transaction-log": 25,
    "/v5/account/fee-rate": 5,
    "/v5/account/set-margin-mode": 10,
    "/v5/user/query-api": 10,
    "/v5/asset/coin/query-info": 5,
}


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left to an account at an endpoint after a request. `resets_in_ms` is 0 while anything is left.

    `taken` is how much of what was asked for was granted; `exceeded` when it was nothing.
    """

    limit: int
    remaining: int
    resets_in_ms: int
    exceeded: bool
    taken: int = 1

    def headers(self, now_ms: int) -> dict[str, str]:
        return {
            "X-Bapi-Limit": str(self.limit),
            "X-Bapi-Limit-Status": str(self.remaining),
            "X-Bapi-Limit-Reset-Timestamp": str(now_ms + self.resets_in_ms),
        }


class Rolling:
    """At most `limit` in any `window_s` seconds. What is refused does not count (UNCONFIRMED)."""

    __slots__ = ("_taken", "_window_s", "limit")

    def __init__(self, limit: int, window_s: float) -> None:
        self.limit = limit
        self._window_s = window_s
        self._taken: deque[float] = deque()

    def take(self, now: float, units: int = 1) -> int:
        """How many of the units are granted."""
        while self._taken and self._taken[0] <= now - self._window_s:
            self._taken.popleft()
        granted = min(units, max(0, self.limit - len(self._taken)))
        self._taken.extend([now] * granted)
        return granted

    @property
    def remaining(self) -> int:
        return self.limit - len(self._taken)

    def resets_in_s(self, now: float) -> float:
        return self._taken[0] + self._window_s - now if self._taken else 0.0


class RateLimits:
    """Times are seconds of a clock that only rises.

    `per_second` replaces the limit of every endpoint. An address beyond `per_ip` requests in 5 s is refused for
    `ban_s`.
    """

    def __init__(self, *, per_second: int | None = None, per_ip: int = PER_IP, ban_s: float = BAN_S) -> None:
        self._per_second = per_second
        self._per_ip = per_ip
        self._ban_s = ban_s
        self._by_account: dict[tuple[int, str], Rolling] = {}
        self._by_ip: dict[str, Rolling] = {}
        self._banned_until: dict[str, float] = {}

    def admits(self, ip: str, now: float) -> bool:
        """Whether an address may ask for anything at all; asked once per request."""
        if now < self._banned_until.get(ip, float("-inf")):
            return False
        if self._by_ip.setdefault(ip, Rolling(self._per_ip, _IP_WINDOW_S)).take(now):
            return True
        self._banned_until[ip] = now + self._ban_s
        return False

    def take(self, uid: int, path: str, now: float, units: int = 1) -> Allowance | None:
        """One request of an account, which counts as so many; None where there is no limit."""
        limit = PER_SECOND.get(path)
        if limit is None:
            return None
        rolling = self._by_account.get((uid, path))
        if rolling is None:
            rolling = self._by_account[uid, path] = Rolling(self._per_second or limit, 1.0)
        taken = rolling.take(now, units)
        if taken:
            return Allowance(rolling.limit, rolling.remaining, 0, exceeded=False, taken=taken)
        resets_in_ms = max(math.ceil(rolling.resets_in_s(now) * 1000), _SHORTEST_RESET_MS)
        return Allowance(rolling.limit, 0, resets_in_ms, exceeded=True, taken=0)
