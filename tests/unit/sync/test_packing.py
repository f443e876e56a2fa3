"""Packing that does not get on is told once, and at once where another night will not help."""

from __future__ import annotations

from typing import Any, cast

import pytest
from click.testing import CliRunner

from alpha.commands.rollups import rollups
from alpha.ledger.connection import Connection, LedgerUnavailable
from alpha.ledger.rollups import IndexTakesTooLong
from alpha.service.alerts import AlertWriter
from trade_sync_service import packing
from trade_sync_service.packing import NightlyPacking

LEDGER = cast("Connection", None)
TOO_LONG = IndexTakesTooLong("an index of a month of fills is not made anew within 5 s, for which recording waits")
PASSING = LedgerUnavailable("PostgreSQL did not finish: canceling statement due to lock timeout")


class Told:
    def __init__(self) -> None:
        self.alerts: list[tuple[str, str]] = []

    def alert(self, kind: str, text: str, **_: Any) -> None:
        self.alerts.append((kind, text))


def nights(monkeypatch: pytest.MonkeyPatch, *came_of_it: LedgerUnavailable | int) -> list[int]:
    """After which of the nights, counted from 1, something was told; a night ends with a failure or so many indexes."""
    told = Told()
    job = NightlyPacking(cast("AlertWriter", told))
    after = []
    for night, outcome in enumerate(came_of_it, 1):

        def pack(_: Connection, outcome: LedgerUnavailable | int = outcome) -> int:
            if isinstance(outcome, LedgerUnavailable):
                raise outcome
            return outcome

        monkeypatch.setattr(packing, "pack_indexes", pack)
        before = len(told.alerts)
        job.run(LEDGER)
        after += [night] * (len(told.alerts) - before)
        for kind, text in told.alerts[before:]:
            assert kind == "indexes_not_packed"
            assert str(outcome) in text
    return after


def test_an_index_that_takes_too_long_is_told_the_first_night_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert nights(monkeypatch, TOO_LONG, TOO_LONG, TOO_LONG, PASSING, PASSING) == [1]


def test_another_index_that_takes_too_long_is_told_the_night_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    both = IndexTakesTooLong("two indexes of months of fills are not made anew within 5 s")
    assert nights(monkeypatch, TOO_LONG, both, TOO_LONG, both) == [1, 2]


def test_what_passes_is_told_the_third_night_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    assert nights(monkeypatch, PASSING, PASSING, 0, PASSING, PASSING, PASSING, PASSING) == [6]


def test_after_a_night_that_went_well_it_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert nights(monkeypatch, TOO_LONG, 3, TOO_LONG) == [1, 3]


def test_a_limit_of_time_for_a_month_by_name_is_refused_since_it_would_not_be_kept() -> None:
    refused = CliRunner().invoke(rollups, ["pack", "--month", "2026-10", "--within", "5"])
    assert (refused.exit_code, "goes without --within" in refused.output) == (2, True)
