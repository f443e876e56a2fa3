"""A degraded mode is named once, told when it lasts, and taken back."""

from __future__ import annotations

from typing import Any

import pytest

from alpha.service import degraded
from alpha.service.causes import Cause
from alpha.service.degraded import DegradedModes

FULL = 'PostgreSQL did not finish: could not extend file "base/1": No space left on device'


class Service:
    """Its troubles, and what it told."""

    def __init__(self) -> None:
        self.troubles: dict[str, str] = {}
        self.told: list[tuple[str, str]] = []
        self.modes = DegradedModes("tests", lambda: self.troubles, self)
        self.at_s = 100.0

    def alert(self, kind: str, text: str, *, severity: Any = "", **_: Any) -> None:  # noqa: ARG002
        self.told.append((kind, text))

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.told]

    @property
    def causes(self) -> list[str]:
        return [mode["cause"] for mode in self.modes.now()]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    found = Service()
    monkeypatch.setattr(degraded.time, "monotonic", lambda: found.at_s)
    return found


def test_it_is_in_status_at_once_with_what_to_do(service: Service) -> None:
    service.troubles["ledger"] = FULL
    service.modes.look()
    (mode,) = service.modes.now()
    assert (mode["part"], mode["cause"], mode["text"]) == ("ledger", "disk_full", FULL)
    assert mode["advice"] == Cause.DISK_FULL.advice
    assert service.told == []


def test_it_is_alerted_once_when_it_lasts_and_so_is_its_end(service: Service) -> None:
    service.troubles["ledger"] = FULL
    for service.at_s in (100.0, 102.0, 103.5, 110.0):
        service.modes.look()
    assert service.kinds == ["disk_full"]
    assert Cause.DISK_FULL.advice in service.told[0][1]
    service.troubles["ledger"] = ""
    service.modes.look()
    assert service.kinds == ["disk_full", "healed"]
    assert service.causes == []


def test_what_is_over_in_a_moment_is_not_told_to_anybody(service: Service) -> None:
    service.troubles["redis"] = "Redis: Connection refused"
    service.modes.look()
    service.troubles.clear()
    service.at_s += 10
    service.modes.look()
    assert service.told == []


def test_a_later_attempt_that_says_less_does_not_hide_the_cause(service: Service) -> None:
    service.troubles["redis"] = "Redis: OOM command not allowed when used memory > 'maxmemory'"
    service.modes.look()
    service.troubles["redis"] = "something closed"
    service.modes.look()
    assert service.causes == ["redis_full"]


def test_another_cause_of_the_same_part_is_told_too(service: Service) -> None:
    service.troubles["ledger"] = "PostgreSQL at 127.0.0.1:1 refused"
    service.modes.look()
    service.at_s += 5
    service.modes.look()
    service.troubles["ledger"] = FULL
    service.modes.look()
    assert service.kinds == ["ledger_away", "disk_full"]
