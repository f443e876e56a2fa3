"""The nightly job: days that are over are judged once, what cannot be proven is told, and judged again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta

import pytest

from alpha.ledger.alerts import alerts_after
from alpha.ledger.connection import connect
from alpha.ledger.coverage import CoverageKind, add_interval
from alpha.ledger.proofs import add_proofs, newest_proofs
from alpha.proof.nightly import prove_closed_days
from alpha.proof.rows import rows_of
from alpha.service.alerts import AlertWriter
from tests.integration.proof.scene import ACCOUNT, OWNERS, Scene

CLOSED = [date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7)]


@pytest.fixture
def alerts(traded: Scene) -> Iterator[AlertWriter]:
    writer = AlertWriter(traded.database.dsn("sync_writer"), None, "trade_sync_service")
    yield writer
    writer.close()


def a_night(scene: Scene, alerts: AlertWriter) -> list[date]:
    """Which days were judged."""
    proofs = prove_closed_days(scene.client, scene.sync, scene.refresh, symbols=OWNERS, alerts=alerts, settle_s=0.0)
    return [day.day for proof in proofs for day in proof.days]


def test_each_day_that_is_over_is_judged_once(traded: Scene, alerts: AlertWriter) -> None:
    assert a_night(traded, alerts) == CLOSED
    stored = newest_proofs(traded.sync, ACCOUNT)
    assert [(row.day, row.proven, row.judged_by) for row in stored] == [(day, True, "nightly") for day in CLOSED]
    # the next night there is nothing left but days that are not over
    assert a_night(traded, alerts) == []


def test_a_day_that_is_not_proven_is_told_and_judged_again(traded: Scene, alerts: AlertWriter) -> None:
    # given a gap in the second day
    start = traded.began + timedelta(days=1, hours=3)
    add_interval(traded.ledger, ACCOUNT, CoverageKind.UNPROVEN, start, start + timedelta(minutes=5), detail="tests")
    assert a_night(traded, alerts) == CLOSED
    assert alerts.flush(10)
    with closing(connect(traded.database.dsn("reader"), "tests")) as reader:
        (told,) = [alert for _, alert in alerts_after(reader, 0)]
    assert (told.kind, told.severity, told.account) == ("proof_failed", "error", ACCOUNT)
    assert "2026-01-06 is not proven: coverage: " in told.text
    assert told.text.endswith("see alpha proof --account canary --day 2026-01-06")
    # when the listener has read it again, the next night proves it
    add_interval(traded.ledger, ACCOUNT, CoverageKind.PROVEN, start, start + timedelta(minutes=5))
    assert a_night(traded, alerts) == [CLOSED[1]]
    assert all(row.proven for row in newest_proofs(traded.sync, ACCOUNT))


def test_a_day_judged_before_it_was_over_is_judged_again(traded: Scene, alerts: AlertWriter) -> None:
    noon = traded.began + timedelta(days=2, hours=12)
    add_proofs(traded.sync, rows_of(traded.prove(until=noon), by="tests"))
    assert a_night(traded, alerts) == [CLOSED[2]]
