"""The collector of cycles has nothing to do for a backtest, neither while it runs nor afterwards."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from backtest.run import backtest_on
from backtest.settled_heap import settle, settled_heap
from paper_exchange.engine import Engine
from tests.unit.backtest.markets import BTC, Everything, a_plan, a_series, recordings


class Ring:
    """Holds itself, so that only the collector can free it."""

    def __init__(self) -> None:
        self.other = self


def alive(kind: type) -> int:
    return sum(isinstance(each, kind) for each in gc.get_objects())


@pytest.fixture(autouse=True)
def _collector_as_it_was() -> Iterator[None]:
    gc.collect()
    yield
    gc.unfreeze()
    gc.enable()


def test_the_collector_rests_inside_and_goes_on_afterwards() -> None:
    with settled_heap():
        assert not gc.isenabled()
        assert gc.get_freeze_count() > 0
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_it_stays_off_where_it_was_off() -> None:
    gc.disable()
    with settled_heap():
        pass
    assert not gc.isenabled()


def test_settling_frees_new_rings_and_keeps_what_is_held() -> None:
    with settled_heap():
        kept = Ring()
        Ring()
        assert alive(Ring) == 2
        settle()
        assert alive(Ring) == 1
    assert kept.other is kept


def test_what_is_settled_is_not_looked_through_again() -> None:
    with settled_heap():
        held = [Ring()]
        assert any(each is held[0] for each in gc.get_objects(generation=0))
        settle()
        assert not any(each is held[0] for each in gc.get_objects(generation=0))


def test_at_the_end_rings_that_were_settled_alive_are_freed() -> None:
    with settled_heap():
        rings = [Ring()]
        settle()
        rings.clear()
    assert alive(Ring) == 0


def test_a_backtest_that_ends_with_an_open_position_leaves_no_engine_behind() -> None:
    """A sweep's worker would have one more for every trial: what is frozen when the next begins is never collected."""
    data = recordings(a_series(300, seed=3))
    gc.disable()
    outcome = backtest_on(a_plan(Everything, BTC), data)
    assert outcome.open
    assert alive(Engine) == 0
