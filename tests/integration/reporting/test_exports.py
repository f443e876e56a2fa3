"""Fills, round trips and funding in files: what is in the ledger is what can be read again."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from alpha.domain.fill import ExecType
from alpha.domain.ids import BotId
from alpha.ledger.connection import Connection, connect
from alpha.ledger.exporting import Exported, exported_rows
from alpha.ledger.fill_rows import HeardFill, RecordedFill
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import take_account
from alpha.ledger.monthly import bot_days, last_fill_day, trades_closed
from alpha.reporting.table_file import TableFormat, write_table
from tests.support import Database
from tests.unit.proof.books import BUY, MAIN, SELL, START, a_fill

PRICE = "100.123456789012345678"
FILLS = [
    a_fill(BUY, "2", at=PRICE, fee="0.00000001", n=1),
    a_fill(BUY, "2", at="100", fee="0.5", n=2, exec_type=ExecType.FUNDING),
    a_fill(SELL, "2", at="101", fee="0.2", n=3),
    a_fill(BUY, "1", at="50", n=4, bot="bot_002", hours=13),
    a_fill(SELL, "1", at="49", n=5, bot="bot_002", hours=14),
]


def heard(recorded: RecordedFill) -> HeardFill:
    return HeardFill(
        fill=recorded.fill,
        attribution=recorded.attribution,
        source=recorded.source,
        received_at=recorded.received_at,
        position_idx=recorded.position_idx,
    )


@pytest.fixture
def reader(database: Database) -> Iterator[Connection]:
    with closing(connect(database.dsn("ledger_writer"), "tests")) as ledger:
        epoch = take_account(ledger, MAIN, "tests")
        FillRecorder(ledger, {MAIN: epoch}).record([heard(fill) for fill in FILLS])
    with closing(connect(database.dsn("reader"), "tests")) as connection:
        yield connection


def exported(reader: Connection, folder: Path, what: Exported, form: TableFormat, **options: object) -> Path:
    path = folder / f"{what}.{form}"
    with exported_rows(reader, what, **options) as (columns, batches):  # type: ignore[arg-type]
        write_table(path, form, columns, batches)
    return path


def test_fills_as_csv_lose_no_digit(reader: Connection, tmp_path: Path) -> None:
    with exported(reader, tmp_path, Exported.FILLS, TableFormat.CSV).open() as file:
        rows = list(csv.DictReader(file))
    assert [row["exec_id"] for row in rows] == ["e1", "e2", "e3", "e4", "e5"]
    assert (rows[0]["price"], rows[0]["fee"], rows[0]["is_maker"]) == (PRICE, "0.00000001", "false")
    assert rows[0]["exec_time"] == "2025-01-31T12:01:00.000+00:00"
    assert rows[0]["mark_price"] == ""


def test_fills_as_parquet_keep_types_and_digits(reader: Connection, tmp_path: Path) -> None:
    table = parquet.read_table(exported(reader, tmp_path, Exported.FILLS, TableFormat.PARQUET))
    first = table.to_pylist()[0]
    assert first["exec_time"] == START + timedelta(minutes=1)
    assert (Decimal(first["price"]), first["is_maker"], first["seq"], first["mark_price"]) == (
        Decimal(PRICE),
        False,
        1,
        None,
    )


def test_trades_are_told_by_when_they_closed(reader: Connection, tmp_path: Path) -> None:
    midnight = datetime(2025, 2, 1, tzinfo=UTC)
    path = exported(reader, tmp_path, Exported.TRADES, TableFormat.PARQUET, until=midnight)
    (trade,) = parquet.read_table(path).to_pylist()
    assert (trade["bot"], trade["duration_s"], trade["first_exec_id"]) == ("bot_001", 120, "e1")
    # 2 x (101 - 100.12...) - 0.20000001 - 0.5
    assert Decimal(trade["net_pnl"]) == 2 * (101 - Decimal(PRICE)) - Decimal("0.70000001")
    path = exported(reader, tmp_path, Exported.TRADES, TableFormat.PARQUET, since=midnight)
    assert [row["bot"] for row in parquet.read_table(path).to_pylist()] == ["bot_002"]


def test_funding_is_told_as_what_was_received(reader: Connection, tmp_path: Path) -> None:
    with exported(reader, tmp_path, Exported.FUNDING, TableFormat.CSV).open() as file:
        (row,) = csv.DictReader(file)
    assert (row["received"], row["position_side"], row["currency"]) == ("-0.5", "Buy", "USDT")


def test_one_bot_or_nothing_at_all(reader: Connection, tmp_path: Path) -> None:
    path = exported(reader, tmp_path, Exported.FILLS, TableFormat.PARQUET, bot=BotId("bot_002"))
    assert [row["exec_id"] for row in parquet.read_table(path).to_pylist()] == ["e4", "e5"]
    path = exported(reader, tmp_path, Exported.FILLS, TableFormat.PARQUET, bot=BotId("nobody"))
    empty = parquet.read_table(path)
    assert (empty.num_rows, empty.schema.field("exec_time").type.tz) == (0, "UTC")


def test_a_file_that_could_not_be_finished_leaves_what_was_there(reader: Connection, tmp_path: Path) -> None:
    path = tmp_path / "fills.csv"
    path.write_text("before")

    def broken() -> Iterator[list[tuple[object, ...]]]:
        yield [(None,)]
        raise OSError("the disk is full")

    with exported_rows(reader, Exported.FILLS) as (columns, _), pytest.raises(OSError, match="full"):
        write_table(path, TableFormat.CSV, columns, broken())
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["fills.csv"]


def test_the_days_and_trades_of_a_report(reader: Connection) -> None:
    days = bot_days(reader, START.date(), START.date() + timedelta(days=1))
    assert [(day.bot, day.day.day, day.trades, day.funding) for day in days] == [
        ("bot_001", 31, 1, Decimal("-0.5")),
        ("bot_002", 1, 1, Decimal(0)),
    ]
    assert days[1].result == Decimal(-1)
    closed = trades_closed(reader, START, START + timedelta(days=2))
    assert [trade.first_exec_id for trade in closed] == ["e1", "e4"]
    assert last_fill_day(reader) == START.date() + timedelta(days=1)
