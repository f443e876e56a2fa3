"""What the benchmark of a kill measures really happens: pressed in Telegram, cancelled and closed at the exchange."""

from __future__ import annotations

import pytest

from benchmarks import killing
from benchmarks.servers import Servers

pytestmark = pytest.mark.slow


def test_a_kill_is_timed_from_its_press_to_its_first_cancel_also_without_servers() -> None:
    with Servers() as servers:
        figures = {figure.what: figure.value for figure in killing.figures(servers, kills=1)}
    first, last = figures["/kill all, its first cancel"], figures["/kill all, the first cancel of the last account"]
    assert 0 < first <= last < figures["/kill all, told to be flat and proven"]
    assert figures["/kill all, its first cancel, PostgreSQL and Redis away"] > 0
