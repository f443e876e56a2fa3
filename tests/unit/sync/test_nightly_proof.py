"""A proof that cannot be made is told and tried again, however well the account is compared."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from alpha.domain.ids import AccountName
from alpha.exchange.errors import ExchangeUnreachable
from alpha.ledger.connection import LedgerUnavailable
from trade_sync_service.nightly_proof import NightlyProof

MAIN = AccountName("main")


class Later:
    """A timetable that is read and not waited for."""

    def __init__(self) -> None:
        self.waiting: dict[str, tuple[timedelta, Callable[[], object]]] = {}

    def once(self, name: str, work: Callable[[], object], *, after: timedelta) -> None:
        self.waiting[name] = (after, work)

    def run_all(self) -> int:
        """Everything that is due, until nothing is; how often that was."""
        count = 0
        while self.waiting:
            _, (_, work) = self.waiting.popitem()
            work()
            count += 1
        return count


class Told:
    def __init__(self) -> None:
        self.alerts: list[tuple[str, str]] = []

    def alert(self, kind: str, text: str, **_: Any) -> None:
        self.alerts.append((kind, text))


class Worker:
    """An account that is compared without trouble, unless told otherwise."""

    name = MAIN

    def __init__(self, failure: str | None = None) -> None:
        self.failure = failure

    def run(self, *, until: datetime | None = None, after: Callable[[Any], None] | None = None) -> Any:  # noqa: ARG002
        done = SimpleNamespace(ok=self.failure is None, failure=self.failure and SimpleNamespace(text=self.failure))
        if after is not None and done.ok:
            after(None)
        return done


def nightly(worker: Worker, judge: Callable[..., None]) -> tuple[NightlyProof, Later, Told]:
    later, told = Later(), Told()
    workers: dict[AccountName, Any] = {MAIN: worker}
    return NightlyProof(workers, later, None, told, judge=judge), later, told  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [
        LedgerUnavailable("canceling statement due to statement timeout"),
        ExchangeUnreachable("no answer", operation="tests"),
        KeyError("x"),
    ],
)
def test_a_proof_that_cannot_be_made_is_told_and_tried_again_for_some_hours(error: Exception) -> None:
    def judge(*_: Any) -> None:
        raise error

    proof, later, told = nightly(Worker(), judge)
    proof.run()
    ((kind, text),) = told.alerts
    assert kind == "proof_not_made"
    assert "could not be judged (1 of 5 times)" in text
    assert later.run_all() == 4
    assert told.alerts[-1][1].endswith("tried again tomorrow, see alpha proof")
    assert len(told.alerts) == 5


def test_an_account_that_was_not_compared_is_not_judged_and_that_is_told() -> None:
    judged: list[object] = []
    proof, later, told = nightly(Worker("the key is no more"), lambda *_: judged.append(1))
    proof.run()
    assert judged == []
    assert "the key is no more; tried again in" in told.alerts[0][1]
    assert later.waiting


def test_after_one_that_could_be_made_there_is_nothing_to_do() -> None:
    failing = [LedgerUnavailable("away")]

    def judge(*_: Any) -> None:
        if failing:
            raise failing.pop()

    proof, later, told = nightly(Worker(), judge)
    proof.run()
    assert later.run_all() == 1
    assert len(told.alerts) == 1
