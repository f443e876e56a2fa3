"""Rows as one parameter come back from PostgreSQL as they were given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from alpha.domain.side import Side
from alpha.ledger.connection import Connection, LedgerRefused, connect, transaction
from alpha.ledger.row_literals import row_array
from tests.support import Database

Row = tuple[str | None, Decimal | None, bool | None, datetime | None, str | None]

_texts = st.none() | st.text(alphabet="ab,()\"\\'{} \t\n;é☃", max_size=8) | st.sampled_from(["NULL", "null", '\\"\\"'])
_rows = st.tuples(
    _texts,
    st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=8),
    st.none() | st.booleans(),
    st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(lambda time: time.replace(tzinfo=UTC)),  # noqa: DTZ001 - made aware
    _texts,
)


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with closing(connect(database.owner, "tests")) as connection:
        with transaction(connection) as cursor:
            cursor.execute(
                "CREATE TYPE told_row AS (first text, number numeric, is_so boolean, at timestamptz, last text)"
            )
        yield connection


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(st.none() | _rows, max_size=3))
@example(rows=[("", None, True, None, ""), (None, Decimal("1.50"), None, None, "plain")])
def test_every_value_comes_back(connection: Connection, rows: list[Row | None]) -> None:
    with transaction(connection) as cursor:
        cursor.execute("SELECT first, number, is_so, at, last FROM unnest(%s::told_row[])", (row_array(rows),))
        assert cursor.fetchall() == [(None,) * 5 if row is None else row for row in rows]


def test_members_of_enums_are_their_texts(connection: Connection) -> None:
    with transaction(connection) as cursor:
        cursor.execute("SELECT (%s::told_row[])[1].first", (row_array([(Side.BUY, 1, None, None, None)]),))
        assert cursor.fetchall() == [(Side.BUY.value,)]


@pytest.mark.parametrize("text", ["\0", "\ud800"])
def test_what_postgresql_does_not_keep_is_refused(text: str) -> None:
    with pytest.raises(LedgerRefused):
        row_array([(text,)])
