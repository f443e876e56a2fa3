"""What stands between a client and the REST routes: maintenance, the address's limit and the account's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from http import HTTPStatus

import orjson

from alpha.domain.ids import AccountName
from paper_exchange.accounts import ExchangeAccount
from paper_exchange.engine import Refused
from paper_exchange.faults.requests import AnsweredInstead
from paper_exchange.faults.schedule import ArmedFault
from paper_exchange.server.envelope import refusal
from paper_exchange.server.faults import Faults
from paper_exchange.server.http_message import Answer, Request
from paper_exchange.server.rate_limits import (
    PER_SECOND,
    TOO_MANY_VISITS,
    TOO_MANY_VISITS_TEXT,
    Allowance,
    RateLimits,
)
from paper_exchange.server.wall_clock import WallClock

_TEXTS = {
    "10006": TOO_MANY_VISITS_TEXT,
    "10016": "Internal System Error.",
    "10000": "Server Timeout",
    "403": "access too frequent",
}
_HTTP_STATUS_BELOW = 1000
_RESET_MS = 1000


class RestGuard:
    """Asked by every request. `limits` are in force for ever, beside those of faults."""

    def __init__(self, clock: WallClock, limits: RateLimits | None, faults: Faults | None) -> None:
        self._clock = clock
        self._limits = limits
        self._faults = faults

    def check_maintenance(self) -> None:
        """Raises AnsweredInstead while there is maintenance."""
        if self._faults is not None and self._faults.are_armed:
            answer = self._faults.requests.maintenance()
            if answer is not None:
                raise AnsweredInstead(answer)

    def admit(self, request: Request) -> None:
        """Raises AnsweredInstead (403) for an address that asks too often."""
        if self._limits is None and (self._faults is None or not self._faults.are_armed):
            return
        now = asyncio.get_running_loop().time()
        for armed, limits in self._in_force(None):
            if not limits.admits(request.peer, now):
                if armed is not None:
                    armed.count()
                raise AnsweredInstead("403")

    def allow(self, request: Request, account: ExchangeAccount, units: int) -> int:
        """How many of so many orders may pass (another request counts as one of them).

        Leaves the headers of the limit with the request. Raises Refused (10006) when it is reached.
        """
        if self._limits is None and (self._faults is None or not self._faults.are_armed):
            return units
        granted = units
        now = asyncio.get_running_loop().time()
        tightest: Allowance | None = None
        for armed, limits in self._in_force(account.name):
            allowance = limits.take(account.uid, request.path, now, units)
            if allowance is None:
                continue
            granted = min(granted, allowance.taken)
            if armed is not None:
                armed.injected += 1
                armed.hit += allowance.exceeded
            if tightest is None or (allowance.exceeded, -allowance.remaining) > (
                tightest.exceeded,
                -tightest.remaining,
            ):
                tightest = allowance
        if tightest is not None:
            request.limit_headers = tightest.headers(self._clock.now_ms())
            if tightest.exceeded:
                raise Refused(TOO_MANY_VISITS, TOO_MANY_VISITS_TEXT)
        return granted

    def instead(self, answer: str, path: str) -> Answer:
        """The answer of a fault: a retCode in Bybit's envelope, or what a gateway says with an HTTP status."""
        if int(answer) < _HTTP_STATUS_BELOW:
            status = HTTPStatus(int(answer))
            text = _TEXTS.get(answer, status.phrase)
            page = f"<html><head><title>{status} {text}</title></head><body>{text}</body></html>"
            return Answer(body=page.encode(), status=status, content_type="text/html; charset=utf-8")
        now_ms = self._clock.now_ms()
        headers = {}
        if int(answer) == TOO_MANY_VISITS:
            headers = Allowance(PER_SECOND.get(path, 10), 0, _RESET_MS, exceeded=True).headers(now_ms)
        body = orjson.dumps(refusal(int(answer), _TEXTS[answer], now_ms))
        return Answer(body=body, headers=headers)

    def _in_force(self, account: AccountName | None) -> Iterator[tuple[ArmedFault | None, RateLimits]]:
        if self._limits is not None:
            yield None, self._limits
        if self._faults is not None and self._faults.are_armed:
            yield from self._faults.rate_limits(account)
