"""How many REST calls may be made and by whom: the exchange's limits, divided so that exits always find room.

https://bybit-exchange.github.io/docs/v5/rate-limit: 600 requests in 5 s per address over everything, answered with HTTP
403 and ten minutes of silence when exceeded; and per UID and path so many in a rolling second, answered with 10006.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Protocol

from alpha.domain.errors import InvalidValue
from alpha.domain.ids import AccountName


@unique
class Purpose(StrEnum):
    """What a call is for, which decides how much of a limit it may use."""

    EXIT = "exit"
    """Cancels, reducing orders, stops: whatever lowers risk."""
    ORDINARY = "ordinary"
    """What a bot or the listener needs now."""
    BACKGROUND = "background"
    """What can wait: recovery of the past, comparison, history."""


Shares = Mapping[Purpose, float]
"""Part of a limit that is kept for a purpose, 0 to 1; the sum stays below 1 and the rest is anybody's."""

# An address serves all bots: half of it is spoken for. Only changes can be exits; a read path has none to keep room
# for, but a bot's own question must not stand behind a recovery.
_ADDRESS_SHARES: Shares = {Purpose.EXIT: 0.2, Purpose.ORDINARY: 0.2, Purpose.BACKGROUND: 0.1}
_CHANGE_SHARES: Shares = {Purpose.EXIT: 0.3}
_READ_SHARES: Shares = {Purpose.ORDINARY: 0.1}


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `requests` within any `window_s` seconds."""

    requests: int
    window_s: float

    def __post_init__(self) -> None:
        if self.requests < 1 or self.window_s <= 0:
            raise InvalidValue(f"{self.requests} requests in {self.window_s} s is no limit")

    @property
    def with_margin(self) -> Limit:
        """A little less in a little longer: requests do not take equally long to arrive."""
        return Limit(max(1, math.floor(self.requests * 0.95)), self.window_s + 0.05)

    def part(self, share: float) -> Limit:
        """A share of it, at least one request."""
        return Limit(max(1, math.floor(self.requests * share)), self.window_s)


ADDRESS_LIMIT = Limit(600, 5.0)
_WINDOW_S = 1.0
_MOST_PER_S = 10_000
_DEFAULT_PER_S = 10
# Until an answer has told the limit. Classes above non-VIP get more, which X-Bapi-Limit says.
_PER_S: Mapping[str, int] = {
    "/v5/execution/list": 50,
    "/v5/order/realtime": 50,
    "/v5/order/history": 50,
    "/v5/position/list": 50,
    "/v5/position/closed-pnl": 50,
    "/v5/account/wallet-balance": 50,
    "/v5/account/transaction-log": 25,
    "/v5/account/fee-rate": 5,
}


@dataclass(frozen=True, slots=True)
class Call:
    """A request about to be made. `host` is where it goes; `account` is None for market data, which has no limit but
    the address's; `changes` says that it is no mere question."""

    host: str
    path: str
    account: AccountName | None
    purpose: Purpose
    changes: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """One limit that a call counts against: whose it is, how much, and what is kept of it for whom."""

    key: str
    limit: Limit
    shares: Shares

    @property
    def reserved(self) -> dict[Purpose, int]:
        """Requests kept for each purpose, in the order of `Purpose`. At least one is left for everybody."""
        kept = {purpose: math.ceil(self.limit.requests * self.shares.get(purpose, 0.0)) for purpose in Purpose}
        return kept if sum(kept.values()) < self.limit.requests else dict.fromkeys(Purpose, 0)


class Budget(Protocol):
    """Says when a call may be made. Implementations may be shared by the threads of a process."""

    def take(self, call: Call) -> float:
        """0.0: make the call now, it is counted. Else: seconds after which to ask again; nothing is counted."""

    def told(self, call: Call, limit: int) -> None:
        """The exchange's own word on the limit of the call's path per second (X-Bapi-Limit)."""

    def pause(self, call: Call, for_s: float, *, whole_address: bool) -> None:
        """The exchange said no: nothing more on this path, or from this address, for so long."""


