from __future__ import annotations

from dataclasses import replace

import pytest

from alpha.domain.fill import AttributionMethod, ExecType, Fill
from alpha.domain.ids import BotId, OrderId, Symbol
from alpha.domain.order_link_id import OrderLinkId
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from tests.unit.domain.fills import BTCUSDT, START, a_fill
from tests.unit.listener.accounts import ETHUSDT, ONE, TWO, a_bot, alone, an_account, shared
from websocket_listener.attribution import AccountOwners, attribute, reason_of

FOREIGN_SYMBOL = Symbol("XRPUSDT")


def tag(code: str, reason: Reason = Reason.ENTRY, bot: BotId = ONE) -> str:
    return str(OrderLinkId.for_decision(code=code, bot=bot, run="r", symbol=BTCUSDT, bar=START, reason=reason))


def a_report(symbol: Symbol = BTCUSDT, **changes: object) -> Fill:
    return replace(a_fill(Side.BUY, "1", at="100"), symbol=symbol, **changes)  # type: ignore[arg-type]


def owner(
    fill: Fill,
    owners: AccountOwners,
    *,
    of_order: BotId | None = None,
    holder: BotId | None = None,
    position_idx: int = 0,
) -> tuple[BotId | None, AttributionMethod, Reason]:
    found = attribute(
        fill,
        owners,
        position_idx=position_idx,
        owner_of_order=lambda _: of_order,
        holder_of=lambda _symbol, _idx: holder,
    )
    return found.bot, found.method, found.reason


def test_the_tag_names_bot_and_reason_before_anything_else() -> None:
    fill = a_report(order_link_id=tag("b2", Reason.TIME_EXIT))
    assert owner(fill, shared(), of_order=ONE, holder=ONE) == (TWO, AttributionMethod.TAG, Reason.TIME_EXIT)


def test_the_tag_of_another_accounts_bot_is_foreign() -> None:
    fill = a_report(order_link_id=tag("zz"))
    assert owner(fill, shared()) == (ONE, AttributionMethod.SOLE_OWNER, Reason.MANUAL)


def test_without_a_tag_the_order_tells() -> None:
    fill = a_report(FOREIGN_SYMBOL, order_id=OrderId("known"))
    assert owner(fill, shared(), of_order=TWO, holder=ONE)[:2] == (TWO, AttributionMethod.ORDER)


def test_the_order_of_another_bot_outweighs_sole_ownership() -> None:
    assert owner(a_report(), shared(), of_order=TWO)[:2] == (TWO, AttributionMethod.ORDER)


def test_where_order_and_sole_ownership_agree_it_is_sole_ownership_whichever_is_known_first() -> None:
    assert owner(a_report(), shared(), of_order=ONE) == owner(a_report(), shared())


def test_an_order_of_a_bot_that_left_the_account_tells_nothing() -> None:
    assert owner(a_report(), shared(), of_order=BotId("gone_001"))[:2] == (ONE, AttributionMethod.SOLE_OWNER)


def test_funding_belongs_to_no_order() -> None:
    fill = a_report(exec_type=ExecType.FUNDING)
    assert owner(fill, shared(), of_order=TWO) == (ONE, AttributionMethod.SOLE_OWNER, Reason.FUNDING)


def test_a_bot_alone_on_its_account_owns_every_symbol_of_it() -> None:
    assert owner(a_report(FOREIGN_SYMBOL), alone())[:2] == (ONE, AttributionMethod.SOLE_OWNER)


def test_of_a_bot_alone_on_its_account_no_order_is_looked_for() -> None:
    asked: list[OrderId] = []
    found = attribute(
        a_report(order_id=OrderId("any")),
        alone(),
        position_idx=0,
        owner_of_order=lambda order: asked.append(order),
        holder_of=lambda _symbol, _idx: None,
    )
    assert (found.bot, found.method, asked) == (ONE, AttributionMethod.SOLE_OWNER, [])


def test_on_a_shared_account_the_only_trader_of_the_symbol_owns_it() -> None:
    assert owner(a_report(ETHUSDT), shared())[:2] == (TWO, AttributionMethod.SOLE_OWNER)


