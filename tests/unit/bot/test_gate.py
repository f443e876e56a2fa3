"""The gate: each circumstance once in order and once not, their precedence, and exits that pass whatever is wrong."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from alpha.bot.gate import Allow, Deny, Gate
from alpha.bot.intent import Intent
from alpha.bot.limits import Limits
from alpha.domain.errors import InvalidValue
from alpha.domain.order import OrderType
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from tests.unit.bot.parts import BTC, START, Surroundings

LIMITS = Limits(
    max_order_notional_usdt=Decimal(1_000),
    max_bot_notional_usdt=Decimal(3_000),
    max_bot_notional_to_equity=Decimal(2),
    price_collar_percent=Decimal(2),
    max_entries_per_hour=3,
)
ENTRY = Intent(
    symbol=BTC,
    side=Side.SELL,
    quantity=Decimal(5),
    reason=Reason.ENTRY,
    order_type=OrderType.MARKET,
    bar=START,
    decided_at=START,
    decision_price=Decimal(100),
)
"""500 USDT at 100."""
NO = Deny("told", "by the test")


def code(surroundings: Surroundings, intent: Intent = ENTRY) -> str | None:
    verdict = Gate(LIMITS, surroundings).check(intent)
    return None if isinstance(verdict, Allow) else verdict.code


def test_an_entry_passes_when_everything_is_in_order():
    assert code(Surroundings()) is None


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (Surroundings(risk=NO), "told"),
        (Surroundings(position_trouble=NO), "told"),
        (Surroundings(market_trouble=NO), "told"),
        (Surroundings(order_trouble=NO), "told"),
        (Surroundings(mark=None), "no_mark_price"),
        (Surroundings(notional=None), "exposure_unknown"),
        (Surroundings(funds=None), "exposure_unknown"),
        (Surroundings(funds=Decimal(0)), "exposure_unknown"),
        (Surroundings(entries=3), "entry_rate"),
        (Surroundings(entries=2), None),
    ],
)
def test_one_thing_that_is_wrong_denies_an_entry_and_never_an_exit(wrong: Surroundings, expected: str | None):
    assert code(wrong) == expected
    assert code(wrong, replace(ENTRY, reason=Reason.REGIME_EXIT)) is None


@pytest.mark.parametrize(
    ("mark", "expected"),
    # 100 against 102 is 1.96 % away, against 102.05 2.009 %; below: against 98.04 1.9992 %, against 98.03 2.0096 %.
    [("102", None), ("102.05", "price_collar"), ("98.04", None), ("98.03", "price_collar")],
)
def test_the_price_may_not_be_far_from_the_mark(mark: str, expected: str | None):
    assert code(Surroundings(mark=Decimal(mark))) == expected


def test_a_limit_order_is_judged_by_its_own_price():
    far = replace(ENTRY, order_type=OrderType.LIMIT, price=Decimal(110))
    assert code(Surroundings(), far) == "price_collar"


@pytest.mark.parametrize(
    ("quantity", "held", "equity", "expected"),
    [
        ("10", "0", "10000", None),  # 1,000 is the limit of one order
        ("10.001", "0", "10000", "order_notional"),
        ("5", "2500", "10000", None),  # 2,500 + 500 = 3,000 is the limit of the bot
        ("5", "2500.01", "10000", "bot_notional"),
        ("5", "1500", "1000", None),  # 1,500 + 500 = 2 x 1,000
        ("5", "1500.01", "1000", "bot_exposure"),
    ],
)
def test_notional_is_limited_per_order_per_bot_and_by_equity(
    quantity: str, held: str, equity: str, expected: str | None
):
    surroundings = Surroundings(notional=Decimal(held), funds=Decimal(equity))
    assert code(surroundings, replace(ENTRY, quantity=Decimal(quantity))) == expected


def test_the_first_thing_wrong_in_the_fixed_order_is_told():
    everything = Surroundings(
        risk=Deny("1", ""),
        position_trouble=Deny("2", ""),
        market_trouble=Deny("3", ""),
        order_trouble=Deny("4", ""),
        mark=Decimal(200),
        notional=None,
        entries=99,
    )
    seen = []
    for name in ("risk", "position_trouble", "market_trouble", "order_trouble"):
        seen.append(code(everything))
        everything = replace(everything, **{name: None})
    seen.append(code(everything))
    everything = replace(everything, mark=Decimal(100))
    seen.append(code(everything))
    everything = replace(everything, notional=Decimal(0))
    seen.append(code(everything))
    assert seen == ["1", "2", "3", "4", "price_collar", "exposure_unknown", "entry_rate"]


def test_whatever_is_not_an_entry_only_reduces():
    assert all(replace(ENTRY, reason=reason).reduce_only for reason in Reason if reason is not Reason.ENTRY)
    assert not ENTRY.reduce_only


@pytest.mark.parametrize(
    ("side", "stop_loss", "take_profit"),
    [(Side.SELL, "99", None), (Side.SELL, None, "101"), (Side.BUY, "101", None), (Side.BUY, None, "99")],
)
def test_a_stop_on_the_wrong_side_cannot_be_asked_for(side: Side, stop_loss: str | None, take_profit: str | None):
    with pytest.raises(InvalidValue, match="wrong side"):
        replace(
            ENTRY,
            side=side,
            stop_loss=None if stop_loss is None else Decimal(stop_loss),
            take_profit=None if take_profit is None else Decimal(take_profit),
        )
