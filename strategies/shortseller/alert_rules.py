from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class AlertRules:
    """When the trader is told, as the parameters of these names say: looked at at every bar, and a parameter costs ten
    times an attribute."""

    interval: timedelta
    move_percent: float
    move_bars: int
    volume_ratio: float
    volume_bars: int
    ema_gap_percent: float