def test_in_hedge_mode_each_side_has_its_owner() -> None:
    owners = AccountOwners(an_account("hedge"), [a_bot(side="long"), a_bot(TWO, code="b2", redis_db=3, side="short")])
    assert owner(a_report(), owners, position_idx=1)[:2] == (ONE, AttributionMethod.SOLE_OWNER)
    assert owner(a_report(), owners, position_idx=2)[:2] == (TWO, AttributionMethod.SOLE_OWNER)


def test_else_the_bot_that_holds_the_position() -> None:
    assert owner(a_report(FOREIGN_SYMBOL), shared(), holder=TWO)[:2] == (TWO, AttributionMethod.HOLDER)


def test_else_nobody() -> None:
    assert owner(a_report(FOREIGN_SYMBOL), shared())[:2] == (None, AttributionMethod.NONE)


def test_a_spot_order_of_the_same_symbol_is_nobodys() -> None:
    fill = a_report(category="spot", fee_currency="BTC", order_link_id=tag("b1"))
    assert owner(fill, alone(), of_order=ONE, holder=ONE)[:2] == (None, AttributionMethod.NONE)


def test_a_fee_in_another_currency_than_the_contract_settles_in_is_nobodys() -> None:
    fill = a_report(fee_currency="MNT", order_link_id=tag("b1"))
    assert owner(fill, alone())[:2] == (None, AttributionMethod.NONE)


@pytest.mark.parametrize(
    ("exec_type", "create_type", "stop_order_type", "reason"),
    [
        (ExecType.TRADE, "CreateByStopLoss", "StopLoss", Reason.STOP_LOSS),
        (ExecType.TRADE, "CreateByPartialStopLoss", "PartialStopLoss", Reason.STOP_LOSS),
        (ExecType.TRADE, "CreateByTakeProfit", "TakeProfit", Reason.TAKE_PROFIT),
        (ExecType.TRADE, "CreateByPartialTakeProfit", "", Reason.TAKE_PROFIT),
        (ExecType.TRADE, "CreateByTrailingStop", "TrailingStop", Reason.TRAILING_STOP),
        (ExecType.TRADE, "CreateByTrailingProfit", "", Reason.TRAILING_STOP),
        (ExecType.TRADE, "CreateByLiq", "", Reason.LIQUIDATION),
        (ExecType.BUST, "CreateByTakeOver_PassThrough", "", Reason.LIQUIDATION),
        (ExecType.ADL, "CreateByAdl_PassThrough", "", Reason.ADL),
        (ExecType.FUNDING, "", "", Reason.FUNDING),
        (ExecType.DELIVERY, "CreateBySettle", "", Reason.SETTLEMENT),
        (ExecType.SETTLE, "", "", Reason.SETTLEMENT),
        (ExecType.TRADE, "CreateByClosing", "", Reason.MANUAL),
        (ExecType.TRADE, "CreateByAdminClosing", "", Reason.MANUAL),
        (ExecType.TRADE, "CreateByMmRateClose", "MmRateClose", Reason.LIQUIDATION),
        (ExecType.BLOCK_TRADE, "CreateByBlock_future", "", Reason.MANUAL),
        (ExecType.MOVE_POSITION, "", "", Reason.MANUAL),
        (ExecType.FUTURE_SPREAD, "", "", Reason.MANUAL),
        (ExecType.TRADE, "CreateByUser", "", Reason.MANUAL),
        (ExecType.TRADE, "CreateByStopOrder", "Stop", Reason.MANUAL),
        (ExecType.TRADE, "", "StopLoss", Reason.STOP_LOSS),
        (ExecType.TRADE, "CreateBySomethingNew", "", Reason.UNKNOWN),
    ],
)
def test_what_the_exchange_says_created_it_gives_the_reason(
    exec_type: ExecType, create_type: str, stop_order_type: str, reason: Reason
) -> None:
    fill = a_report(exec_type=exec_type, create_type=create_type, stop_order_type=stop_order_type)
    assert reason_of(fill) is reason
