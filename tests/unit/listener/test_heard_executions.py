from __future__ import annotations

from datetime import timedelta

from alpha.domain.side import Side
from tests.unit.domain.fills import BTCUSDT, START, a_fill
from websocket_listener.heard_executions import HeardExecutions

ONE, TWO, THREE = (a_fill(Side.BUY, "1", at="100", n=n) for n in (1, 2, 3))


def key(name: str) -> tuple[str, str]:
    return (BTCUSDT, name)


def left(heard: HeardExecutions) -> list[str]:
    """Which of the three are not lacking."""
    return [fill.exec_id for fill in (ONE, TWO, THREE) if not heard.lacks((fill.symbol, fill.exec_id))]


def test_what_was_heard_and_not_told_is_found_within_the_interval() -> None:
    heard = HeardExecutions()
    heard.note([ONE, TWO, THREE])
    until = START + timedelta(seconds=3)
    assert heard.untold_by(set(), START, until) == 2
    assert heard.untold_by({key("exec-1")}, START, until) == 1
    assert heard.untold_by({key("exec-1"), key("exec-2")}, START, until) == 0
    assert heard.lacks(key("exec-9"))
    assert not heard.lacks(key("exec-3"))


def test_what_is_proven_is_forgotten_and_the_rest_is_kept() -> None:
    heard = HeardExecutions()
    heard.note([ONE, TWO, THREE])
    heard.forget_between(ONE.exec_time, THREE.exec_time)
    assert left(heard) == ["exec-3"]
    assert heard.untold_by(set(), START, START + timedelta(days=1)) == 1


def test_the_oldest_are_forgotten_beyond_the_bound() -> None:
    heard = HeardExecutions(kept=2)
    heard.note([ONE, TWO, THREE])
    assert left(heard) == ["exec-2", "exec-3"]


def test_a_break_marks_how_far_the_connection_was_heard() -> None:
    heard = HeardExecutions()
    assert heard.until_break is None
    heard.note([TWO, ONE])
    heard.broke_off()
    heard.note([THREE])
    assert heard.until_break == TWO.exec_time
