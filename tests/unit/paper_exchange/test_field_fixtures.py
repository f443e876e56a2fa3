"""The table against messages of Bybit that nobody of this project wrote: that every field in them is in the table, with
the type that it has there, and that what the table asks for beyond them is known to be younger than they are.
"""

from __future__ import annotations

import re
from fnmatch import fnmatch

import pytest

from paper_exchange.fields import FieldTable, load_fields
from tests.unit.exchange.wire import fixture, fixture_names, fixtures

ANSWERS = {
    "http_get_account_info.json": "/v5/account/info",
    "http_get_executions.json": "/v5/execution/list",
    "http_get_fee_rate.json": "/v5/account/fee-rate",
    "http_get_funding_history.json": "/v5/market/funding/history",
    "http_get_instruments_linear*.json": "/v5/market/instruments-info",
    "http_get_klines_linear.json": "/v5/market/kline",
    "http_get_order_partially_filled_rejected.json": "/v5/order/history",
    "http_get_orderbook.json": "/v5/market/orderbook",
    "http_get_orders_history*.json": "/v5/order/history",
    "http_get_orders_realtime*.json": "/v5/order/realtime",
    "http_get_positions*.json": "/v5/position/list",
    "http_get_trades_recent.json": "/v5/market/recent-trade",
    "http_get_user_query_api.json": "/v5/user/query-api",
    "http_get_wallet_balance*.json": "/v5/account/wallet-balance",
}
FRAMES = {
    "ws_account_execution*.json": "/v5/private",
    "ws_account_order*.json": "/v5/private",
    "ws_account_position.json": "/v5/private",
    "ws_account_position_short.json": "/v5/private",
    "ws_account_wallet*.json": "/v5/private",
    "ws_kline.json": "/v5/public/linear",
    "ws_orderbook*.json": "/v5/public/linear",
    "ws_subscription*.json": "/v5/public/linear",
    "ws_ticker_linear.json": "/v5/public/linear",
    "ws_auth*.json": "/v5/trade",
    "ws_order_response.json": "/v5/trade",
}
SHAPES = {"ws_public_trade.json": "public_trade_frame", "ws_account_position_with_open_time.json": "position_row"}

# Fields that the documentation names and the messages lack: most of them were added after the message was made, some
# were cut out by those who edited it. By the pattern of the file.
YOUNGER = {
    "http_*": {"retExtInfo", "time"},
    "*executions.json": {"execFeeV2", "extraFees", "marketUnit"},
    "*execution*.json": {"createType", "execPnl", "extraFees", "feeCurrency", "marketUnit"},
    "*order*.json": {
        "brokerOrderPrice",
        "category",
        "closedPnl",
        "createType",
        "cumFeeDetail",
        "extraFees",
        "isLeverage",
        "marketUnit",
        "ocoTriggerBy",
        "parentOrderLinkId",
        "rpiMatchedQty",
        "rpiTakerAccess",
        "slippageTolerance",
        "slippageToleranceType",
    },
    "*position*.json": {
        "breakEvenPrice",
        "isReduceOnly",
        "leverageSysUpdatedTime",
        "mmrSysUpdatedTime",
        "openTime",
        "positionIMByMp",
        "positionMMByMp",
        "seq",
        "sessionAvgPrice",
    },
    "*instruments*.json": {
        "category",
        "copyTrading",
        "displayName",
        "forbidUplWithdrawal",
        "isPreListing",
        "lowerFundingRate",
        "maxMktOrderQty",
        "preListingInfo",
        "riskParameters",
        "symbolId",
        "symbolType",
        "upperFundingRate",
    },
    "*wallet*.json": {
        "accountIMRateByMp",
        "accountMMRateByMp",
        "accountType",
        "bonus",
        "colRes",
        "collateralSwitch",
        "cumRealisedPnl",
        "free",
        "locked",
        "marginCollateral",
        "spotHedgingQty",
        "totalInitialMarginByMp",
        "totalMaintenanceMarginByMp",
        "totalOrderIM",
        "totalPositionIM",
        "totalPositionMM",
        "unrealisedPnl",
        "usdValue",
    },
    "*trades_recent.json": {"isRPITrade", "seq"},
    "*public_trade.json": {"L", "RPI", "seq"},
    "ws_orderbook*.json": {"cts"},
    "ws_order_response.json": {"header", "retExtInfo"},
}
# What their authors changed: values that Bybit does not send, names that it does not have.
CHANGED = {
    "*order*.json": {
        "avgPrice: None is not a decimal number in text or empty text",
        "blockTradeId: None is not text",
        "orderIv: None is not a decimal number in text or empty text",
    },
    "http_get_order_partially_filled_rejected.json": {"rejectReason: 'INSUFFICIENT_MARGIN' is none of"},
    "ws_account_order_partially_filled_rejected.json": {"rejectReason: 'UNKNOWN' is none of"},
    "http_get_fee_rate.json": {"baseCoin: not in the table"},
    "http_get_instruments_linear.json": {"nextPageCursor: None is not text"},
    "ws_account_wallet*.json": {"totalPerpUpl: not in the table", "totalPerpUPL: missing"},
    "ws_auth*.json": {"success: not in the table"},
}


@pytest.fixture(scope="module")
def table() -> FieldTable:
    return load_fields()


def of_file(name: str, by_pattern: dict[str, set[str]]) -> set[str]:
    return set().union(*(values for pattern, values in by_pattern.items() if fnmatch(name, pattern)))


def unexpected(name: str, problems: list[str]) -> list[str]:
    """The problems that neither the age of a message nor its authors explain."""
    missing = {f"{field}: missing" for field in of_file(name, YOUNGER)}
    changed = of_file(name, CHANGED)
    field = re.compile(r".*?(\w+: .*)")
    said = {match[1] for problem in problems if (match := field.fullmatch(problem))}
    return sorted(text for text in said - missing if not any(text.startswith(known) for known in changed))


def matching(name: str, by_pattern: dict[str, str]) -> str:
    return next((value for pattern, value in by_pattern.items() if fnmatch(name, pattern)), "")


def named(by_pattern: dict[str, str]) -> list[str]:
    return sorted({name for pattern in by_pattern for name in fixture_names(pattern)})


@pytest.mark.parametrize("name", named(ANSWERS))
def test_answers(name: str, table: FieldTable) -> None:
    fixtures()
    assert unexpected(name, table.check_answer("GET", matching(name, ANSWERS), fixture(name))) == []


@pytest.mark.parametrize("name", [name for name in named(FRAMES) if name not in SHAPES])
def test_frames(name: str, table: FieldTable) -> None:
    fixtures()
    assert unexpected(name, table.check_frame(matching(name, FRAMES), fixture(name))) == []


@pytest.mark.parametrize("name", named(SHAPES))
def test_parts(name: str, table: FieldTable) -> None:
    """One was given a topic that does not exist, the other is a row without its frame."""
    fixtures()
    assert unexpected(name, table.check_shape(SHAPES[name], fixture(name))) == []


def test_a_message_with_a_wrong_field_is_seen(table: FieldTable) -> None:
    """The exceptions above do not hide everything."""
    frame = fixture("ws_account_execution.json")
    frame["data"][0]["execQty"] = 0.5
    del frame["data"][0]["execFee"]
    problems = table.check_frame("/v5/private", frame)
    assert unexpected("ws_account_execution.json", problems) == [
        "execFee: missing",
        "execQty: 0.5 is not a decimal number in text",
    ]
