from __future__ import annotations

import threading

from alpha.bot.readers import Reader
from alpha.domain.errors import InvalidValue


def test_a_reader_goes_on_after_any_failure():
    # given a step that fails in a way nobody thought of
    went_on = threading.Event()
    failures = iter([InvalidValue("a price of 0")])

    def step() -> None:
        for failure in failures:
            raise failure
        went_on.set()

    reader = Reader("fills", step)
    # when
    reader.start()
    # then
    try:
        assert went_on.wait(30)
    finally:
        reader.stop()
        reader.join()
