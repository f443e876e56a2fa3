"""Whatever is told, a page is valid, short enough, and shows exactly that."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from telegram_manager.rendering.answer import Answer, Block, Column, Facts, Lines, Picture, Table, Text, Tone
from telegram_manager.rendering.layout import clean, lay_table
from telegram_manager.rendering.telegram import MOST_CAPTION_CHARACTERS, MOST_CHARACTERS, PHONE_WIDTH, caption, pages
from telegram_manager.rendering.terminal import text as as_text

# Surrogates too: half a character is what a broken decoder leaves.
words = st.text(st.characters(codec=None), max_size=60) | st.text("<>&\"'` \n\t\x00", max_size=40)
long_words = st.builds(lambda part, times: part * times, words, st.sampled_from([1, 2, 150]))


@st.composite
def tables(draw: st.DrawFn) -> Table:
    width = draw(st.integers(1, 5))
    columns = [Column(draw(words), unlabelled=draw(st.booleans()), begins=draw(st.booleans()),
                      spare=draw(st.booleans())) for _ in range(width)]  # fmt: skip
    rows = draw(st.lists(st.tuples(*[words] * width), max_size=8))
    return Table(tuple(columns), tuple(rows), draw(words))


blocks: st.SearchStrategy[Block] = st.one_of(
    st.builds(Text, long_words, st.sampled_from(Tone)),
    st.builds(Facts, st.lists(st.tuples(words, long_words), max_size=4).map(tuple), words),
    st.builds(Lines, st.lists(long_words, max_size=4).map(tuple), words),
    tables(),
)


class Reader(HTMLParser):
    """What a message shows, and whether its tags are those of ours, opened and closed in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.shown = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in {"b", "i", "pre"}
        assert not attrs
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.shown += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def shown(page: str) -> str:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open, page
    return reader.shown


@given(st.lists(blocks, max_size=4))
def test_every_page_is_valid_and_within_the_limit(found: list[Block]) -> None:
    for page in pages(Answer(tuple(found))):
        assert shown(page).strip()
        assert len(page.encode("utf-16-le")) // 2 <= MOST_CHARACTERS


@given(long_words, st.sampled_from([Tone.PLAIN, Tone.HEADING, Tone.NOTE]))
def test_a_paragraph_is_shown_as_it_is(told: str, tone: Tone) -> None:
    # A browser takes a carriage return for a line's end; to us it is no letter that can be shown.
    seen = "".join(shown(page) for page in pages(Answer((Text(told, tone),))))
    assert "".join(seen.split()) == "".join(clean(told).split())


@given(st.lists(st.tuples(words, words), min_size=1, max_size=20))
def test_no_cell_of_a_table_is_lost(rows: list[tuple[str, str]]) -> None:
    table = Table((Column("a"), Column("b", unlabelled=True)), tuple(rows))
    seen = "".join(shown(page) for page in pages(Answer((table,))))
    for row in rows:
        for cell in row:
            assert "".join(clean(cell).split()) in "".join(seen.split())


@given(tables())
def test_no_line_of_a_table_is_wider_than_asked(table: Table) -> None:
    laid = lay_table(table, PHONE_WIDTH)
    assert all(len(line) <= PHONE_WIDTH for line in (*laid.header, *(line for row in laid.rows for line in row)))


@given(long_words)
def test_captions_fit(told: str) -> None:
    found = caption(Picture(b"", "a.png", told))
    assert len(found.encode("utf-16-le")) // 2 <= MOST_CAPTION_CHARACTERS
    shown(found)


@given(st.lists(blocks, max_size=4))
def test_a_terminal_gets_nothing_that_it_would_obey(found: list[Block]) -> None:
    told = as_text(Answer(tuple(found)), 80)
    assert all(letter == "\n" or letter.isprintable() for letter in told)
