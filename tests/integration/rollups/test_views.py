"""Every view and function against a history worked by hand, and every example of docs/database against the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from alpha.ledger.connection import Connection, connect, transaction
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import take_account
from alpha.ledger.reading import fills_after
from alpha.ledger.rollups import pack_indexes
from tests.integration.ledger.heard import MAIN
from tests.integration.rollups.days import a_week_later, rows
from tests.integration.rollups.history import FIRST_DAY, LONG, SHORT, record_history
from tests.support import Database

PAGES = sorted((Path(__file__).parents[3] / "docs" / "database").glob("*.md"))
EXAMPLES = [
    pytest.param(example, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, example in enumerate(re.findall(r"```sql\n(.*?)```", page.read_text(), re.DOTALL), 1)
]
DAY_ONE, DAY_TWO, DAY_THREE = date(2025, 10, 1), date(2025, 10, 2), date(2025, 10, 3)
D = Decimal


@pytest.fixture(scope="module")
def reader(module_database: Database) -> Iterator[Connection]:
    """A reader's connection, as through PgBouncer, to a ledger with the history. Nothing here writes."""
    with (
        closing(connect(module_database.dsn("ledger_writer"), "tests")) as writer,
        closing(connect(module_database.dsn("bot"), "tests")) as bot,
        closing(connect(module_database.dsn("sync_writer"), "tests")) as sync,
    ):
        record_history(writer, FillRecorder(writer, {MAIN: take_account(writer, MAIN, "tests")}), bot, sync)
        with closing(connect(module_database.owner, "tests")) as owner:
            a_week_later(owner)
        pack_indexes(sync)
    with closing(connect(module_database.dsn("reader"), "tests", pooled=True)) as connection:
        yield connection


def asked(connection: Connection, statement: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in rows(connection, statement)]


def test_days_and_months(reader: Connection) -> None:
    columns = "fills, volume, maker_volume, fees, funding, trades, wins, losses, gross_pnl, net_pnl, won, lost"
    days = asked(reader, f"SELECT day, {columns} FROM trading.bot_daily_performance WHERE bot = '{SHORT}' ORDER BY day")
    assert days == [
        # 200 + 210 + 2 * 190 + 3 * 200; 30 of price, 0.6 of fees on it, 0.4 more for the entry at 23:00
        (DAY_ONE, 4, D(1390), D(210), D("1.0"), D(0), 1, 1, 0, D(30), D("29.4"), D("29.4"), D(0)),
        # 3 * 206; -18 of price, 0.4 + 0.6 of fees, 0.5 - 0.2 of funding
        (DAY_TWO, 3, D(618), D(0), D("0.6"), D("0.3"), 1, 0, 1, D(-18), D("-18.7"), D(0), D("-18.7")),
        (DAY_THREE, 1, D(420), D(0), D("0.4"), D(0), 0, 0, 0, D(0), D(0), D(0), D(0)),
    ]
    month = f"SELECT month, {columns}, profit_factor, win_percent FROM trading.bot_monthly_performance"
    assert asked(reader, f"{month} WHERE bot = '{SHORT}'") == [
        (
            DAY_ONE, 8, D(2428), D(210), D("2.0"), D("0.3"), 2, 1, 1, D(12), D("10.7"), D("29.4"), D("-18.7"),
            # 29.4 / 18.7
            D("1.5722"), D("50.00"),
        )
    ]  # fmt: skip
    # the other bot: 200 of entry with 0.1, 110 of exit with 0.1, nothing closed
    both = "SELECT day, fills, volume, fees, net_pnl FROM trading.portfolio_daily_performance ORDER BY day"
    assert asked(reader, both) == [
        (DAY_ONE, 5, D(1590), D("1.1"), D("29.4")),
        (DAY_TWO, 4, D(728), D("0.7"), D("-18.7")),
        (DAY_THREE, 1, D(420), D("0.4"), D(0)),
    ]
    assert asked(reader, "SELECT month, fills, net_pnl FROM trading.portfolio_monthly_performance") == [
        (DAY_ONE, 10, D("10.7"))
    ]


