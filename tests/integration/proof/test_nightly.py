"""The nightly job: days that are over are judged once, what cannot be proven is told, and judged again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from typing import Any

import pytest

from alpha.ledger.alerts import alerts_after
from alpha.ledger.connection import connect
from alpha.ledger.coverage import CoverageKind, add_interval, mark_unproven
from alpha.ledger.proofs import add_proofs, newest_proofs
from alpha.proof.nightly import prove_closed_days, tell_missing
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


def test_a_doubt_withdraws_the_verdict_of_its_day_until_it_is_judged_again(traded: Scene, alerts: AlertWriter) -> None:
    assert a_night(traded, alerts) == CLOSED
    start = traded.began + timedelta(days=1, hours=3)
    mark_unproven(traded.sync, ACCOUNT, start, start + timedelta(hours=1), "3 executions are not in the ledger")
    assert [row.day for row in newest_proofs(traded.sync, ACCOUNT)] == [CLOSED[0], CLOSED[2]]
    assert a_night(traded, alerts) == [CLOSED[1]]
    # a verdict of not proven stands until there is a better one
    assert [row.proven for row in newest_proofs(traded.sync, ACCOUNT)] == [True, False, True]
    add_interval(traded.ledger, ACCOUNT, CoverageKind.PROVEN, start, start + timedelta(hours=1))
    assert a_night(traded, alerts) == [CLOSED[1]]
    assert all(row.proven for row in newest_proofs(traded.sync, ACCOUNT))


LATER = "SELECT * FROM {0} WHERE {1} BETWEEN '2026-01-06' AND '2026-01-06 23:59' LIMIT 1"


@pytest.mark.parametrize(
    "late",
    [
        "CREATE TEMPORARY TABLE late AS " + LATER.format("trading.fills", "exec_time") + "; UPDATE late SET"
        " exec_id = 'late', bot = NULL, bot_seq = NULL, attribution = 'unattributed', recorded_at = clock_timestamp();"
        " INSERT INTO trading.fills SELECT * FROM late",
        "CREATE TEMPORARY TABLE late AS " + LATER.format("trading.account_log", "at") + ";"
        " UPDATE late SET log_id = 'late', synced_at = clock_timestamp(), number = 1000000;"
        " INSERT INTO trading.account_log OVERRIDING SYSTEM VALUE SELECT * FROM late",
        "WITH f AS (" + LATER.format("trading.fills", "exec_time") + "), a AS (INSERT INTO trading.fill_assignments"
        " (account, category, symbol, exec_id, exec_time, bot, reason, by, why) SELECT account, category, symbol,"
        " exec_id, exec_time, 'canary_002', reason, 'tests', 'tests' FROM f RETURNING *)"
        " INSERT INTO trading.fill_owners (exec_id, symbol, account, category, exec_time, bot, reason, assignment)"
        " SELECT exec_id, symbol, account, category, exec_time, bot, reason, id FROM a",
    ],
    ids=["fill", "log entry", "owner"],
)
def test_what_is_recorded_of_a_day_later_withdraws_its_verdict(traded: Scene, alerts: AlertWriter, late: str) -> None:
    assert a_night(traded, alerts) == CLOSED
    traded.as_owner(late)
    assert [row.day for row in newest_proofs(traded.sync, ACCOUNT)] == [CLOSED[0], CLOSED[2]]


def test_a_yesterday_without_a_verdict_is_told_whatever_the_reason(traded: Scene) -> None:
    told: list[str] = []

    class Told:
        def alert(self, kind: str, text: str, **fields: Any) -> None:
            assert fields["account"] == ACCOUNT
            told.append(f"{kind}: {text}")

    def is_told() -> bool:
        return tell_missing(traded.sync, ACCOUNT, date(2026, 1, 8), Told())  # type: ignore[arg-type]

    assert is_told()
    (text,) = told
    assert text.startswith("proof_missing: canary 2026-01-07 has no verdict yet")
    # one of half the day is none
    add_proofs(traded.sync, rows_of(traded.prove(until=traded.began + timedelta(days=2, hours=12)), by="tests"))
    assert is_told()
    add_proofs(traded.sync, rows_of(traded.prove(), by="tests"))
    assert not is_told()
    # of the day before the first contact nobody expects one
    assert not tell_missing(traded.sync, ACCOUNT, date(2026, 1, 5), Told())  # type: ignore[arg-type]
