from __future__ import annotations

from datetime import UTC, datetime

import pytest

from alpha.ledger.controls import Control, DesiredState
from telegram_manager.seeing.standing import Standing, standing_of

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def control(*, entries: bool = True, running: bool = True, kill: str | None = None) -> Control:
    return Control(
        scope="bot:canary_001",
        entries_allowed=entries,
        desired_state=DesiredState.RUNNING if running else DesiredState.STOPPED,
        by="telegram:1",
        why="news",
        at=NOW,
        kill=kill,
    )


@pytest.mark.parametrize(
    ("heartbeat", "fresh", "halted", "over", "expected"),
    [
        ("running", True, False, control(), (Standing.RUNNING, "")),
        ("catching_up", False, False, control(), (Standing.STARTING, "reading what it missed")),
        ("running", True, False, control(entries=False), (Standing.PAUSED, "by telegram:1: news")),
        ("running", True, True, control(), (Standing.HALTED, "by its drawdown")),
        ("running", False, False, control(), (Standing.UNHEALTHY, "its positions are not fresh")),
        (None, True, False, control(), (Standing.UNHEALTHY, "no sign of life")),
        ("stopped", True, False, control(), (Standing.UNHEALTHY, "no sign of life")),
        ("running", True, False, control(running=False), (Standing.STOPPING, "by telegram:1: news")),
        ("stopped", True, False, control(running=False), (Standing.STOPPED, "by telegram:1: news")),
        (None, False, False, control(running=False), (Standing.STOPPED, "by telegram:1: news")),
        (None, True, False, control(entries=False, running=False, kill="k1"), (Standing.KILLED, "by telegram:1: news")),
    ],
)
def test_a_bot_stands_in_one_word_and_a_reason(
    heartbeat: str | None, fresh: bool, halted: bool, over: Control, expected: tuple[Standing, str]
) -> None:
    assert standing_of(heartbeat=heartbeat, positions_fresh=fresh, halted=halted, controls=[over]) == expected


def test_what_forbids_counts_over_what_allows() -> None:
    found, _ = standing_of(
        heartbeat="running", positions_fresh=True, halted=True, controls=[control(), control(entries=False)]
    )
    # halted and paused at once: the halt is told, because it is lifted by something else
    assert found is Standing.HALTED


def test_without_live_state_nothing_is_said_but_a_kill_is() -> None:
    away = standing_of(heartbeat=None, positions_fresh=True, halted=False, controls=[control()], known=False)
    assert away == (Standing.UNKNOWN, "Redis does not answer")
    killed, _ = standing_of(
        heartbeat=None,
        positions_fresh=True,
        halted=False,
        controls=[control(entries=False, running=False, kill="k1")],
        known=False,
    )
    assert killed is Standing.KILLED
