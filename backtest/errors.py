from __future__ import annotations

from alpha.domain.errors import Misconfigured


class BacktestRefused(Misconfigured):
    """What was asked for cannot be run: no data, too little of it, an empty period. The message says what to change."""
