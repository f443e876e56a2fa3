"""What every strategy's parameters and state are made of: apart from the strategy, because pydantic cannot read a model
that is compiled."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class StrategyParams(BaseModel):
    """Base of a strategy's parameters. Names carry their unit (`stop_percent`, `hold_bars`); unknown names fail."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StrategyState(BaseModel):
    """Base of what a strategy keeps over a restart. Saved with the fill cursor in one write after every event, so a
    change made in a hook happens exactly once. Every field needs a default: that is the state of a new bot."""

    model_config = ConfigDict(extra="ignore")
