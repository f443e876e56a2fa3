"""What is around every REST answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def answer(
    result: Mapping[str, Any], now_ms: int, *, message: str = "OK", extra: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """`extra` is what batches put into retExtInfo: what became of each item."""
    return {"retCode": 0, "retMsg": message, "result": result, "retExtInfo": extra or {}, "time": now_ms}


def refusal(code: int, text: str, now_ms: int) -> dict[str, Any]:
    # A text may repeat what a client sent, which need not be valid Unicode, and the answer has to be.
    valid = text.encode("utf-8", "replace").decode()
    return {"retCode": code, "retMsg": valid, "result": {}, "retExtInfo": {}, "time": now_ms}
