"""The faults at work: a script armed, timers for what begins and ends by itself, and the sockets taken away.

What shall happen to a message or a request is decided in `paper_exchange.faults`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from alpha.domain.ids import AccountName, ExecId
from paper_exchange.accounts import ExchangeAccount
from paper_exchange.faults.fault import SOCKET_KINDS, FaultKind
from paper_exchange.faults.gaps import Gaps
from paper_exchange.faults.lag import ExecutionLag
from paper_exchange.faults.messages import Message, MessageFaults
from paper_exchange.faults.requests import RequestFaults
from paper_exchange.faults.schedule import ArmedFault, Schedule
from paper_exchange.faults.script import Script
from paper_exchange.server.rate_limits import PER_IP, RateLimits
from paper_exchange.server.sockets import Socket
from paper_exchange.server.wall_clock import WallClock


class PrivateSockets(Protocol):
    """The private stream, as far as faults need it."""

    def owned(self) -> Mapping[Socket, ExchangeAccount]: ...

    def cut(self, socket: Socket) -> None: ...


class Faults:
    """Made once, with the server; costs nothing while no fault is armed (`are_armed` is False)."""

    def __init__(self, clock: WallClock) -> None:
        self._clock = clock
        # The event loop's clock as well, so that its timers and the windows agree.
        self._schedule = Schedule(time.monotonic)
        self._messages = MessageFaults(self._schedule)
        self._gaps = Gaps()
        self._held: dict[int, list[Socket]] = {}
        self._limits: dict[int, RateLimits] = {}
        self._timers: list[asyncio.TimerHandle] = []
        self.requests = RequestFaults(self._schedule)
        self.lag = ExecutionLag(self._schedule)
        self.are_armed = False

    def arm(self, script: Script, private: PrivateSockets) -> list[dict[str, Any]]:
        """Gives the rows of the report for the faults of this script."""
        self.are_armed = True
        armed = self._schedule.arm(script)
        loop = asyncio.get_running_loop()
        for one in armed:
            if one.fault.from_s:
                self._timers.append(loop.call_later(one.fault.from_s, self._begin, one, private))
            else:
                self._begin(one, private)
            self._timers.append(loop.call_later(one.fault.from_s + one.fault.for_s, self._finish, one, private))
        return self._schedule.rows(armed)

    def end_all(self, private: PrivateSockets) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for armed in self._schedule.end_all():
            self._finish(armed, private)

    def report(self) -> dict[str, Any]:
        return self._schedule.report()

    def authenticated(self, socket: Socket, account: ExchangeAccount, private: PrivateSockets) -> None:
        """A socket has become an account's: while its sockets are dropped it is as well."""
        for armed in self._schedule.active(FaultKind.DROP, account.name):
            self._take_away(armed, socket, account, private)

    def subscribed(self, socket: Socket, account: ExchangeAccount, private: PrivateSockets) -> None:
        """A socket has begun to listen, in the place of one that was taken away if there is one.

        A fault that found nobody when it began takes the first that comes.
        """
        self._gaps.closed(account.name)
        for kind in SOCKET_KINDS - {FaultKind.DROP}:
            for armed in self._schedule.active(kind, account.name):
                if not armed.injected:
                    self._take_away(armed, socket, account, private)

    def published(self, account: AccountName, topic: str, events: int, made: Iterable[ExecId]) -> None:
        """Something happened to an account, whether anybody listens or not. `made` are its executions."""
        self._gaps.missed(account, topic, events, self._schedule.now())
        self.lag.made(account, made)

    def sendings(self, message: Message) -> list[float]:
        return self._messages.sendings(message)

    def rate_limits(self, account: AccountName | None) -> list[tuple[ArmedFault, RateLimits]]:
        """The limits in force for an account; for None those that meet every request, by its address."""
        return [(armed, self._limits[armed.id]) for armed in self._schedule.active(FaultKind.RATE_LIMIT, account)]

    def _begin(self, armed: ArmedFault, private: PrivateSockets) -> None:
        self._schedule.begin(armed)
        fault = armed.fault
        if fault.kind in SOCKET_KINDS:
            for socket, account in list(private.owned().items()):
                if fault.meets(account.name) and (socket.topics or fault.kind is FaultKind.DROP):
                    self._take_away(armed, socket, account, private)
        elif fault.kind is FaultKind.RATE_LIMIT:
            self._limits[armed.id] = RateLimits(
                per_second=fault.limit, per_ip=fault.ip_limit or PER_IP, ban_s=fault.for_s
            )
        elif fault.kind is FaultKind.CLOCK_SKEW:
            self._skew_clock()
        elif fault.kind is FaultKind.MAINTENANCE:
            for socket in list(private.owned()):
                armed.count()
                private.cut(socket)

    def _finish(self, armed: ArmedFault, private: PrivateSockets) -> None:
        self._schedule.finish(armed)
        for socket in self._held.pop(armed.id, ()):
            private.cut(socket)
        self._limits.pop(armed.id, None)
        if armed.fault.kind is FaultKind.CLOCK_SKEW:
            self._skew_clock()

    def _skew_clock(self) -> None:
        skews = self._schedule.active(FaultKind.CLOCK_SKEW, None)
        self._clock.skew_ms = round(1000 * sum(armed.fault.by_s or 0.0 for armed in skews))

    def _take_away(self, armed: ArmedFault, socket: Socket, account: ExchangeAccount, private: PrivateSockets) -> None:
        if not armed.happens_next(account.name):
            return
        armed.count(0)
        if socket.topics:
            self._gaps.opened(armed, account.name, frozenset(socket.topics))
            socket.topics.clear()
        match armed.fault.kind:
            case FaultKind.DROP:
                private.cut(socket)
            case FaultKind.FREEZE:
                socket.freeze()
                self._held.setdefault(armed.id, []).append(socket)
            case FaultKind.HALF_CLOSE:
                socket.half_close()
                self._held.setdefault(armed.id, []).append(socket)
