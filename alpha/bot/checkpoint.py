from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict

from alpha.bot.larger_bars import FormingBar
from alpha.bot.order_in_flight import OrderInFlight
from alpha.bot.result import ResultState
from alpha.domain.ids import Symbol


class Checkpoint(BaseModel):
    """What a bot continues from besides its fill cursor; one JSON document in `bot_state`. All times are market time.

    `observed` is the end of the newest bar each symbol's indicators have seen, `decided` that of the last round traded
    on, `held` the position by the fills handled, `entries` when entries were sent within the last hour. `forming` are
    the longer bars that are being built. `limits` is for whoever looks: how far each limit was used at the last round.
    """

    model_config = ConfigDict(extra="ignore")

    strategy: dict[str, Any] = {}
    observed: dict[Symbol, datetime] = {}
    decided: datetime | None = None
    held: dict[Symbol, Decimal] = {}
    entries: list[datetime] = []
    orders: list[OrderInFlight] = []
    forming: list[FormingBar] = []
    result: ResultState | None = None
    limits: list[dict[str, Any]] = []