def test_symbols(reader: Connection) -> None:
    found = asked(reader, "SELECT bot, symbol, fills, fees, net_pnl FROM trading.symbol_performance ORDER BY bot")
    assert found == [(LONG, "ETHUSDT", 2, D("0.2"), D(0)), (SHORT, "BTCUSDT", 8, D("2.0"), D("10.7"))]


def test_hours_and_weekdays_are_those_of_the_entry(reader: Connection) -> None:
    # entries at 10:00 and 23:00 of a Wednesday
    hours = "SELECT hour, trades, wins, net_pnl, fees, funding FROM trading.performance_by_hour ORDER BY hour"
    assert asked(reader, hours) == [
        (10, 1, 1, D("29.4"), D("0.6"), D(0)),
        (23, 1, 0, D("-18.7"), D("1.0"), D("0.3")),
    ]
    weekdays = "SELECT weekday, trades, net_pnl FROM trading.performance_by_weekday"
    assert asked(reader, weekdays) == [(3, 2, D("10.7"))]


def test_the_equity_curve_and_its_drawdown(reader: Connection) -> None:
    columns = "day, result, total, equity, peak, drawdown, drawdown_percent"
    assert asked(reader, f"SELECT {columns} FROM trading.equity_curve WHERE bot = '{SHORT}' ORDER BY day") == [
        # 30 - 1.0
        (DAY_ONE, D("29.0"), D("29.0"), D("1029.0"), D("29.0"), D(0), D(0)),
        # -18 - 0.6 + 0.3 = -18.3, which is 1.78 % of 1029
        (DAY_TWO, D("-18.3"), D("10.7"), D("1010.7"), D("29.0"), D("18.3"), D("1.78")),
        (DAY_THREE, D("-0.4"), D("10.3"), D("1010.3"), D("29.0"), D("18.7"), D("1.82")),
    ]
    # the other bot never earned anything: its peak is where it began
    assert asked(reader, f"SELECT day, total, peak, drawdown FROM trading.equity_curve WHERE bot = '{LONG}'") == [
        (DAY_ONE, D("-0.1"), D(0), D("0.1")),
        (DAY_TWO, D("-0.2"), D(0), D("0.2")),
    ]
    assert asked(reader, "SELECT total, equity FROM trading.portfolio_equity_curve ORDER BY day DESC LIMIT 1") == [
        (D("10.1"), D("2010.1"))
    ]


def test_exit_reasons_and_a_bots_life(reader: Connection) -> None:
    columns = "exit_reason, trades, wins, net_pnl, best, worst, average_duration"
    assert asked(reader, f"SELECT {columns} FROM trading.exit_reason_analysis ORDER BY exit_reason") == [
        ("stop_loss", 1, 0, D("-18.7"), D("-18.7"), D("-18.7"), timedelta(hours=17)),
        ("take_profit", 1, 1, D("29.4"), D("29.4"), D("29.4"), timedelta(hours=10)),
    ]
    life = "SELECT bot, fills, trades, realized_pnl, fees, funding, net_pnl FROM trading.bot_performance ORDER BY bot"
    assert asked(reader, life) == [
        (LONG, 2, 0, D(10), D("0.2"), D(0), D("9.8")),
        (SHORT, 8, 2, D(12), D("2.0"), D("0.3"), D("10.3")),
    ]


def test_open_positions_are_marked_to_market(reader: Connection) -> None:
    columns = "bot, direction, quantity, entry_price, mark_price, notional, unrealized_pnl, unrealized_percent, net_pnl"
    assert asked(reader, f"SELECT {columns}, stop_loss FROM trading.open_positions ORDER BY bot") == [
        # (120 - 100) * 1; 10 realized, 0.2 of fees
        (LONG, "long", D(1), D(100), D(120), D(120), D(20), D("20.0000"), D("29.8"), D(95)),
        # (205 - 210) * -2; 0.4 of fees
        (SHORT, "short", D(-2), D(210), D(205), D(410), D(10), D("2.3810"), D("9.6"), None),
    ]


