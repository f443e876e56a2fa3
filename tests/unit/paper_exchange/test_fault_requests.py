"""What a REST request meets before and after its work."""

from __future__ import annotations

from typing import Any

import pytest

from alpha.domain.ids import AccountName
from paper_exchange.faults.requests import AnsweredInstead, ConnectionCut, OneRequest, RequestFaults
from paper_exchange.faults.schedule import ArmedFault
from tests.unit.paper_exchange.scripts import PATHS, Clock, armed

CANARY = AccountName("canary")
LIST, CREATE = PATHS[0], PATHS[1]


def request(*faults: dict[str, Any], path: str = LIST) -> tuple[OneRequest, list[ArmedFault]]:
    schedule, all_armed = armed(Clock(), *({"for_s": 60, **fault} for fault in faults))
    return RequestFaults(schedule).of(path, CANARY, ""), all_armed


def page(rows: int, cursor: str = "") -> dict[str, Any]:
    return {"retCode": 0, "result": {"list": list(range(rows)), "nextPageCursor": cursor, "category": "linear"}}


def after(one: OneRequest, content: dict[str, Any], *, is_get: bool = True) -> float:
    return one.after(content, is_get=is_get)


def test_a_path_that_is_not_named_is_left_alone():
    one, (fault,) = request({"kind": "rest_cut_before", "paths": [CREATE]})
    one.before()
    assert after(one, page(3)) == 0
    assert fault.injected == 0


def test_a_cut_before_is_raised_before_the_work():
    one, (fault,) = request({"kind": "rest_cut_before"})
    with pytest.raises(ConnectionCut):
        one.before()
    assert (fault.injected, fault.hit) == (1, 1)


@pytest.mark.parametrize("answer", ["10006", "403"])
def test_a_refusal_by_a_limit_never_took_effect(answer: str):
    one, _ = request({"kind": "rest_error", "answer": answer, "took_effect": True})
    with pytest.raises(AnsweredInstead, match=answer):
        one.before()


def test_an_error_that_took_effect_is_raised_after_the_work():
    one, (fault,) = request({"kind": "rest_error", "answer": "502", "took_effect": True}, path=CREATE)
    one.before()
    assert fault.injected == 0
    with pytest.raises(AnsweredInstead, match="502"):
        after(one, {"retCode": 0, "result": {}}, is_get=False)
    assert (fault.injected, fault.hit) == (1, 1)


def test_whether_an_error_took_effect_is_drawn_when_it_is_not_said():
    schedule, _ = armed(Clock(), {"kind": "rest_error", "for_s": 60, "answer": 10016})
    faults, before = RequestFaults(schedule), 0
    for number in range(60):
        one = faults.of(CREATE, CANARY, f"order-{number}")
        try:
            one.before()
        except AnsweredInstead:
            before += 1
        else:
            with pytest.raises(AnsweredInstead):
                after(one, {"retCode": 0, "result": {}}, is_get=False)
    assert 10 < before < 50


@pytest.mark.parametrize(
    ("content", "is_get", "cut"),
    [
        (page(3), True, True),
        (page(3, "more"), True, False),
        (page(0), True, False),
        (page(3), False, False),
        ({"retCode": 0, "result": {"list": [1]}}, True, False),
        ({"retCode": 10001, "result": {}}, True, False),
    ],
)
def test_only_the_last_page_with_anything_in_it_is_cut(content: dict[str, Any], is_get: bool, cut: bool):
    one, (fault,) = request({"kind": "rest_cut_last_page"})
    one.before()
    if cut:
        with pytest.raises(ConnectionCut):
            one.after(content, is_get=is_get)
    else:
        assert one.after(content, is_get=is_get) == 0
    assert fault.hit == cut


def test_an_emptied_list_has_no_cursor_and_keeps_the_rest():
    one, (fault,) = request({"kind": "rest_empty"})
    content = page(3, "more")
    one.before()
    after(one, content)
    assert content["result"] == {"list": [], "nextPageCursor": "", "category": "linear"}
    assert fault.hit == 1


def test_an_answer_is_late_by_what_was_asked_for():
    one, (fault,) = request({"kind": "rest_late", "by_s": 1.5})
    one.before()
    assert after(one, page(1)) == 1.5
    assert fault.hit == 1


def test_maintenance_answers_as_told_or_by_draw():
    schedule, _ = armed(Clock(), {"kind": "maintenance", "for_s": 60, "answer": 10016})
    assert RequestFaults(schedule).maintenance() == "10016"
    schedule, (fault,) = armed(Clock(), {"kind": "maintenance", "for_s": 60})
    faults = RequestFaults(schedule)
    assert {faults.maintenance() for _ in range(40)} == {"10016", "503"}
    assert fault.hit == 40
    schedule.end_all()
    assert faults.maintenance() is None
