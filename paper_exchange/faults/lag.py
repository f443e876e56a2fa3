"""Executions that have happened and are not in execution/list yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from alpha.domain.ids import AccountName, ExecId
from paper_exchange.engine import Execution
from paper_exchange.faults.fault import FaultKind
from paper_exchange.faults.schedule import ArmedFault, Schedule


class _Made(NamedTuple):
    at: float
    account: AccountName
    exec_id: ExecId


class ExecutionLag:
    """Remembers when executions were made while a lag is armed; what was made before it is listed as ever."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._made: deque[_Made] = deque()

    def made(self, account: AccountName, exec_ids: Iterable[ExecId]) -> None:
        if self._schedule.pending(FaultKind.REST_LAG, account):
            now = self._schedule.now()
            self._made.extend(_Made(now, account, exec_id) for exec_id in exec_ids)

    def listed(self, account: AccountName) -> Callable[[Execution], bool]:
        """Whether an execution is shown by the answer that is being made; the answer counts when one is not."""
        if self._schedule.is_quiet:
            self._made.clear()
        hidden = self._hidden(account) if self._made else {}
        touched: set[int] = set()

        def is_listed(execution: Execution) -> bool:
            lag = hidden.get(execution.exec_id)
            if lag is None:
                return True
            if lag.id not in touched:
                touched.add(lag.id)
                lag.count()
            return False

        return is_listed

    def _hidden(self, account: AccountName) -> dict[ExecId, ArmedFault]:
        lags = list(self._schedule.active(FaultKind.REST_LAG, account))
        hidden: dict[ExecId, ArmedFault] = {}
        now = self._schedule.now()
        longest = max((lag.fault.by_s or 0.0 for lag in lags), default=0.0)
        for made in reversed(self._made):
            age = now - made.at
            if age >= longest:
                break
            if made.account == account:
                for lag in lags:
                    if age < (lag.fault.by_s or 0.0) and lag.happens(made.exec_id):
                        hidden[made.exec_id] = lag
        return hidden