def test_account_equity(reader: Connection) -> None:
    columns = "day, opening, closing, highest, lowest, snapshots"
    assert asked(reader, f"SELECT {columns} FROM trading.account_equity_daily ORDER BY day") == [
        (DAY_ONE, D(2000), D(2050), D(2100), D(2000), 3),
        (DAY_TWO, D(2010), D(2010), D(2010), D(2010), 1),
    ]


def test_what_orders_cost_against_what_was_decided(reader: Connection) -> None:
    columns = (
        "order_id, decision_price, arrival_price, fill_price, slippage_bps, delay_bps, execution_bps, slippage_cost"
    )
    found = asked(reader, f"SELECT {columns} FROM trading.order_executions WHERE bot IS NOT NULL ORDER BY order_id")
    first, stop = found[0], found[4]
    # sold at 200 what was decided at 202 and met a market of 201: 2 / 202, 1 / 202 and 1 / 201 in basis points
    assert first == ("order-a", D(202), D(201), D(200), D("99.0099"), D("49.5050"), D("49.7512"), D(2))
    # a stop of the exchange's own was decided by nobody: bought at 206 in a market of 205
    assert stop == ("order-e", None, D(205), D(206), None, None, D("48.7805"), None)
    columns = "reason, orders, measured, slippage_bps, worst_bps, slippage_cost, maker_percent"
    assert asked(reader, f"SELECT {columns} FROM trading.execution_quality WHERE bot = '{SHORT}' ORDER BY reason") == [
        # 99.0099 on 200 of 200 + 210 + 600 + 420, of which 210 were a maker's
        ("entry", 4, 4, D("13.8475"), D("99.0099"), D(2), D("14.69")),
        ("stop_loss", 1, 0, None, None, None, D("0.00")),
        ("take_profit", 1, 1, D("0.0000"), D("0.0000"), D(0), D("0.00")),
    ]


def test_fees_and_funding(reader: Connection) -> None:
    columns = "volume, maker_percent, fees, fee_bps, funding, funding_received, funding_paid, costs_percent_of_gross"
    # 210 / 2428; 2.0 / 2428 in basis points; (2.0 - 0.3) / 12. Both payments of funding are of one day.
    assert asked(reader, f"SELECT {columns} FROM trading.fees_and_funding WHERE bot = '{SHORT}'") == [
        (D(2428), D("8.65"), D("2.0"), D("8.2372"), D("0.3"), D("0.3"), None, D("14.17"))
    ]


AT = "SELECT quantity, entry_price, realized_pnl, fees, funding, fills, mark_price, unrealized_pnl, net_pnl"


@pytest.mark.parametrize(
    ("hour", "expected"),
    [
        pytest.param(9, None, id="before-the-first-fill"),
        # at the very moment of the first fill it counts; the mark is the one that it was filled at
        pytest.param(10, (D(-1), D(200), D(0), D("0.2"), D(0), 1, D(201), D(-1), D("-1.2")), id="at-the-first-fill"),
        pytest.param(12, (D(-2), D(205), D(0), D("0.3"), D(0), 2, D(210), D(-10), D("-10.3")), id="averaged"),
        pytest.param(20, (D(0), D(0), D(30), D("0.6"), D(0), 3, None, D(0), D("29.4")), id="flat"),
        # 29.4 - 0.4 + 0.5; funding has no mark price here and its price is the one it was paid on
        pytest.param(25, (D(-3), D(200), D(30), D("1.0"), D("0.5"), 5, D(200), D(0), D("29.5")), id="funded"),
        pytest.param(45, (D(0), D(0), D(12), D("1.6"), D("0.3"), 7, None, D(0), D("10.7")), id="flat-again"),
        pytest.param(59, (D(-2), D(210), D(12), D("2.0"), D("0.3"), 8, D(210), D(0), D("10.3")), id="open"),
        # from hour 60 on the exchange's word is newer than the last fill
        pytest.param(61, (D(-2), D(210), D(12), D("2.0"), D("0.3"), 8, D(205), D(10), D("20.3")), id="marked-later"),
    ],
)
def test_a_bots_position_at_any_past_time(reader: Connection, hour: int, expected: tuple[object, ...] | None) -> None:
    moment = FIRST_DAY + timedelta(hours=hour)
    found = asked(reader, f"{AT} FROM trading.bot_positions_at('{SHORT}', '{moment.isoformat()}')")
    assert found == ([] if expected is None else [expected])
    equity = asked(reader, f"SELECT net_pnl, equity FROM trading.bot_equity_at('{SHORT}', '{moment.isoformat()}')")
    net = D(0) if expected is None else expected[-1]
    assert isinstance(net, Decimal)
    assert equity == [(net, 1000 + net)]


