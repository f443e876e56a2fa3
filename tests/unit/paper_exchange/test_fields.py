"""The checker of fields: what is wrong with a message is said, and where."""

from __future__ import annotations

from typing import Any

import pytest

from paper_exchange.fields import FieldTable, TableUnusable, load_fields

ENUMS = {"side": ["Buy", "Sell"]}
SHAPES: dict[str, Any] = {
    "trade": {
        "price": "decimal",
        "side": "side",
        "stop": "decimal?",
        "maker": "bool",
        "seq": "int",
        "note": {"is": "text", "when": "there is one"},
    },
    "level": {"row": ["decimal", "decimal"]},
    "trades": {"list": ["trade"], "levels": ["level"], "fees": {"each": "decimal"}, "extra": "trade|null"},
    "stamped": {"like": "trade", "at": "ms"},
    "changed": {"part_of": "stamped", "always": ["seq"]},
    "frame": {"topic": "text", "data": "trades"},
    "snapshot": {"topic": "text", "type": {"one_of": ["snapshot"]}, "data": "stamped"},
    "delta": {"topic": "text", "type": {"one_of": ["delta"]}, "data": "changed"},
    "ack": {"op": "text", "success": "bool"},
}
TABLE = {
    "shapes": SHAPES,
    "answers": {
        "GET /trades": "trades",
        "POST /set": "nothing",
        "POST /batch": {"result": "nothing", "retExtInfo": "stamped"},
    },
    "replies": {"/private": {"subscribe": "ack", "other": "ack"}},
    "topics": {"/private": {"trades": "frame", "trades.{symbol}": {"snapshot": "snapshot", "delta": "delta"}}},
}
TRADE = {"price": "1.5", "side": "Buy", "stop": "", "maker": False, "seq": 7}


@pytest.fixture(scope="module")
def table() -> FieldTable:
    return FieldTable(ENUMS, [TABLE])


def answer(result: Any, **changes: Any) -> dict[str, Any]:
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 1, **changes}


def trades(**changes: Any) -> dict[str, Any]:
    return {"list": [{**TRADE, **changes}], "levels": [["1", "2.50"]], "fees": {"USDT": "-0.1"}, "extra": None}


def test_a_message_as_the_table_says_has_no_problems(table: FieldTable) -> None:
    assert table.check_answer("GET", "/trades", answer(trades())) == []
    assert table.check_answer("GET", "/trades", answer(trades(note="late"))) == []
    assert table.check_answer("POST", "/set", answer({})) == []
    assert table.check_answer("POST", "/batch", answer({}, retExtInfo={**TRADE, "at": "1795219423779"})) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"price": 1.5}, "price: 1.5 is not a decimal number in text"),
        ({"price": "1e3"}, "price: '1e3' is not a decimal number in text"),
        ({"price": ""}, "price: '' is not a decimal number in text"),
        ({"price": "NaN"}, "price: 'NaN' is not a decimal number in text"),
        ({"stop": None}, "stop: None is not a decimal number in text or empty text"),
        ({"side": "buy"}, "side: 'buy' is none of 'Buy', 'Sell'"),
        ({"side": ["Buy"]}, "side: ['Buy'] is none of 'Buy', 'Sell'"),
        ({"maker": 0}, "maker: 0 is not true or false"),
        ({"seq": True}, "seq: True is not a whole number"),
        ({"seq": "7"}, "seq: '7' is not a whole number"),
        ({"note": None}, "note: None is not text"),
        ({"unheard": 1}, "unheard: not in the table"),
    ],
)
def test_a_wrong_field_is_named(table: FieldTable, change: dict[str, Any], problem: str) -> None:
    assert table.check_answer("GET", "/trades", answer(trades(**change))) == [f"GET /trades.result.list[0].{problem}"]


def test_a_missing_field_is_named(table: FieldTable) -> None:
    content = trades()
    del content["list"][0]["side"]
    del content["fees"]
    assert table.check_answer("GET", "/trades", answer(content)) == [
        "GET /trades.result.list[0].side: missing",
        "GET /trades.result.fees: missing",
    ]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"list": {}}, "list: {} is not a list"),
        ({"list": ["x"]}, "list[0]: 'x' is not an object"),
        ({"levels": [["1"]]}, "levels[0]: ['1'] is not a row of 2"),
        ({"levels": [["1", 2]]}, "levels[0][1]: 2 is not a decimal number in text"),
        ({"fees": {"USDT": 0}}, "fees.USDT: 0 is not a decimal number in text"),
        ({"fees": []}, "fees: [] is not an object"),
    ],
)
def test_a_wrong_shape_is_named(table: FieldTable, changes: dict[str, Any], problem: str) -> None:
    content = {**trades(), **changes}
    assert table.check_answer("GET", "/trades", answer(content)) == [f"GET /trades.result.{problem}"]


def test_the_envelope_is_checked_as_well(table: FieldTable) -> None:
    assert table.check_answer("POST", "/set", {"retCode": 0, "retMsg": "OK", "result": {}, "time": "1"}) == [
        "POST /set.time: '1' is not a whole number",
        "POST /set.retExtInfo: missing",
    ]
    assert table.check_answer("GET", "/unknown", answer({})) == ["GET /unknown: not in the table"]


def test_a_refusal_has_an_empty_result_wherever_it_comes_from(table: FieldTable) -> None:
    assert table.check_answer("GET", "/unknown", answer({}, retCode=10017)) == []
    assert table.check_answer("GET", "/trades", answer(trades(), retCode=10001)) != []
    assert table.check_answer("GET", "/trades", "nothing like it") == [
        "GET /trades: 'nothing like it' is not an object"
    ]


def test_frames_are_found_by_topic_and_kind(table: FieldTable) -> None:
    stamped = {**TRADE, "at": "5"}
    assert table.check_frame("/private", {"topic": "trades", "data": trades()}) == []
    assert table.check_frame("/private", {"topic": "trades.BTC", "type": "snapshot", "data": stamped}) == []
    assert table.check_frame("/private", {"topic": "trades.BTC", "type": "delta", "data": {"seq": 8}}) == []
    assert table.check_frame("/private", {"topic": "trades.BTC", "type": "delta", "data": {"at": "6"}}) == [
        "trades.BTC.data.seq: missing"
    ]
    assert table.check_frame("/private", {"topic": "trades.BTC", "type": "snapshot", "data": {"seq": 8}}) != []
    assert table.check_frame("/private", {"topic": "trades.BTC.x", "type": "delta", "data": {}}) == [
        "trades.BTC.x: not in the table"
    ]


def test_replies_are_found_by_their_operation(table: FieldTable) -> None:
    assert table.check_frame("/private", {"op": "subscribe", "success": True}) == []
    assert table.check_frame("/private", {"op": "anything"}) == ["op anything.success: missing"]
    assert table.check_frame("/elsewhere", {"op": "subscribe", "success": True}) != []


@pytest.mark.parametrize("broken", ["sidee", "missing?", ["text", "text"], 5])
def test_a_table_that_names_what_does_not_exist_is_refused(broken: Any) -> None:
    with pytest.raises(TableUnusable):
        FieldTable(ENUMS, [{"answers": {"GET /x": "it"}, "shapes": {"it": {"a": broken}}}])


def test_the_tables_of_this_exchange_can_be_read() -> None:
    table = load_fields()
    assert ("POST", "/v5/order/create") in table.answers
    assert "kline.{interval}.{symbol}" in table.topics["/v5/public/linear"]
