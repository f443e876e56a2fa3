"""What is around every REST answer."""

from __future__ import annotations

from typing import Any


def answer(result: dict[str, Any], now_ms: int, *, message: str = "OK") -> dict[str, Any]:
    return {"retCode": 0, "retMsg": message, "result": result, "retExtInfo": {}, "time": now_ms}


def refusal(code: int, text: str, now_ms: int) -> dict[str, Any]:
    return {"retCode": code, "retMsg": text, "result": {}, "retExtInfo": {}, "time": now_ms}
