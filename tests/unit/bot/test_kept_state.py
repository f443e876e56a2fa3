"""What a dataclass of a strategy's state is restored to, whose fields' types pydantic is told and does not look up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, GetCoreSchemaHandler, TypeAdapter, ValidationError

from alpha.bot import CoreSchema, Ema, Holding, RecentValues, kept


@dataclass(slots=True)
class Memory:
    bars: int
    seen: dict[str, datetime] = field(default_factory=dict)
    newest: datetime | None = None
    doubled: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.doubled = 2 * self.bars

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return kept(cls, handler, bars=int, seen=dict[str, datetime], newest=datetime | None)


class State(BaseModel):
    memories: dict[str, Memory] = {}


def test_it_comes_back_as_it_was_with_what_follows_from_it() -> None:
    at = datetime(2025, 3, 1, tzinfo=UTC)
    state = State(memories={"BTCUSDT": Memory(3, {"cross": at}, at), "ETHUSDT": Memory(5)})
    restored = State.model_validate_json(state.model_dump_json())
    assert restored == state
    assert restored.memories["BTCUSDT"].doubled == 6
    assert "doubled" not in state.model_dump_json()


def test_what_is_not_there_is_as_in_a_new_one() -> None:
    restored = State.model_validate({"memories": {"BTCUSDT": {"bars": 3}, "ETHUSDT": {"bars": 3}}})
    first, second = restored.memories.values()
    assert first == Memory(3)
    assert first.seen is not second.seen


@pytest.mark.parametrize("saved", [{}, {"bars": "three"}, {"bars": 3, "seen": {"cross": "yesterday"}}])
def test_what_does_not_fit_is_refused(saved: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Memory).validate_python(saved)


def test_an_indicator_of_no_bars_is_refused() -> None:
    for kind in (Ema, RecentValues):
        with pytest.raises(ValidationError, match="greater than 0"):
            TypeAdapter(kind).validate_python({"length": 0})


def test_a_field_without_a_type_is_a_mistake_of_the_class() -> None:
    with pytest.raises(TypeError, match="Holding is made of quantity, opened_at, in this order"):
        kept(Holding, None, quantity=int)  # type: ignore[arg-type]
