"""Every execution that Bybit can make, from its row on the wire to its owner: bot, method and reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from alpha.domain.fill import AttributionMethod, ExecType, Fill
from alpha.domain.ids import BotId, OrderId, Symbol
from alpha.domain.order_link_id import OrderLinkId
from alpha.domain.reason import Reason
from alpha.exchange.errors import UnknownMessage
from alpha.exchange.parse import infer_position_idx, parse_fill
from tests.unit.domain.fills import BTCUSDT, MAIN, START
from tests.unit.exchange.wire import execution
from tests.unit.listener.accounts import ONE, TWO, a_bot, alone, an_account, shared
from websocket_listener.attribution import AccountOwners, attribute

TAG = str(OrderLinkId.for_decision(code="b2", bot=TWO, run="r", symbol=BTCUSDT, bar=START, reason=Reason.REGIME_EXIT))
HEDGE = AccountOwners(an_account("hedge"), [a_bot(side="long"), a_bot(TWO, code="b2", redis_db=3, side="short")])
FOREIGN = "XRPUSDT"
TAGGED, ORDER = AttributionMethod.TAG, AttributionMethod.ORDER
SOLE, HOLDER, NOBODY = AttributionMethod.SOLE_OWNER, AttributionMethod.HOLDER, AttributionMethod.NONE


@dataclass(frozen=True)
class Case:
    """What the exchange sends (beside the usual), what is known, and whose it is."""

    row: dict[str, Any]
    bot: BotId | None
    method: AttributionMethod
    reason: Reason
    owners: AccountOwners = field(default_factory=shared)
    order_of: BotId | None = None
    holder: BotId | None = None


def closing(create_type: str, stop_order_type: str = "UNKNOWN", **more: Any) -> dict[str, Any]:
    """An execution without a tag that closes a long."""
    return {
        "side": "Sell",
        "closedSize": "0.003",
        "orderLinkId": "",
        "createType": create_type,
        "stopOrderType": stop_order_type,
        **more,
    }


def funding(side: str = "Buy", symbol: str = "BTCUSDT") -> dict[str, Any]:
    """As Bybit reports it: the side of the position, the whole position as quantity, an order id that is no order's."""
    return {
        "execType": "Funding",
        "side": side,
        "symbol": symbol,
        "orderLinkId": "",
        "orderType": "UNKNOWN",
        "createType": "",
        "closedSize": "0",
        "leavesQty": "0",
        "orderId": "1682668800-BTCUSDT-460579-Buy",
    }


