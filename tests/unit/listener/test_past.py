"""What has been read once, and what is left to read."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from alpha.domain.fill import Fill
from alpha.domain.side import Side
from alpha.exchange.executions import MILLISECOND, ExecutionWindow, windows
from tests.unit.domain.fills import START, a_fill
from websocket_listener.past import Fingerprint, Reading, fingerprint, reading_of, unread


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def fills(*numbers: int) -> list[Fill]:
    return [a_fill(Side.BUY, "1", at="100", n=n) for n in numbers]


def read(since: float, to: float, *, until: float = 100, of: tuple[float, float] | None = None) -> Reading:
    stretch = (at(since), at(to)) if of is None else (at(of[0]), at(of[1]))
    return reading_of(ExecutionWindow(at(since), at(to), ()), stretch, at(until), 0.0, whole=True)


def test_a_fingerprint_knows_a_set_and_not_its_order() -> None:
    assert fingerprint(fills(1, 2, 3)) == fingerprint(fills(3, 1, 2))
    assert fingerprint(fills(1, 2)) + fingerprint(fills(3)) == fingerprint(fills(1, 2, 3))
    assert fingerprint(fills(1, 2, 3)) != fingerprint(fills(1, 2, 4))
    assert fingerprint(fills(1, 2, 3)) != fingerprint(fills(1, 2))
    assert fingerprint([]) == Fingerprint()


def test_the_millisecond_in_which_the_reading_began_counts_next_time() -> None:
    window = ExecutionWindow(at(0), at(10), tuple(fills(1, 10)))
    reading = reading_of(window, (at(0), at(10)), at(10), 0.0, whole=True)
    assert (reading.limit, reading.proves_to) == (at(10), at(10))
    assert reading.found == fingerprint(fills(1))
    assert reading.counted(window.fills) == fills(1)


def test_a_window_of_the_past_counts_to_its_last_millisecond() -> None:
    window = ExecutionWindow(at(0), at(10), tuple(fills(1, 10)))
    reading = reading_of(window, (at(0), at(50)), at(50), 0.0, whole=True)
    assert (reading.limit, reading.proves_to) == (at(10) + MILLISECOND, at(10) + MILLISECOND)
    assert reading.found == fingerprint(fills(1, 10))


def test_a_stretch_in_doubt_is_proven_to_its_end_and_not_beyond() -> None:
    reading = read(20, 30, of=(20, 30))
    assert (reading.limit, reading.proves_to) == (at(30) + MILLISECOND, at(30))
    assert reading.lies_in((at(20), at(30)))
    assert not reading.lies_in((at(20), at(29)))
    assert not reading.lies_in((at(21), at(30)))


def test_only_what_was_not_read_is_left() -> None:
    stretch = (at(0), at(100))
    assert unread(stretch, []) == [stretch]
    assert unread(stretch, [read(0, 40, of=(0, 100))]) == [(at(40) + MILLISECOND, at(100))]
    assert unread(stretch, [read(40, 60, of=(0, 100))]) == [
        (at(0), at(40) - MILLISECOND),
        (at(60) + MILLISECOND, at(100)),
    ]
    assert unread(stretch, [read(0, 100)]) == []


def test_a_market_that_stands_still_is_looked_at_in_its_instant() -> None:
    assert unread((at(5), at(5)), []) == [(at(5), at(5))]


@given(
    cuts=st.lists(st.integers(min_value=0, max_value=60_000), min_size=2, max_size=12, unique=True).map(sorted),
    kept=st.lists(st.booleans(), min_size=12, max_size=12),
    span=st.integers(min_value=1, max_value=20_000),
)
def test_readings_and_what_is_left_cover_every_millisecond(cuts: list[int], kept: list[bool], span: int) -> None:
    # given a stretch of which some windows have been read
    since, until = (START + timedelta(milliseconds=cut) for cut in (cuts[0], cuts[-1]))
    stretch = (since, until)
    readings = [
        reading_of(ExecutionWindow(start, end, ()), stretch, until, 0.0, whole=True)
        for (start, end), keep in zip(windows(since, until, timedelta(milliseconds=span)), kept * 5000, strict=False)
        if keep
    ]
    # then each millisecond is in one of them or left to be read
    covered = sorted(
        [(each.start, each.limit) for each in readings]
        + [(start, end + MILLISECOND) for start, end in unread(stretch, readings)]
    )
    edge = since
    for start, end in covered:
        assert start <= edge
        edge = max(edge, end)
    assert edge >= until
