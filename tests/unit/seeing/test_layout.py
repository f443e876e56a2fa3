from __future__ import annotations

import pytest

from alpha.domain.errors import InvalidValue
from telegram_manager.rendering.answer import Align, Column, Facts, Table
from telegram_manager.rendering.layout import lay_facts, lay_table

TABLE = Table(
    (
        Column("day"),
        Column("net", Align.RIGHT),
        Column("volume", Align.RIGHT, spare=True),
        Column("won", Align.RIGHT),
    ),
    (("01-05", "+12.50", "1,000,000", "58 %"), ("01-06", "-3.00", "5", "0 %")),
)


def test_everything_is_beside_each_other_where_there_is_room() -> None:
    laid = lay_table(TABLE, 40)
    assert laid.header == ("day       net     volume   won",)
    assert laid.rows == (("01-05  +12.50  1,000,000  58 %",), ("01-06   -3.00          5   0 %",))


def test_columns_stand_closer_before_one_is_left_out() -> None:
    assert lay_table(TABLE, 28).header == ("day      net    volume  won",)


def test_spare_columns_give_way_first() -> None:
    laid = lay_table(TABLE, 18)
    assert laid.header == ("day      net  won",)
    assert laid.rows[0] == ("01-05 +12.50 58 %",)


def test_a_row_that_is_too_wide_becomes_a_few_lines_with_everything() -> None:
    table = Table(
        (Column("bot"), Column("state", unlabelled=True), Column("today", begins=True), Column("up"), Column("empty")),
        (("shortseller_001", "running", "-4.56 USDT", "3 h 12 min", ""),),
    )
    assert lay_table(table, 26).rows == (("shortseller_001  running", "  today -4.56 USDT", "  up 3 h 12 min"),)


def test_no_line_is_longer_than_the_width() -> None:
    long = Table((Column("no."), Column("text", unlabelled=True)), (("7", "word " * 20 + "x" * 90),))
    lines = [line for row in lay_table(long, 34).rows for line in row]
    assert max(map(len, lines)) <= 34
    assert "".join("".join(lines).split()) == "7" + "word" * 20 + "x" * 90


def test_a_table_of_uneven_rows_cannot_be() -> None:
    with pytest.raises(InvalidValue):
        Table((Column("a"), Column("b")), (("1",),))


def test_facts_stand_under_one_another_and_go_on_indented() -> None:
    laid = lay_facts(Facts((("feed", "live"), ("database", "17 of 100 connections"))), 24)
    assert laid == (("feed      live",), ("database  17 of 100", "          connections"))


def test_a_label_longer_than_half_the_width_has_a_line_of_its_own() -> None:
    laid = lay_facts(Facts((("/analytics [BOT|all] [DAYS]", "Results"), ("/help", "Help"))), 30)
    assert laid[0] == ("/analytics [BOT|all] [DAYS]", "    Results")
