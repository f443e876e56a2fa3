"""What an exchange can do to a comparison: each has a defined end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from alpha.domain.clock import to_ms
from alpha.domain.fill import Attribution, AttributionMethod
from alpha.domain.order import Order, OrderStatus
from alpha.domain.reason import Reason
from alpha.exchange.parse import parse_fill, parse_order
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.account_log import log_between
from alpha.ledger.completed_trades import completed_between
from alpha.ledger.connection import Connection, LedgerRefused, connect, transaction
from alpha.ledger.coverage import CoverageKind, add_interval, intervals
from alpha.ledger.drift import DriftKind, open_drift
from alpha.ledger.fill_rows import FillSource, HeardFill
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import take_account
from alpha.ledger.orders import upsert_orders
from alpha.ledger.sync_status import SyncTask, SyncWindow, statuses
from alpha.service.alerts import AlertWriter
from tests.integration.client.conftest import ACCOUNT, client, stub
from tests.integration.client.stub_exchange import StubExchange, refusal
from tests.integration.sync.scene import QUICK
from tests.integration.sync.told import CLOSED, LOG, Told, closed_row, entry
from tests.support import Database
from tests.unit.exchange.wire import execution, order
from trade_sync_service.account_sync import AccountSync, sync_account, sync_past
from trade_sync_service.causes import Cause
from trade_sync_service.comparison import SyncTiming

__all__ = ["client", "stub"]

TIMING = SyncTiming(settle_s=0.05, overlap=timedelta(hours=1), reach=QUICK.reach)


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def told(stub: StubExchange) -> Told:
    return Told(stub)


@pytest.fixture
def ledger(database: Database) -> Iterator[Connection]:
    with closing(connect(database.dsn("sync_writer"), "tests")) as connection:
        yield connection


@pytest.fixture
def alerted(database: Database, ledger: Connection) -> Iterator[Callable[[], list[str]]]:
    """Kinds of the alerts written so far."""
    writer = AlertWriter(database.dsn("sync_writer"), None, "tests")

    def kinds() -> list[str]:
        assert writer.flush(5)
        with transaction(ledger) as cursor:
            cursor.execute("SELECT kind FROM trading.alerts ORDER BY id")
            return [kind for (kind,) in cursor.fetchall()]

    kinds.writer = writer  # type: ignore[attr-defined]
    yield kinds
    writer.close()


@pytest.fixture
def sync(
    told: Told,  # noqa: ARG001
    client: ExchangeClient,
    ledger: Connection,
    alerted: Callable[[], list[str]],
) -> Callable[[], AccountSync]:
    return lambda: sync_account(client, ledger, alerts=alerted.writer, timing=TIMING)  # type: ignore[attr-defined]


def closing_order(status: OrderStatus, created: datetime, updated: datetime) -> Order:
    """The order of `closed_row`, as the listener has stored it."""
    wire = order(
        orderId="closing-order",
        orderLinkId="",
        side="Sell",
        orderType="Limit",
        qty="0.010",
        cumExecQty="0.010",
        orderStatus=status.value,
        createdTime=str(to_ms(created)),
        updatedTime=str(to_ms(updated)),
    )
    return parse_order(wire, ACCOUNT, "linear")


def closing_fill(at: datetime, quantity: str, *, n: int) -> HeardFill:
    """A fill of that order, which closes all that it fills."""
    wire = execution(
        orderId="closing-order",
        orderLinkId="",
        side="Sell",
        execId=f"closing-{n}",
        execTime=str(to_ms(at)),
        execQty=quantity,
        closedSize=quantity,
        seq=n,
    )
    return HeardFill(
        fill=parse_fill(wire, ACCOUNT),
        attribution=Attribution(bot=None, reason=Reason.MANUAL, method=AttributionMethod.NONE),
        source=FillSource.RECOVERY,
        received_at=at,
    )


def stored(ledger: Connection, now: datetime) -> list[str]:
    return [each.log_id for each in log_between(ledger, ACCOUNT, now - timedelta(days=9), now + timedelta(days=1))]


def test_a_page_that_shifts_while_it_is_read_loses_nothing(
    told: Told, sync: Callable[[], AccountSync], ledger: Connection, now: datetime
) -> None:
    # given two pages by number of rows, and ten more entries at the head once the first page was read
    balance = 1000
    for number in range(80):
        balance -= 1
        told.enter(now - timedelta(minutes=200 - number), "-1", str(balance), log_id=f"old-{number:02}")
    told.by_offset = True
    told.between_pages = [
        entry(now - timedelta(minutes=10 - n), "-1", str(balance - 1 - n), log_id=f"new-{n}") for n in range(10)
    ]
    # when it is read, and again an hour's overlap later
    first = sync()
    second = sync()
    # then the rows that were told twice are there once, those that came meanwhile too, and no balance jumps
    assert (first.ok, second.ok) == (True, True)
    assert stored(ledger, now) == [f"old-{n:02}" for n in range(80)] + [f"new-{n}" for n in range(10)]
    assert open_drift(ledger) == []


def test_an_account_that_was_reset_is_a_jump_that_a_person_is_told_of(
    told: Told, sync: Callable[[], AccountSync], ledger: Connection, now: datetime, alerted: Callable[[], list[str]]
) -> None:
    told.enter(now - timedelta(minutes=30), "-5", "995", log_id="a")
    assert sync().findings == 0
    # given a reset: the balance begins anew
    told.enter(now - timedelta(minutes=5), "-1", "49999", log_id="b")
    done = sync()
    assert done.findings == 1
    (found,) = open_drift(ledger)
    assert found.finding.kind is DriftKind.BALANCE
    assert found.finding.detail["unexplained"] == "49005"
    assert not found.finding.blocks_entries
    # told once, however often it is seen again
    sync()
    assert alerted() == ["balance_jump"]


def test_a_past_that_is_gone_or_changed_is_told(
    told: Told, sync: Callable[[], AccountSync], ledger: Connection, now: datetime, alerted: Callable[[], list[str]]
) -> None:
    told.enter(now - timedelta(minutes=30), "-5", "995", log_id="a")
    told.enter(now - timedelta(minutes=20), "-5", "990", log_id="b")
    sync()
    told.log = [entry(now - timedelta(minutes=30), "-7", "995", log_id="a")]
    assert sync().findings == 2
    assert {each.finding.subject for each in open_drift(ledger)} == {"log entry a", "log entries gone"}
    assert alerted() == ["account_log_changed"]
    # what was told first stays
    assert [each.change for each in log_between(ledger, ACCOUNT, now - timedelta(days=1), now)] == [Decimal(-5)] * 2


def test_an_entry_that_cannot_be_read_stops_the_log_and_nothing_else(
    told: Told, sync: Callable[[], AccountSync], ledger: Connection, now: datetime
) -> None:
    told.enter(now - timedelta(minutes=30), "-5", "995", log_id="a")
    told.enter(now - timedelta(minutes=20), "many", "990", log_id="b")
    done = sync()
    failed = {task.task: task.failure.cause for task in done.tasks if task.failure is not None}
    assert failed == {SyncTask.ACCOUNT_LOG: Cause.UNREADABLE}
    # what could be read is stored, and the window stays open until all of it can be
    assert stored(ledger, now) == ["a"]
    (row,) = [each for each in statuses(ledger) if not each.ok]
    assert (row.through, row.complete, row.failures) == (None, False, 1)
    told.log[1] |= {"change": "-5", "cashFlow": "-5"}
    assert sync().ok
    assert stored(ledger, now) == ["a", "b"]


def test_a_market_clock_that_goes_back_is_a_clear_error(
    told: Told, sync: Callable[[], AccountSync], ledger: Connection
) -> None:
    assert sync().ok
    told.ahead_s = -5 * 3600
    done = sync()
    assert {task.failure.cause for task in done.tasks if task.failure} == {Cause.MARKET_SET_BACK}
    assert "lost its past" in next(task.failure.text for task in done.tasks if task.failure)
    assert any(each.cause == "market_set_back" for each in statuses(ledger))
    told.ahead_s = 0
    assert sync().ok


@pytest.mark.parametrize(
    ("code", "ahead_s", "cause", "words"),
    [
        (33004, 0, Cause.KEY_EXPIRED, "has expired: make a new one"),
        (10003, 0, Cause.WRONG_ENVIRONMENT, "of another environment; check ALPHA_MODE"),
        (10002, -7, Cause.CLOCK, "clock is 7.0 s ahead of the exchange's"),
    ],
)
def test_the_cause_of_a_refusal_is_named(
    told: Told,
    stub: StubExchange,
    sync: Callable[[], AccountSync],
    ledger: Connection,
    code: int,
    ahead_s: float,
    cause: Cause,
    words: str,
) -> None:
    told.ahead_s = ahead_s
    stub.rest["/v5/user/query-api"] = lambda _: refusal(code, "no")
    done = sync()
    assert done.failure is not None
    assert done.failure.cause is cause
    assert words in done.failure.text.replace("7.1 s", "7.0 s")
    # nothing else was asked: it would be refused as well
    assert not any(request.path in (LOG, CLOSED) for request in stub.received)
    sync()
    (row,) = [each for each in statuses(ledger) if not each.ok]
    assert (row.task, row.failures, row.cause) == (SyncTask.KEY, 2, cause.value)


def test_closed_pnl_grows_with_its_order_and_never_shrinks(
    told: Told, sync: Callable[[], AccountSync], ledger: Connection, now: datetime
) -> None:
    created = now - timedelta(minutes=40)

    def rows() -> list[tuple[object, ...]]:
        with transaction(ledger) as cursor:
            cursor.execute("SELECT side, closed_quantity, closed_pnl, updated_at FROM trading.completed_trades")
            return cursor.fetchall()

    told.closed = [closed_row(created, now - timedelta(minutes=30), "0.004", "0.40")]
    assert sync().ok
    told.closed = [closed_row(created, now - timedelta(minutes=5), "0.010", "1.00")]
    assert sync().ok
    grown = [("Sell", Decimal("0.010"), Decimal("1.00"), now - timedelta(minutes=5))]
    assert rows() == grown
    # a copy that is older says nothing new
    told.closed = [closed_row(created, now - timedelta(minutes=30), "0.004", "0.40")]
    assert sync().ok
    assert rows() == grown


@pytest.mark.parametrize("status", [OrderStatus.FILLED, OrderStatus.CANCELLED])
def test_closed_pnl_of_an_order_that_ended_between_two_comparisons_is_read_again(
    database: Database,
    told: Told,
    stub: StubExchange,
    sync: Callable[[], AccountSync],
    ledger: Connection,
    now: datetime,
    status: OrderStatus,
) -> None:
    # given an order that began to close hours ago, and was seen to
    created, ended = now - timedelta(hours=5), now - timedelta(minutes=5)
    told.closed = [closed_row(created, created, "0.004", "0.40")]
    assert sync().ok
    # when it closes more and is over by the next comparison
    told.closed = [closed_row(created, ended, "0.010", "1.00")]
    with closing(connect(database.dsn("ledger_writer"), "tests")) as listener:
        upsert_orders(listener, [(closing_order(status, created, ended), None)])
        FillRecorder(listener, {ACCOUNT: take_account(listener, ACCOUNT, "tests")}).record(
            [closing_fill(created, "0.004", n=1), closing_fill(ended, "0.006", n=2)]
        )
    assert sync().ok
    # then its row is told again, though it was created long before
    rows = completed_between(ledger, ACCOUNT, now - timedelta(days=1), now)
    assert [(row.closed_quantity, row.closed_pnl) for row in rows] == [(Decimal("0.010"), Decimal("1.00"))]
    # and not for ever
    stub.received.clear()
    assert sync().ok
    (request,) = [request for request in stub.received if request.path == CLOSED]
    assert int(request.query["startTime"]) > to_ms(created)


def test_the_past_is_asked_for_as_far_back_as_the_exchange_keeps_it_now(
    told: Told, stub: StubExchange, client: ExchangeClient, ledger: Connection, now: datetime
) -> None:
    # given an exchange that keeps a week, and a first contact of three days ago
    timing = SyncTiming(settle_s=0.05, overlap=timedelta(hours=1), reach=timedelta(days=7))
    told.enter(now - timedelta(days=5), "1000", "1000", log_id="kept")
    seen: list[SyncWindow] = []
    # when the month before it is asked for
    report = sync_past(
        client,
        ledger,
        tuple(SyncTask(name) for name in ("account_log", "closed_pnl", "executions")),
        now - timedelta(days=33),
        now - timedelta(days=3),
        timing=timing,
        on_window=lambda task, window: seen.append(window) if task is SyncTask.ACCOUNT_LOG else None,
    )
    # then no question reaches further back than a week from now, and what is kept is there
    assert report.ok
    asked = [int(request.query["startTime"]) for request in stub.received if "startTime" in request.query]
    assert asked
    assert min(asked) >= to_ms(now - timedelta(days=7))
    assert stored(ledger, now) == ["kept"]
    # and every window was passed, as somebody follows them
    assert len(seen) >= 5


def test_a_closing_quantity_of_nothing_is_refused(told: Told, sync: Callable[[], AccountSync], now: datetime) -> None:
    told.closed = [closed_row(now - timedelta(minutes=40), now, "-0.004", "0.40")]
    (failed,) = [task for task in sync().tasks if task.failure is not None]
    assert failed.task is SyncTask.CLOSED_PNL
    assert "a closing order closes something" in (failed.failure.text if failed.failure else "")


def test_executions_that_the_exchange_does_not_know_any_more_are_one_finding(
    database: Database, sync: Callable[[], AccountSync], ledger: Connection, now: datetime
) -> None:
    # given two fills in a ledger that is proven, and an exchange that lists nothing at all
    with closing(connect(database.owner, "tests")) as owner, transaction(owner) as cursor:
        for number in range(2):
            cursor.execute(
                "INSERT INTO trading.fills (account, category, symbol, exec_id, exec_time, seq, exec_type, side, price,"
                " quantity, notional, fee, fee_rate, fee_currency, is_maker, closed_quantity, leaves_quantity,"
                " order_id, order_link_id, order_type, create_type, stop_order_type, reason, attribution, position_idx,"
                " source, received_at, recorded_at) VALUES (%s, 'linear', 'BTCUSDT', %s, %s, 1, 'Trade', 'Buy', 1, 1,"
                " 1, 0, 0, 'USDT', false, 0, 0, 'o', '', 'Market', '', '', 'manual', 'unattributed', 0, 'stream',"
                " now(), now())",
                (ACCOUNT, f"e-{number}", now - timedelta(minutes=30 - number)),
            )
        add_interval(owner, ACCOUNT, CoverageKind.PROVEN, now - timedelta(minutes=50), now)
    done = sync()
    (task,) = [task for task in done.tasks if task.task is SyncTask.EXECUTIONS]
    assert "lists none of the 2 fills" in task.detail
    (found,) = open_drift(ledger)
    assert (found.finding.kind, found.finding.subject) == (DriftKind.EXTRA_FILL, "history")
    assert found.finding.blocks_entries


def test_what_is_missing_in_a_gap_of_coverage_waits_for_the_listener(
    database: Database, told: Told, sync: Callable[[], AccountSync], ledger: Connection, now: datetime
) -> None:
    # given a stretch that nobody has proven yet between two that are, and an execution in each of the first two
    minutes = {name: now - timedelta(minutes=minute) for name, minute in (("proven", 45), ("gap", 30))}
    told.executions = [
        execution(execId=name, execTime=str(to_ms(at)), orderId=f"o-{name}") for name, at in minutes.items()
    ]
    with closing(connect(database.dsn("ledger_writer"), "tests")) as listener:
        for start, end in ((50, 40), (20, 0)):
            add_interval(
                listener,
                ACCOUNT,
                CoverageKind.PROVEN,
                now - timedelta(minutes=start),
                now - timedelta(minutes=end),
                detail=f"until {end}",
            )
    # when it is compared
    done = sync()
    # then only the one whose time was proven is a finding, and the comparison goes on from the gap the next time
    (task,) = [task for task in done.tasks if task.task is SyncTask.EXECUTIONS]
    assert (task.findings, task.through) == (1, minutes["gap"])
    assert "1 executions wait for the listener" in task.detail
    assert [each.finding.subject for each in open_drift(ledger)] == ["proven"]
    (doubt,) = [each for each in intervals(ledger, ACCOUNT) if each.kind is CoverageKind.UNPROVEN]
    assert doubt.start < minutes["proven"] < doubt.end < minutes["gap"]
    (row,) = [each for each in statuses(ledger) if each.task is SyncTask.EXECUTIONS]
    assert (row.through, row.complete) == (minutes["gap"], False)


def test_the_log_of_an_account_cannot_be_changed(
    told: Told, sync: Callable[[], AccountSync], database: Database, now: datetime
) -> None:
    told.enter(now - timedelta(minutes=30), "-5", "995", log_id="a")
    sync()
    with closing(connect(database.owner, "tests")) as owner:
        for statement in ("UPDATE trading.account_log SET change = 0", "DELETE FROM trading.account_log"):
            with pytest.raises(LedgerRefused), transaction(owner) as cursor:
                cursor.execute(statement)
