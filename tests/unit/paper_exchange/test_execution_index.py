"""The index gives what sorting everything for each page gave."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from alpha.domain.ids import ExecId
from paper_exchange.engine import Execution
from paper_exchange.server.execution_index import ExecutionIndex, place_of
from tests.unit.engine.scene import BUY, START, Scene

_LIMIT = 3


def template() -> Execution:
    scene = Scene()
    scene.market(BUY, "1")
    scene.bar()
    return scene.executions()[0]


TEMPLATE = template()


def made_at(moment: datetime, number: int) -> Execution:
    """An execution whose id says nothing of its place among those of one millisecond, as the engine's do not."""
    exec_id = hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()
    return replace(TEMPLATE, exec_time=moment, exec_id=ExecId(exec_id))


moments = st.integers(0, 12).map(lambda number: START + timedelta(milliseconds=number))


@given(st.lists(st.tuples(moments, st.integers(1, 4)), max_size=25), moments, moments)
def test_windows_and_pages_give_every_execution_once_newest_first(
    batches: list[tuple[datetime, int]], start: datetime, end: datetime
):
    index = ExecutionIndex()
    everything: list[Execution] = []
    for number, (moment, size) in enumerate(batches):
        batch = [made_at(moment, 10 * number + place) for place in range(size)]
        index.add(batch)
        everything += batch
    expected = sorted(
        (execution for execution in everything if start <= execution.exec_time <= end), key=place_of, reverse=True
    )
    found: list[Execution] = []
    before = None
    while True:
        page = [pair for pair, _ in zip(index.newest_first(start, end, before), range(_LIMIT), strict=False)]
        if not page:
            break
        found += [execution for _, execution in page]
        before = page[-1][0]
    assert found == expected
    assert len(index) == len(everything)
