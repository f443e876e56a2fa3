"""What a script of faults may say, and what is said about one that cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import paper_exchange
from paper_exchange.faults.fault import Fault, FaultKind
from paper_exchange.faults.script import TAKES, ScriptInvalid, read_script
from tests.unit.paper_exchange.scripts import ACCOUNTS, PATHS, script

README = Path(paper_exchange.__file__).parent / "README.md"

VALID: dict[FaultKind, dict[str, Any]] = {
    FaultKind.DROP: {"for_s": 0, "account": "canary", "probability": 0.5},
    FaultKind.FREEZE: {"for_s": 2},
    FaultKind.HALF_CLOSE: {"for_s": 2},
    FaultKind.DEAF: {"for_s": 2},
    FaultKind.DELAY: {"for_s": 2, "by_s": 0.5, "topics": ["execution"]},
    FaultKind.DUPLICATE: {"for_s": 2},
    FaultKind.REORDER: {"for_s": 2, "by_s": 0.5},
    FaultKind.WITHHOLD: {"for_s": 2, "topics": ["order", "wallet"]},
    FaultKind.REST_LATE: {"for_s": 2, "by_s": 3, "paths": ["/v5/order/create"]},
    FaultKind.REST_EMPTY: {"for_s": 2},
    FaultKind.REST_ERROR: {"for_s": 2, "answer": 10016, "took_effect": True},
    FaultKind.REST_CUT_BEFORE: {"for_s": 2},
    FaultKind.REST_CUT_AFTER: {"for_s": 2},
    FaultKind.REST_CUT_LAST_PAGE: {"for_s": 2},
    FaultKind.REST_LAG: {"for_s": 2, "by_s": 1, "probability": 0.1},
    FaultKind.RATE_LIMIT: {"for_s": 2, "limit": 3, "ip_limit": 30},
    FaultKind.CLOCK_SKEW: {"for_s": 2, "by_s": -30},
    FaultKind.MAINTENANCE: {"for_s": 2, "answer": "503"},
}


def test_every_kind_can_be_asked_for():
    assert set(VALID) == set(FaultKind)
    read = script(*({"kind": kind.value, "from_s": 1.5, **rest} for kind, rest in VALID.items()))
    assert [fault.kind for fault in read.faults] == list(VALID)
    assert {fault.from_s for fault in read.faults} == {1.5}
    assert read.faults[0] == Fault(kind=FaultKind.DROP, from_s=1.5, for_s=0, account=ACCOUNTS[0], probability=0.5)
    error = read.faults[list(VALID).index(FaultKind.REST_ERROR)]
    assert (error.answer, error.took_effect) == ("10016", True)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("drop", "must be an object"),
        ({}, "no kind None"),
        ({"kind": "flood", "for_s": 1}, "there is no kind 'flood'; there are drop,"),
        ({"kind": "freeze"}, "for_s is missing"),
        ({"kind": "freeze", "for_s": 0}, "for_s must be above 0"),
        ({"kind": "freeze", "for_s": -1}, "for_s must be above 0"),
        ({"kind": "freeze", "for_s": 1e9}, "at most a day"),
        ({"kind": "freeze", "for_s": "2"}, "for_s must be a number, not '2'"),
        ({"kind": "freeze", "for_s": True}, "for_s must be a number"),
        ({"kind": "freeze", "for_s": float("inf")}, "for_s must be a number"),
        ({"kind": "freeze", "for_s": 1, "from_s": -1}, "from_s must be at least 0"),
        ({"kind": "freeze", "for_s": 1, "by_s": 1}, "freeze takes no by_s"),
        ({"kind": "freeze", "for_s": 1, "account": "nobody"}, "there is no account 'nobody'"),
        ({"kind": "freeze", "for_s": 1, "probability": 0}, "probability must be above 0"),
        ({"kind": "freeze", "for_s": 1, "probability": 1.1}, "probability must be above 0 and at most 1"),
        ({"kind": "delay", "for_s": 1}, "by_s is missing"),
        ({"kind": "delay", "for_s": 1, "by_s": 0}, "by_s must be above 0"),
        ({"kind": "withhold", "for_s": 1, "topics": ["trades"]}, "topics: there is no 'trades'"),
        ({"kind": "withhold", "for_s": 1, "topics": []}, "must be a list that is not empty"),
        ({"kind": "rest_late", "for_s": 1, "by_s": 1, "paths": ["/v5/nothing"]}, "there is no '/v5/nothing'"),
        ({"kind": "rest_late", "for_s": 1, "by_s": 1, "paths": [[]]}, "there is no \\[\\]"),
        ({"kind": "rest_error", "for_s": 1}, "answer must be one of 10006,"),
        ({"kind": "rest_error", "for_s": 1, "answer": 404}, "answer must be one of"),
        ({"kind": "rest_error", "for_s": 1, "answer": 10016, "took_effect": 1}, "must be true or false"),
        ({"kind": "rate_limit", "for_s": 1, "limit": 0}, "limit must be a whole number of at least 1"),
        ({"kind": "clock_skew", "for_s": 1, "by_s": 0}, "by_s must not be 0"),
        ({"kind": "clock_skew", "for_s": 1, "by_s": 1, "account": "canary"}, "clock_skew takes no account"),
    ],
)
def test_a_fault_that_cannot_be_is_named(fault: Any, says: str):
    with pytest.raises(ScriptInvalid, match=says) as error:
        script({"kind": "drop", "for_s": 0}, fault)
    assert str(error.value).startswith("faults[1]: ")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "faults must be a list"),
        ({"faults": []}, "1 to 1000"),
        ({"faults": "drop"}, "faults must be a list"),
        ({"seed": "7", "faults": [{"kind": "drop", "for_s": 0}]}, "seed must be a whole number"),
        ({"sed": 7, "faults": [{"kind": "drop", "for_s": 0}]}, "a script has seed and faults, not sed"),
    ],
)
def test_a_script_that_is_none_is_refused(body: dict[str, Any], says: str):
    with pytest.raises(ScriptInvalid, match=says):
        read_script(body, accounts=ACCOUNTS, paths=PATHS)


def test_the_readme_lists_every_kind_with_what_it_takes():
    listed = {}
    for line in README.read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 7 and cells[1].startswith("`") and cells[1] != "`kind`":
            listed[cells[1].strip("`")] = frozenset(cells[3].split(", "))
    assert listed == {kind.value: takes for kind, takes in TAKES.items()}
