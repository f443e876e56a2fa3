"""What surrounds every answer: Bybit's envelope, its error form, and the headers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from paper_exchange.engine import Refused

MARKET_TIME_HEADER = "X-Alpha-Market-Time"


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def answer(
    result: Mapping[str, Any], *, market_ms: int, message: str = "OK", extra: Mapping[str, Any] | None = None
) -> web.Response:
    """retCode 0."""
    return _response(
        {"retCode": 0, "retMsg": message, "result": result, "retExtInfo": extra or {}, "time": wall_ms()}, market_ms
    )


def refusal(refused: Refused, *, market_ms: int) -> web.Response:
    """A business error: HTTP 200 and a retCode other than 0 (https://bybit-exchange.github.io/docs/v5/error)."""
    body = {"retCode": refused.code, "retMsg": refused.text, "result": {}, "retExtInfo": {}, "time": wall_ms()}
    return _response(body, market_ms)


def _response(body: Mapping[str, Any], market_ms: int) -> web.Response:
    now = str(wall_ms())
    headers = {
        MARKET_TIME_HEADER: str(market_ms),
        "Timenow": now,
        # The paper exchange does not limit, and says so in the headers that clients read.
        "X-Bapi-Limit": "50",
        "X-Bapi-Limit-Status": "49",
        "X-Bapi-Limit-Reset-Timestamp": now,
    }
    return web.Response(body=orjson.dumps(body), content_type="application/json", headers=headers)
