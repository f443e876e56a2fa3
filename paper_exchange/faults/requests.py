"""What happens to a REST request: cut off, refused, answered late or with less than there is."""

from __future__ import annotations

from typing import Any

from alpha.domain.ids import AccountName
from paper_exchange.faults.fault import FaultKind
from paper_exchange.faults.schedule import ArmedFault, Schedule

_NEVER_TOOK_EFFECT = frozenset({"10006", "403"})


class ConnectionCut(Exception):
    """The request's connection is to be cut instead of an answer."""


class AnsweredInstead(Exception):
    """Something else is answered: a retCode of five digits, or an HTTP status of three."""

    def __init__(self, answer: str) -> None:
        super().__init__(answer)
        self.answer = answer


class RequestFaults:
    """Decides for each request. A repeated request is a new one: its draw is another."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def of(self, path: str, account: AccountName | None, subject: str) -> OneRequest:
        """`subject` tells requests to one path apart where they can be, by their orderLinkId; else it is empty."""
        return OneRequest(self._schedule, path, account, subject)

    def came_at_another_time(self) -> None:
        """A request was refused for its time stamp: while the clock is wrong on purpose, for that."""
        for skewed in self._schedule.active(FaultKind.CLOCK_SKEW, None):
            skewed.count()

    def maintenance(self) -> str | None:
        """The answer to everything while there is maintenance, None while there is none."""
        for armed in self._schedule.active(FaultKind.MAINTENANCE, None):
            armed.count()
            return armed.fault.answer or ("10016" if armed.draws.fraction("answer", armed.hit) < 0.5 else "503")
        return None


class OneRequest:
    """What one request meets, asked before and after its work."""

    __slots__ = ("_account", "_error", "_path", "_schedule", "_subject")

    def __init__(self, schedule: Schedule, path: str, account: AccountName | None, subject: str) -> None:
        self._schedule = schedule
        self._path = path
        self._account = account
        self._subject = (account or "", path, subject)
        self._error: ArmedFault | None = None

    def before(self) -> None:
        """Raises ConnectionCut or AnsweredInstead for a request that shall have no effect."""
        cut = self._meets(FaultKind.REST_CUT_BEFORE)
        if cut is not None:
            cut.count()
            raise ConnectionCut
        self._error = self._meets(FaultKind.REST_ERROR)
        if self._error is not None and not self._takes_effect(self._error):
            self._fail(self._error)

    def after(self, content: dict[str, Any], *, is_get: bool) -> float:
        """Changes the answer in place and gives the seconds by which it is late.

        Raises ConnectionCut or AnsweredInstead for a request that took effect without its client hearing so.
        """
        if self._error is not None:
            self._fail(self._error)
        cut = self._meets(FaultKind.REST_CUT_AFTER)
        if cut is None and is_get and _is_last_page(content):
            cut = self._meets(FaultKind.REST_CUT_LAST_PAGE)
        if cut is not None:
            cut.count()
            raise ConnectionCut
        empty = self._meets(FaultKind.REST_EMPTY) if is_get else None
        if empty is not None and content["result"].get("list"):
            empty.count()
            content["result"] = _emptied(content["result"])
        late = self._meets(FaultKind.REST_LATE)
        if late is None:
            return 0.0
        late.count()
        return late.fault.by_s or 0.0

    def _fail(self, armed: ArmedFault) -> None:
        armed.count()
        raise AnsweredInstead(armed.fault.answer or "500")

    def _takes_effect(self, error: ArmedFault) -> bool:
        if error.fault.answer in _NEVER_TOOK_EFFECT:
            return False
        if error.fault.took_effect is not None:
            return error.fault.took_effect
        return error.draws.fraction("took effect", *self._subject, error.injected) < 0.5

    def _meets(self, kind: FaultKind) -> ArmedFault | None:
        for armed in self._schedule.active(kind, self._account):
            if (not armed.fault.paths or self._path in armed.fault.paths) and armed.happens_next(*self._subject):
                return armed
        return None


def _is_last_page(content: dict[str, Any]) -> bool:
    """Whether this ends a list that comes in pages and has anything in it, be it the only page."""
    result = content["result"]
    return bool(result.get("list")) and result.get("nextPageCursor") == ""


def _emptied(result: dict[str, Any]) -> dict[str, Any]:
    without = {**result, "list": []}
    if "nextPageCursor" in without:
        without["nextPageCursor"] = ""
    return without
