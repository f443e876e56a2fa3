from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from alpha.domain.errors import InvalidValue
from alpha.domain.quick_init import quick_init


@quick_init
@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 7

    def __post_init__(self) -> None:
        if self.x < 0:
            raise InvalidValue("x")


@dataclass(frozen=True, slots=True)
class Plain:
    x: int
    y: int = 7


def test_it_is_made_like_any_dataclass() -> None:
    assert Point(1) == Point(x=1, y=7) == Point(1, 7)
    assert (Point(3, y=4).x, Point(3, y=4).y) == (3, 4)
    assert [each.name for each in fields(Point)] == ["x", "y"]
    assert repr(Point(1)) == "Point(x=1, y=7)"
    assert hash(Point(1)) == hash(Plain(1))


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(TypeError):
        Point()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Point(1, z=2)  # type: ignore[call-arg]


def test_nothing_can_be_changed() -> None:
    point = Point(1)
    with pytest.raises(FrozenInstanceError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del point.y
    assert type(point) is Point
    assert point == Point(1)


def test_it_is_checked_on_construction() -> None:
    with pytest.raises(InvalidValue):
        Point(-1)
    with pytest.raises(InvalidValue):
        replace(Point(1), x=-1)


def test_it_is_copied_replaced_and_pickled() -> None:
    assert replace(Point(1), y=2) == Point(1, 2)
    assert copy.copy(Point(1, 2)) == Point(1, 2)
    assert pickle.loads(pickle.dumps(Point(1, 2))) == Point(1, 2)


def test_what_it_cannot_do_is_refused() -> None:
    @dataclass(frozen=True, slots=True)
    class Listing:
        names: list[str] = field(default_factory=list)

    with pytest.raises(TypeError, match="names"):
        quick_init(Listing)
