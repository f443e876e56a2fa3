from __future__ import annotations

from decimal import Decimal

from alpha.domain.position import FLAT, Position


def test_equal_positions_are_one_member_of_a_set() -> None:
    short = Position(Decimal("-1.0"), Decimal(100))
    assert {short, Position(Decimal(-1), Decimal("100.00")), FLAT} == {short, FLAT}
    assert short != Position(Decimal(-1), Decimal(101))
