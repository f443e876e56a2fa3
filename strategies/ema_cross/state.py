from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from alpha.bot import Ema, StrategyState
from alpha.domain.ids import Symbol


@dataclass(slots=True)
class Cross:
    """`above` is which side the fast average was on when that was last acted on, None before the first decision."""

    fast: Ema
    slow: Ema
    above: bool | None = None


class EmaCrossState(StrategyState):
    crosses: dict[Symbol, Cross] = Field(default_factory=dict)
