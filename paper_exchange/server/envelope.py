"""What is around every REST answer."""

from __future__ import annotations

import time
from typing import Any


def wall_ms() -> int:
    """Milliseconds of the wall clock: signatures, envelopes and frames run on it, never the market's times."""
    return time.time_ns() // 1_000_000


def answer(result: dict[str, Any], *, message: str = "OK") -> dict[str, Any]:
    return {"retCode": 0, "retMsg": message, "result": result, "retExtInfo": {}, "time": wall_ms()}


def refusal(code: int, text: str) -> dict[str, Any]:
    return {"retCode": code, "retMsg": text, "result": {}, "retExtInfo": {}, "time": wall_ms()}
