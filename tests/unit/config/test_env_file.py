from __future__ import annotations

from alpha.config.env_file import fill, written

TEXT = """\
# Passwords
POSTGRES_PASSWORD=
REDIS_PASSWORD=chosen
  # EXAMPLE=
COMPOSE_PROFILES=${ALPHA_MODE}
"""


def test_empty_lines_are_filled_and_everything_else_stays() -> None:
    text, filled = fill(TEXT, {"POSTGRES_PASSWORD": "p1", "REDIS_PASSWORD": "p2"})
    assert text == TEXT.replace("POSTGRES_PASSWORD=", "POSTGRES_PASSWORD=p1")
    assert filled == ["POSTGRES_PASSWORD"]


def test_what_has_no_line_is_added_at_the_end() -> None:
    text, filled = fill(TEXT, {"BREAKOUT_001_REDIS_PASSWORD": "p3", "NOTHING": ""})
    assert text == TEXT + "\nBREAKOUT_001_REDIS_PASSWORD=p3\n"
    assert filled == ["BREAKOUT_001_REDIS_PASSWORD"]


def test_filling_again_changes_nothing() -> None:
    once, _ = fill(TEXT, {"POSTGRES_PASSWORD": "p1", "NEW": "p3"})
    assert fill(once, {"POSTGRES_PASSWORD": "other", "NEW": "other"}) == (once, [])


def test_comments_are_no_variables() -> None:
    assert written(TEXT) == {"POSTGRES_PASSWORD": "", "REDIS_PASSWORD": "chosen", "COMPOSE_PROFILES": "${ALPHA_MODE}"}
