"""The number under which controls are mirrored: later readings never have a smaller one, and changes are told apart."""

from __future__ import annotations

from contextlib import closing

from alpha.ledger.connection import connect, transaction
from alpha.ledger.controls import PLATFORM, load_controls_version, set_control
from tests.support import Database


def test_a_control_that_was_set_has_a_higher_version_than_every_reading_before(database: Database) -> None:
    with (
        closing(connect(database.dsn("reader"), "tests")) as reader,
        closing(connect(database.dsn("commander"), "tests")) as commander,
    ):
        before, controls = load_controls_version(reader)
        set_control(commander, PLATFORM, by="trader", why="test", entries_allowed=False)
        after, changed = load_controls_version(reader)
    assert (controls[PLATFORM].entries_allowed, changed[PLATFORM].entries_allowed) == (True, False)
    assert after > before


def test_a_control_that_is_committed_late_counts_from_its_commit(database: Database) -> None:
    # given somebody who sets a control and does not commit yet, while others go on committing
    with (
        closing(connect(database.dsn("reader"), "tests")) as reader,
        closing(connect(database.dsn("commander"), "tests")) as slow,
        closing(connect(database.dsn("commander"), "tests")) as others,
    ):
        with transaction(slow):
            set_control(slow, PLATFORM, by="trader", why="slow", entries_allowed=False)
            for _ in range(3):
                set_control(others, "bot:other_001", by="trader", why="busy", entries_allowed=True)
            before, controls = load_controls_version(reader)
            assert controls[PLATFORM].entries_allowed
        after, changed = load_controls_version(reader)
    assert not changed[PLATFORM].entries_allowed
    assert after > before
