"""Whatever a text contains, Telegram takes it, and the reader sees what was meant."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from alpha.ledger.alerts import Severity
from telegram_manager.door.callback import MOST_BYTES, Acknowledge, Buttons, Confirm, Pressed, Say, Turn
from telegram_manager.door.speaking import without_markup
from telegram_manager.notifier.wording import in_words, parcels
from telegram_manager.rendering.answer import Answer, Column, Facts, Lines, Table, Text, Tone
from telegram_manager.rendering.layout import clean
from telegram_manager.rendering.telegram import html, pages
from tests.bot_api.markup import read_html, utf16_length
from tests.unit.telegram.notes import a_notification

TEXT = st.text(
    alphabet=st.one_of(st.characters(codec="utf-8"), st.sampled_from("<>&\"'/;# \n\t_*[]()~`bipre")), max_size=300
)
NAME = st.text(alphabet="abc_<>&1", min_size=1, max_size=12)
PARAGRAPH = st.builds(Text, TEXT, st.sampled_from(list(Tone)))
LOG = st.builds(Lines, st.lists(TEXT, max_size=30).map(tuple), TEXT)


@given(TEXT)
def test_plain_text_is_shown_as_it_stands(text: str) -> None:
    assert read_html(html(text)).text == clean(text)


@given(st.lists(st.one_of(PARAGRAPH, LOG)))
def test_every_page_is_whole_and_fits_into_a_message(blocks: list[Text | Lines]) -> None:
    for page in pages(Answer(tuple(blocks), ())):
        assert utf16_length(read_html(page).text) <= 4096


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=40), TEXT)
def test_tables_and_facts_too(rows: list[tuple[str, str, str]], title: str) -> None:
    columns = (Column("bot"), Column("what"), Column("<&>"))
    blocks = (Table(columns, tuple(rows), title), Facts(tuple((a, b) for a, b, _ in rows), title))
    for page in pages(Answer(blocks, ())):
        assert utf16_length(read_html(page).text) <= 4096


@given(st.lists(st.tuples(TEXT, st.sampled_from(list(Severity)), NAME, st.integers(1, 99)), min_size=1, max_size=40))
def test_notifications_are_taken_all_of_them_and_each_once(told: list[tuple[str, Severity, str, int]]) -> None:
    waiting = [
        a_notification(number, text, severity=severity, bot=name, times=times)
        for number, (text, severity, name, times) in enumerate(told, 1)
    ]
    found = parcels(waiting)
    assert sorted(number for parcel in found for number in parcel.numbers) == [each.number for each in waiting]
    for parcel in found:
        assert 0 < utf16_length(read_html(parcel.html).text) <= 4096
    for each in waiting:
        read_html(in_words(each))


@given(TEXT)
def test_markup_can_be_taken_off_again(text: str) -> None:
    assert without_markup(f"<b>{html(text)}</b>") == clean(text)


PRESSED = st.one_of(
    st.builds(Confirm, st.text("0123456789abcdef", min_size=16, max_size=16), st.booleans()),
    st.builds(Turn, st.text("0123456789abcdef", min_size=8, max_size=8), st.integers(0, 999)),
    st.builds(Say, st.text(min_size=1, max_size=200)),
    st.builds(Acknowledge, st.integers(0, 10**12)),
)


@given(PRESSED)
def test_a_button_gives_back_what_it_was_given_within_its_bytes(pressed: Pressed) -> None:
    buttons = Buttons()
    data = buttons.data(pressed)
    assert 1 <= len(data.encode()) <= MOST_BYTES
    assert buttons.read(data) == pressed


@given(st.text(max_size=70))
def test_a_button_of_anybody_s_making_does_nothing_unexpected(data: str) -> None:
    pressed = Buttons().read(data)
    assert pressed is None or pressed == "nothing" or isinstance(pressed, (Confirm, Turn, Say, Acknowledge))
