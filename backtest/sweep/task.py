"""What a sweep is asked to do, complete and the same in every process that works on it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path
from typing import Any

from backtest.plan import Plan
from backtest.sweep.space import Space, space_text
from backtest.sweep.windows import Window


@unique
class Search(StrEnum):
    GRID = "grid"
    """Every combination."""
    OPTUNA = "optuna"
    """Combinations suggested by Optuna's TPE sampler, learning from those tried before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """`plan` is what every trial has in common; the `space` is varied over its parameters. `trials` is how many each
    window gets. The objective, a figure of the report, is made as large as it gets."""

    name: str
    strategy: str
    plan: Plan
    candles: Path
    windows: Sequence[Window]
    space: Space
    search: Search
    trials: int
    objective: str
    seed: int

    def definition(self) -> dict[str, Any]:
        """What must be equal for trials to belong to the same sweep. The number of trials may grow, and machines keep
        their candles where they like."""
        plan = self.plan
        return {
            "strategy": self.strategy,
            "symbols": list(plan.symbols),
            "parameters": json.loads(plan.params.model_dump_json()),
            "limits": json.loads(plan.limits.model_dump_json()),
            "fees": {symbol: str(market.fees) for symbol, market in sorted(plan.markets.items())},
            "liquidity": repr(plan.liquidity),
            "balance": str(plan.balance),
            "capital": None if plan.capital is None else str(plan.capital),
            "windows": [
                [each.start.isoformat(), each.split.isoformat(), each.end.isoformat()] for each in self.windows
            ],
            "space": space_text(self.space),
            "search": self.search.value,
            "objective": self.objective,
        }


def name_of(definition: Mapping[str, Any]) -> str:
    """A name that the same sweep always gets, so that the same command goes on where it was."""
    digest = hashlib.blake2b(json.dumps(definition, sort_keys=True).encode(), digest_size=5).hexdigest()
    return f"{str(definition['strategy']).rpartition(':')[2].lower()}-{digest}"