class KnownLimits:
    """The scopes of each call, with the limits as the exchange last told them."""

    def __init__(self, address: Limit = ADDRESS_LIMIT) -> None:
        self._address = address.with_margin
        self._per_s: dict[tuple[str, AccountName, str], int] = {}

    def scopes(self, call: Call) -> tuple[Scope, ...]:
        address = Scope(f"{call.host}:address", self._address, _ADDRESS_SHARES)
        if call.account is None:
            return (address,)
        told = self._per_s.get((call.host, call.account, call.path))
        limit = Limit(told or _PER_S.get(call.path, _DEFAULT_PER_S), _WINDOW_S).with_margin
        shares = _CHANGE_SHARES if call.changes else _READ_SHARES
        return (address, Scope(f"{call.host}:{call.account}:{call.path}", limit, shares))

    def told(self, call: Call, limit: int) -> None:
        if call.account is not None and 1 <= limit <= _MOST_PER_S:
            self._per_s[(call.host, call.account, call.path)] = limit


class SlidingWindow:
    """The calls of the last window of one scope.

    A call passes when, counting it, what is still unused of the other purposes' shares fits as well. So no window ever
    holds more than the limit, and a purpose that has not used up its share always passes.
    """

    def __init__(self, scope: Scope) -> None:
        self._calls: deque[tuple[float, Purpose]] = deque()
        self._used = dict.fromkeys(Purpose, 0)
        self.scope = scope

    def wait_s(self, purpose: Purpose, at_s: float) -> float:
        """0.0 when a call passes now, else after how long another one will have left the window."""
        window_s = self.scope.limit.window_s
        while self._calls and self._calls[0][0] <= at_s - window_s:
            _, gone = self._calls.popleft()
            self._used[gone] -= 1
        kept = sum(
            max(0, share - self._used[other]) for other, share in self.scope.reserved.items() if other is not purpose
        )
        if len(self._calls) + kept < self.scope.limit.requests or not self._calls:
            return 0.0
        return max(self._calls[0][0] + window_s - at_s, 0.001)

    def count(self, purpose: Purpose, at_s: float) -> None:
        self._calls.append((at_s, purpose))
        self._used[purpose] += 1


class LocalBudget:
    """The budget of a process that knows nothing of the others: a share of each limit, by its own clock.

    As many processes as `1 / address_share` behind one address, and `1 / path_share` on one account, stay within the
    limits together; both are 1.0 for a process that is known to be alone.
    """

    def __init__(
        self,
        *,
        address_share: float = 0.1,
        path_share: float = 0.25,
        address: Limit = ADDRESS_LIMIT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address_share, self._path_share, self._clock = address_share, path_share, clock
        self._limits = KnownLimits(address)
        self._lock = threading.Lock()
        self._windows: dict[str, SlidingWindow] = {}
        self._paused_until: dict[str, float] = {}

    def take(self, call: Call) -> float:
        with self._lock:
            at_s = self._clock()
            address, *paths = self._limits.scopes(call)
            windows = [self._window(address, self._address_share)]
            windows += [self._window(path, self._path_share) for path in paths]
            wait_s = max(self._wait_s(window, call.purpose, at_s) for window in windows)
            if wait_s == 0.0:
                for window in windows:
                    window.count(call.purpose, at_s)
            return wait_s

    def told(self, call: Call, limit: int) -> None:
        with self._lock:
            self._limits.told(call, limit)

    def pause(self, call: Call, for_s: float, *, whole_address: bool) -> None:
        with self._lock:
            key = refused_scope(self._limits.scopes(call), whole_address=whole_address).key
            self._paused_until[key] = max(self._clock() + for_s, self._paused_until.get(key, 0.0))

    def _wait_s(self, window: SlidingWindow, purpose: Purpose, at_s: float) -> float:
        return max(window.wait_s(purpose, at_s), self._paused_until.get(window.scope.key, 0.0) - at_s, 0.0)

    def _window(self, scope: Scope, share: float) -> SlidingWindow:
        mine = Scope(scope.key, scope.limit.part(share), scope.shares)
        window = self._windows.setdefault(scope.key, SlidingWindow(mine))
        window.scope = mine
        return window


def refused_scope(scopes: tuple[Scope, ...], *, whole_address: bool) -> Scope:
    """What a refusal is about: the address, or the path where the call has a limit of its own."""
    return scopes[0] if whole_address else scopes[-1]
