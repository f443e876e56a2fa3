from __future__ import annotations

import pytest

from telegram_manager.rendering.log_lines import readable


def test_an_event_reads_as_a_line() -> None:
    line = (
        '{"symbol":"BTCUSDT","fields":{"a":[1,2]},"text":"","service":"canary_001","event":"order_accepted",'
        '"time":"2026-11-21T10:45:01.123456Z","severity":"info"}'
    )
    assert readable(line) == '10:45:01 info order_accepted symbol=BTCUSDT fields={"a":[1,2]}'


@pytest.mark.parametrize("line", ["Traceback (most recent call last):", "[1, 2]", '{"no": "event"}', "", "{"])
def test_what_is_no_event_stays_as_it_is(line: str) -> None:
    assert readable(line) == line
