"""The benchmark's own exchange against the real listener: what it measures must really happen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from alpha.ledger.connection import connect
from alpha.ledger.reading import fills_after
from alpha.live import positions
from benchmarks.cast import SYMBOLS
from benchmarks.scene import Scene
from benchmarks.script import START, Script
from benchmarks.servers import Servers

pytestmark = pytest.mark.slow
FILLS = 151  # odd, so that a position is open at the end


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Servers() as started:
        yield started


def test_what_the_firehose_tells_is_recorded_and_live(servers):
    with Scene(servers, fills=FILLS, with_states=True) as scene:
        scene.start_listener()
        scene.run()
        scene.until_recorded(FILLS, within_s=30)
        role = scene.roles[0]
        script = Script(role, START)
        with closing(connect(scene.owner, "tests")) as connection:
            recorded = fills_after(connection, role.bot, 0)
        assert {fill.fill.exec_id for fill in recorded} == {script.exec_id(number) for number in range(FILLS)}

        def told(symbol):
            live = positions.read(scene.clients[role.bot], role.bot, symbol)
            return live is not None and live.position.size == script.position(symbol, FILLS).size

        scene.until(lambda: all(told(symbol) for symbol in SYMBOLS), within_s=60, what="live positions")


def test_what_happens_while_the_listener_is_down_is_found_over_rest(servers):
    with Scene(servers, fills=FILLS, mode="paper") as scene:
        scene.start_listener()
        scene.stop_listener()
        scene.run(heard=False)
        scene.until(lambda: (scene.progress() or {}).get("ended_ns"), within_s=60, what="the executions")
        scene.start_listener()
        scene.until_recorded(FILLS, within_s=30)
        # 151 executions are two pages of at most 100, and that more than once
        assert (scene.progress() or {})["lists"] >= 2
