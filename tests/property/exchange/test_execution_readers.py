"""The quick reader of executions and the patient one: where both read a thing they read the same."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from alpha.domain.fill import Fill
from alpha.exchange.errors import UnknownMessage
from alpha.exchange.parse import explained_fill, parse_private
from alpha.exchange.wire_execution import read_execution, read_execution_frame
from tests.unit.exchange.wire import ACCOUNT, execution

FIELDS = sorted(execution())
NUMBERS = ["0", "0.00", "", "-1", "1e3", "1E999999999", "NaN", "-Infinity", "1_0", " 1 ", "0x1", "100000.10", "٣"]
TEXTS = ["Buy", "Sell", "buy", "Trade", "Funding", "UNKNOWN", "EC_NoError", "linear", "inverse", "spot", "é", "\x00"]
TIMES = ["1795219423779", "0", "-1", "99999999999999999999", "4398046511104", "253402300800000", "1795219423779.5"]
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([*NUMBERS, *TEXTS, *TIMES, None, True, False, 0, 1, -5, 0.5, [], {}]),
    st.decimals(allow_nan=False, allow_infinity=False, places=6).map(str),
    st.text(max_size=5),
    st.integers(min_value=-(10**18), max_value=10**18),
)


@st.composite
def executions(draw: st.DrawFn) -> dict[str, Any]:
    item = execution(**draw(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3)))
    for name in draw(st.sets(st.sampled_from(FIELDS), max_size=2)):
        item.pop(name, None)
    return item


def patiently(item: dict[str, Any], category: str | None) -> Fill | None:
    try:
        return explained_fill(item, ACCOUNT, category)
    except UnknownMessage:
        return None


@given(executions(), st.sampled_from([None, "linear", "inverse"]))
def test_the_readers_agree_on_rows(item: dict[str, Any], category: str | None) -> None:
    quick = read_execution(item, ACCOUNT, category)
    assert quick is None or quick == patiently(item, category)


TOPICS = ["execution", "execution.linear", "execution.fast", "order"]


@given(st.lists(executions(), max_size=3), st.sampled_from(TOPICS))
def test_the_readers_agree_on_frames(items: list[dict[str, Any]], topic: str) -> None:
    message = orjson.dumps({"id": "1", "topic": topic, "creationTime": 1795219423790, "data": items})
    quick = read_execution_frame(message, ACCOUNT)
    if quick is None:
        return
    patient = parse_private(orjson.loads(message), ACCOUNT)
    assert not patient.unreadable
    assert (tuple(quick.fills), quick.created_at) == (patient.fills, patient.created_at)


def test_the_usual_execution_is_read_quickly() -> None:
    assert read_execution(execution(), ACCOUNT, None) == explained_fill(execution(), ACCOUNT)
    frame = {"id": "1", "topic": "execution", "creationTime": 1795219423790, "data": [execution()]}
    assert read_execution_frame(orjson.dumps(frame), ACCOUNT) is not None


def test_what_is_no_execution_is_left_alone() -> None:
    for message in (b"", b"\xff", b"[]", b'{"op":"pong"}', b'{"topic":"order","data":[]}', b'{"topic":"execution'):
        assert read_execution_frame(message, ACCOUNT) is None
