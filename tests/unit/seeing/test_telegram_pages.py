from __future__ import annotations

from telegram_manager.rendering.answer import (
    Answer,
    Block,
    Button,
    Column,
    Facts,
    Lines,
    Picture,
    Table,
    Text,
    Tone,
    answer_of,
)
from telegram_manager.rendering.telegram import MOST_CAPTION_CHARACTERS, MOST_CHARACTERS, caption, pages, pictures
from telegram_manager.rendering.terminal import text


def shown(*blocks: Block) -> tuple[str, ...]:
    return pages(Answer(blocks))


def test_what_looks_like_markup_is_shown_as_it_stands() -> None:
    (page,) = shown(Text("<b>5 & 6</b>"), Facts((("a<b", "c&d"),), title="<i>"))
    assert page == "&lt;b&gt;5 &amp; 6&lt;/b&gt;\n\n<b>&lt;i&gt;</b>\n<b>a&lt;b</b>: c&amp;d"


def test_tones() -> None:
    (page,) = shown(Text("a", Tone.HEADING), Text("b", Tone.NOTE), Text("c", Tone.WARNING))
    assert page == "<b>a</b>\n\n<i>b</i>\n\n<b>!</b> c"


def test_tables_are_set_in_equal_letters() -> None:
    (page,) = shown(Table((Column("day"), Column("net")), (("1", "+2"), ("3", "-4")), "Days"))
    assert page == "<b>Days</b>\n<pre>day  net\n1    +2\n3    -4</pre>"


def test_a_long_table_goes_on_on_the_next_page_under_its_header() -> None:
    rows = tuple((f"{number:04}", "x" * 20) for number in range(500))
    found = shown(Table((Column("no."), Column("text")), rows, "All"))
    assert len(found) > 3
    assert found[0].startswith("<b>All</b>\n<pre>no.   text\n0000")
    for page in found[1:]:
        assert page.startswith("<pre>no.   text\n")
        assert page.endswith("</pre>")
    assert [line[:4] for page in found for line in page.splitlines() if line[:4].isdigit()] == [row[0] for row in rows]


def test_the_lines_of_one_row_stay_on_one_page() -> None:
    columns = (Column("bot"), Column("a", begins=True), Column("b", begins=True))
    rows = tuple((f"bot{number:03}", "x" * 30, "y" * 30) for number in range(200))
    for page in shown(Table(columns, rows)):
        starts = [line for line in page.replace("<pre>", "").splitlines() if line.startswith("bot")]
        assert page.count("  a x") == page.count("  b y") == len(starts)


def test_a_line_longer_than_a_page_is_cut_and_nothing_is_lost() -> None:
    long = "<&>" * 5000
    found = shown(Lines((long,)), Text("&" * 9000))
    assert all(len(page) <= MOST_CHARACTERS for page in found)
    told = "".join(found)
    assert (told.count("&lt;"), told.count("&gt;"), told.count("&amp;")) == (5000, 5000, 5000 + 9000)


def test_the_limit_counts_as_telegram_does() -> None:
    found = shown(Text("\U0001f600" * 4000))
    assert all(len(page.encode("utf-16-le")) // 2 <= MOST_CHARACTERS for page in found)
    assert "".join(found).count("\U0001f600") == 4000


def test_pictures_are_apart_and_their_captions_short_enough() -> None:
    picture = Picture(b"png", "a.png", "&" * 3000)
    answer = Answer((picture,))
    assert (pages(answer), pictures(answer)) == ((), (picture,))
    assert 900 < len(caption(picture)) <= MOST_CAPTION_CHARACTERS
    assert caption(picture).replace("&amp;", "") == ""


def test_blocks_and_button_rows_that_say_nothing_are_left_out() -> None:
    answer = answer_of([Text(""), Facts(()), Table((), ()), Lines(()), Text("a")], buttons=[[], [Button("b", "/c")]])
    assert answer.blocks == (Text("a"),)
    assert answer.buttons == ((Button("b", "/c"),),)


def test_a_terminal_shows_the_same_as_plain_text() -> None:
    answer = Answer((Text("a <b>", Tone.WARNING), Facts((("k", "v"),), "T"), Lines(("x\x1b[31m",)), Picture(b"", "p")))
    assert text(answer, 80) == "! a <b>\n\nT\nk  v\n\nx?[31m"