CASES = {
    "an order of ours": Case({"orderLinkId": TAG}, TWO, TAGGED, Reason.REGIME_EXIT),
    "a market close of ours after a conditional order": Case(
        {"orderLinkId": TAG, "createType": "CreateByStopOrder", "stopOrderType": "Stop"},
        TWO,
        TAGGED,
        Reason.REGIME_EXIT,
    ),
    "a stop loss of the position": Case(closing("CreateByStopLoss", "StopLoss"), ONE, SOLE, Reason.STOP_LOSS),
    "a partial stop loss": Case(closing("CreateByPartialStopLoss", "PartialStopLoss"), ONE, SOLE, Reason.STOP_LOSS),
    "a take profit": Case(closing("CreateByTakeProfit", "TakeProfit"), ONE, SOLE, Reason.TAKE_PROFIT),
    "a partial take profit that rests as a limit": Case(
        closing("CreateByPartialTakeProfit", "PartialTakeProfit", isMaker=True), ONE, SOLE, Reason.TAKE_PROFIT
    ),
    "a trailing stop": Case(closing("CreateByTrailingStop", "TrailingStop"), ONE, SOLE, Reason.TRAILING_STOP),
    "a step of a liquidation": Case(closing("CreateByLiq"), ONE, SOLE, Reason.LIQUIDATION),
    "the takeover at the bankruptcy price": Case(
        closing("CreateByTakeOver_PassThrough", execType="BustTrade"), ONE, SOLE, Reason.LIQUIDATION
    ),
    "auto-deleveraging": Case(closing("CreateByAdl_PassThrough", execType="AdlTrade"), ONE, SOLE, Reason.ADL),
    "funding": Case(funding(), ONE, SOLE, Reason.FUNDING),
    "a delisting": Case(closing("CreateBySettle", execType="Delivery"), ONE, SOLE, Reason.SETTLEMENT),
    "closed on the web": Case(closing("CreateByClosing"), ONE, SOLE, Reason.MANUAL),
    "closed in the app by an order of one's own": Case(closing("CreateByUser"), ONE, SOLE, Reason.MANUAL),
    "closed by the exchange's staff": Case(closing("CreateByAdminClosing"), ONE, SOLE, Reason.MANUAL),
    "moved to another account": Case(closing("", execType="MovePosition"), ONE, SOLE, Reason.MANUAL),
    "a block trade": Case(closing("", execType="BlockTrade"), ONE, SOLE, Reason.MANUAL),
    "a leg of a spread": Case(closing("", execType="FutureSpread"), ONE, SOLE, Reason.MANUAL),
    "a tag of somebody else's program": Case({"orderLinkId": "grid-0001"}, ONE, SOLE, Reason.MANUAL),
    "an order that is known to be another bot's": Case(
        closing("CreateByUser"), TWO, ORDER, Reason.MANUAL, order_of=TWO, holder=ONE
    ),
    "on a symbol of no bot, by the order": Case(
        {"orderLinkId": "", "symbol": FOREIGN}, TWO, ORDER, Reason.MANUAL, order_of=TWO
    ),
    "a stop on a symbol of no bot, by the position": Case(
        closing("CreateByStopLoss", "StopLoss", symbol=FOREIGN), TWO, HOLDER, Reason.STOP_LOSS, holder=TWO
    ),
    "funding on a symbol of no bot": Case(funding(symbol=FOREIGN), TWO, HOLDER, Reason.FUNDING, holder=TWO),
    "a symbol that nobody trades or holds": Case({"orderLinkId": "", "symbol": FOREIGN}, None, NOBODY, Reason.MANUAL),
    "any symbol of a bot that is alone": Case(
        {"orderLinkId": "", "symbol": FOREIGN}, ONE, SOLE, Reason.MANUAL, owners=alone()
    ),
    "in hedge mode, a stop of the long": Case(
        closing("CreateByStopLoss", "StopLoss"), ONE, SOLE, Reason.STOP_LOSS, owners=HEDGE
    ),
    "in hedge mode, a stop of the short": Case(
        closing("CreateByStopLoss", "StopLoss", side="Buy"), TWO, SOLE, Reason.STOP_LOSS, owners=HEDGE
    ),
    "in hedge mode, an opening sale": Case(
        {"orderLinkId": "", "side": "Sell", "closedSize": "0"}, TWO, SOLE, Reason.MANUAL, owners=HEDGE
    ),
    "in hedge mode, funding of the short": Case(funding("Sell"), TWO, SOLE, Reason.FUNDING, owners=HEDGE),
    "a spot order of the same symbol": Case(
        {"category": "spot", "feeCurrency": "BTC", "orderLinkId": ""}, None, NOBODY, Reason.MANUAL
    ),
    "a fee in a currency that is not the contract's": Case(
        {"feeCurrency": "XYZ", "orderLinkId": TAG}, None, NOBODY, Reason.MANUAL
    ),
}


def read(row: dict[str, Any]) -> Fill:
    return parse_fill(execution(**row), MAIN)


@pytest.mark.parametrize("name", CASES)
def test_whose_it_is(name: str) -> None:
    case = CASES[name]
    fill = read(case.row)

    def owner_of_order(_: OrderId) -> BotId | None:
        return case.order_of

    def holder_of(_: Symbol, __: int) -> BotId | None:
        return case.holder

    found = attribute(
        fill,
        case.owners,
        position_idx=infer_position_idx(fill, case.owners.hedge),
        owner_of_order=owner_of_order,
        holder_of=holder_of,
    )
    assert (found.bot, found.method, found.reason) == (case.bot, case.method, case.reason)


def test_every_type_that_is_read_is_among_them() -> None:
    seen = {read(case.row).exec_type for case in CASES.values()}
    # inverse futures settle; no bot trades them
    assert seen == set(ExecType) - {ExecType.SETTLE}


@pytest.mark.parametrize("exec_type", ["CorporateAction", "ForwardSplitSettle", "ReverseSplitSettle", "Dividend"])
def test_a_type_that_is_not_known_is_no_fill_and_is_kept_raw(exec_type: str) -> None:
    with pytest.raises(UnknownMessage, match=exec_type):
        read({"execType": exec_type})


@pytest.mark.parametrize("change", [{"execQty": "-1"}, {"execQty": "0"}, {"execPrice": "-5"}, {"execFee": "nan"}])
def test_an_amount_that_cannot_be_is_no_fill(change: dict[str, Any]) -> None:
    with pytest.raises(UnknownMessage):
        read(change)
