"""Why a fill happened, from what the exchange says created its order."""

from __future__ import annotations

from alpha.domain.fill import ExecType, Fill
from alpha.domain.reason import Reason

# https://bybit-exchange.github.io/docs/v5/enum#createtype and #stopordertype. CreateByUser without one of our tags is a
# person or a foreign program on the same account.
_BY_CREATE_TYPE = {
    "CreateByStopLoss": Reason.STOP_LOSS,
    "CreateByPartialStopLoss": Reason.STOP_LOSS,
    "CreateByTakeProfit": Reason.TAKE_PROFIT,
    "CreateByPartialTakeProfit": Reason.TAKE_PROFIT,
    "CreateByTrailingStop": Reason.TRAILING_STOP,
    "CreateByTrailingProfit": Reason.TRAILING_STOP,
    "CreateByLiq": Reason.LIQUIDATION,
    "CreateByMmRateClose": Reason.LIQUIDATION,
    "CreateByTakeOver_PassThrough": Reason.LIQUIDATION,
    "CreateByAdl_PassThrough": Reason.ADL,
    "CreateBySettle": Reason.SETTLEMENT,
    "CreateByAdminClosing": Reason.MANUAL,
    "CreateByClosing": Reason.MANUAL,
}
_BY_STOP_ORDER_TYPE = {
    "StopLoss": Reason.STOP_LOSS,
    "PartialStopLoss": Reason.STOP_LOSS,
    "TakeProfit": Reason.TAKE_PROFIT,
    "PartialTakeProfit": Reason.TAKE_PROFIT,
    "TrailingStop": Reason.TRAILING_STOP,
    "MmRateClose": Reason.LIQUIDATION,
}
_BY_EXEC_TYPE = {
    ExecType.FUNDING: Reason.FUNDING,
    ExecType.ADL: Reason.ADL,
    ExecType.BUST: Reason.LIQUIDATION,
    ExecType.DELIVERY: Reason.SETTLEMENT,
    ExecType.SETTLE: Reason.SETTLEMENT,
    # A person agrees on these with somebody, or moves a position between accounts.
    ExecType.BLOCK_TRADE: Reason.MANUAL,
    ExecType.MOVE_POSITION: Reason.MANUAL,
    ExecType.FUTURE_SPREAD: Reason.MANUAL,
}


def reason_of(fill: Fill) -> Reason:
    """Why a fill without one of our tags happened, from what the exchange says created it."""
    if fill.exec_type in _BY_EXEC_TYPE:
        return _BY_EXEC_TYPE[fill.exec_type]
    if fill.create_type in _BY_CREATE_TYPE:
        return _BY_CREATE_TYPE[fill.create_type]
    if fill.stop_order_type in _BY_STOP_ORDER_TYPE:
        return _BY_STOP_ORDER_TYPE[fill.stop_order_type]
    if fill.create_type in ("CreateByUser", "CreateByStopOrder"):
        return Reason.MANUAL
    return Reason.UNKNOWN
