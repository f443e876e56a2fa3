"""Messages in Bybit's shapes, as the paper exchange and the documentation show them, and the fixtures folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from alpha.domain.ids import AccountName

ACCOUNT = AccountName("canary")
ROOT = Path(__file__).resolve().parents[3]


def fixtures() -> Path:
    """The folder of Bybit messages. Skips the test where it is absent."""
    folder = Path(os.environ.get("ALPHA_FIXTURES", ROOT.parent / "shared" / "fixtures" / "bybit"))
    if not folder.is_dir():
        pytest.skip(f"no Bybit messages in {folder}: set ALPHA_FIXTURES to a folder that has them")
    return folder


def fixture(name: str) -> Any:
    """One message by its file name. Skips the test where the folder is absent."""
    return json.loads((fixtures() / "nautilus" / name).read_text())


def fixture_names(pattern: str) -> list[str]:
    """File names for parametrize; a single placeholder where the folder is absent, so that the test is seen to skip."""
    folder = Path(os.environ.get("ALPHA_FIXTURES", ROOT.parent / "shared" / "fixtures" / "bybit")) / "nautilus"
    return sorted(path.name for path in folder.glob(pattern)) or ["(no fixtures)"]


def execution(**changes: Any) -> dict[str, Any]:
    """An execution of the stream (bybit-exchange.github.io/docs/v5/websocket/private/execution)."""
    return {
        "category": "linear",
        "symbol": "BTCUSDT",
        "isLeverage": "0",
        "orderId": "0b6ad8de-1c52-4a0e-9d8e-8f3c3f0e9a11",
        "orderLinkId": "s1-000017",
        "side": "Buy",
        "orderPrice": "101000",
        "orderQty": "0.003",
        "leavesQty": "0",
        "createType": "CreateByUser",
        "orderType": "Market",
        "stopOrderType": "UNKNOWN",
        "execFee": "0.16500017",
        "execId": "5d1e5a5e-7a5e-5d5c-9c9f-0b7a0a3c1d11",
        "execPrice": "100000.1",
        "execQty": "0.003",
        "execPnl": "0",
        "execType": "Trade",
        "execValue": "300.0003",
        "execTime": "1795219423779",
        "isMaker": False,
        "feeRate": "0.00055",
        "markPrice": "99998.2",
        "closedSize": "0",
        "extraFees": [],
        "seq": 8710023,
        "feeCurrency": "USDT",
    } | changes


def order(**changes: Any) -> dict[str, Any]:
    """An order of the stream."""
    return {
        "category": "linear",
        "orderId": "0b6ad8de-1c52-4a0e-9d8e-8f3c3f0e9a11",
        "orderLinkId": "s1-000017",
        "symbol": "BTCUSDT",
        "price": "100000.0",
        "qty": "0.003",
        "side": "Buy",
        "positionIdx": 0,
        "orderStatus": "PartiallyFilled",
        "createType": "CreateByUser",
        "cancelType": "UNKNOWN",
        "rejectReason": "EC_NoError",
        "avgPrice": "99999.9",
        "leavesQty": "0.001",
        "cumExecQty": "0.002",
        "timeInForce": "GTC",
        "orderType": "Limit",
        "stopOrderType": "",
        "triggerPrice": "",
        "takeProfit": "",
        "stopLoss": "",
        "reduceOnly": False,
        "closeOnTrigger": False,
        "createdTime": "1795219423770",
        "updatedTime": "1795219423990",
    } | changes


def position(**changes: Any) -> dict[str, Any]:
    """A row of the position stream."""
    return {
        "category": "linear",
        "positionIdx": 0,
        "symbol": "BTCUSDT",
        "side": "Buy",
        "size": "0.003",
        "entryPrice": "100000.1",
        "leverage": "10",
        "markPrice": "100500",
        "takeProfit": "",
        "stopLoss": "",
        "trailingStop": "0",
        "unrealisedPnl": "1.4997",
        "liqPrice": "",
        "createdTime": "1795000000000",
        "updatedTime": "1795219500010",
        "seq": 8710031,
    } | changes


def frame(topic: str, *data: Any) -> dict[str, Any]:
    return {"topic": topic, "id": "1001_BTCUSDT_8710023", "creationTime": 1795219423781, "data": list(data)}
