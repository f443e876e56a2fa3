"""The values that are told again and again, and that what is kept of them stays small."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpha.exchange import wire_fields

MANY = 10_000
START = datetime(1970, 1, 1, tzinfo=UTC)


def after(milliseconds: int) -> datetime:
    return START + timedelta(milliseconds=milliseconds)


@pytest.mark.parametrize(
    ("take", "told", "means", "kept"),
    [
        (wire_fields.often, str, Decimal, wire_fields._numbers),
        (wire_fields.time, str, after, wire_fields._times),
        (wire_fields.at_ms, int, after, wire_fields._moments),
    ],
    ids=["numbers", "times", "moments"],
)
def test_what_is_kept_does_not_grow_with_what_was_told(
    take: Callable[[Any], Any], told: Callable[[int], Any], means: Callable[[int], Any], kept: dict[Any, Any]
) -> None:
    most = 0
    for n in range(MANY):
        assert take(told(n)) == means(n)
        most = max(most, len(kept))
    assert most < MANY / 2
    assert take(told(MANY)) is take(told(MANY))