def test_past_positions_with_prices_of_ones_own_and_of_all_bots(reader: Connection) -> None:
    moment = (FIRST_DAY + timedelta(hours=41)).isoformat()
    given = f"SELECT unrealized_pnl FROM trading.bot_positions_at('{LONG}', '{moment}', '{{\"ETHUSDT\": \"130\"}}')"
    assert asked(reader, given) == [(D(30),)]
    # 12 and 10 of price, 1.8 of fees, 0.3 of funding, and 110 - 100 on one unit
    everything = "SELECT bots, capital, realized_pnl, fees, funding, unrealized_pnl, net_pnl, equity"
    assert asked(reader, f"{everything} FROM trading.portfolio_equity_at('{moment}')") == [
        (2, D(2000), D(22), D("1.8"), D("0.3"), D(10), D("30.5"), D("2030.5"))
    ]
    assert asked(reader, f"SELECT capital, equity FROM trading.bot_equity_at('nobody', '{moment}')") == [(None, None)]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_pages_runs_and_finds_something(reader: Connection, example: str) -> None:
    # One transaction, as a pooler gives it; BEGIN and COMMIT of the page are ours.
    *settings, question = re.sub(r"\b(BEGIN|COMMIT);", "", example).strip().rstrip(";").split(";")
    with transaction(reader) as cursor:
        for setting in settings:
            cursor.execute(setting)
        found = rows(reader, question)
    assert found or "NOT folded" in question


def test_every_view_and_function_has_an_example(reader: Connection) -> None:
    views = "SELECT viewname FROM pg_views WHERE schemaname = 'trading'"
    functions = "SELECT proname FROM pg_proc WHERE pronamespace = 'trading'::regnamespace AND proname LIKE '%\\_at'"
    text = " ".join(str(example.values[0]) for example in EXAMPLES)
    named = set(re.findall(r"trading\.(\w+)", text))
    # what the platform reads of itself
    internal = {"uncounted_accounts"}
    asked_of = {str(name) for (name,) in asked(reader, f"{views} UNION {functions}")}
    missing = asked_of - named - internal - OF_OTHER_PAGES
    assert not missing


OF_OTHER_PAGES = {"completed_trade_entries", "sync_edges", "proven_days", "daily_double_entry"}
"""Views about the exchange's own books, documented with the services that write them."""


def test_every_view_says_what_it_is(reader: Connection) -> None:
    silent = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'trading'::regnamespace AND relkind = 'v'"
        " AND obj_description(oid, 'pg_class') IS NULL"
    )
    assert asked(reader, silent) == []


def test_a_bots_history_is_read_over_a_pooled_connection(reader: Connection) -> None:
    """No session state: times come back in UTC although a pooler keeps no setting of the session."""
    fills = fills_after(reader, SHORT, 0)
    assert [each.bot_seq for each in fills] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert fills[0].fill.exec_time == FIRST_DAY + timedelta(hours=10)
    assert fills[0].fill.exec_time.utcoffset() == timedelta(0)
