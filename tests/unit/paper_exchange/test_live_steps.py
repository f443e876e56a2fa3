"""A live market goes on whatever its upstream sends."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from alpha.domain.ids import Symbol
from paper_exchange.market.instruments import load_listings
from paper_exchange.market.live_steps import LiveSteps

BTC = Symbol("BTCUSDT")
STEP_MS = 1_000


def trades(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"topic": f"publicTrade.{BTC}", "data": list(rows)}


def trade(at_ms: int, price: str = "100", **changed: Any) -> dict[str, Any]:
    return {"T": at_ms, "s": BTC, "S": "Buy", "v": "1", "p": price, "i": str(at_ms), **changed}


def ticker(**told: Any) -> dict[str, Any]:
    return {"topic": f"tickers.{BTC}", "data": {"symbol": BTC, **told}}


@pytest.mark.parametrize(
    "frame",
    [
        trades(trade(2_500), trade(2_600, price="dear")),
        trades(trade(2_500), {}),
        trades(trade(2_500), trade(10**20)),
        trades(trade(2_500), trade(2_600, price="NaN")),
        trades(trade(2_500), trade(2_600, S="Both")),
        {"topic": f"publicTrade.{BTC}"},
        {"topic": f"publicTrade.{BTC}", "data": None},
        ticker(markPrice="high"),
        ticker(markPrice="NaN"),
        ticker(nextFundingTime="soon", fundingRate="0.0001"),
        {"topic": f"tickers.{BTC}", "data": []},
    ],
)
def test_nothing_is_taken_of_a_frame_that_cannot_be_read(frame: dict[str, Any]) -> None:
    steps = LiveSteps(load_listings([BTC]), STEP_MS, 0)
    assert steps.take(ticker(markPrice="101", nextFundingTime="2000", fundingRate="0.0001")) == []
    assert steps.take(trades(trade(1_100))) == []
    with pytest.raises((KeyError, TypeError, ValueError, OverflowError, ArithmeticError, OSError)):
        steps.take(frame)
    # and what comes after it is read as if it had never been
    (step,) = steps.take(trades(trade(2_100, price="102")))
    assert (step.start_ms, step.bars[BTC].close, step.marks[BTC]) == (1_000, 1_000, 1_010)
    (step,) = steps.close()
    assert (step.start_ms, step.bars[BTC].close) == (2_000, 1_020)


def test_a_funding_rate_is_due_at_the_value_told_before() -> None:
    steps = LiveSteps(load_listings([BTC]), STEP_MS, 0)
    steps.take(ticker(nextFundingTime="2000", fundingRate="0.0001"))
    steps.take(ticker(nextFundingTime="9000", fundingRate="0.0005"))
    steps.take(trades(trade(1_100)))
    (before,) = steps.take(trades(trade(2_100)))
    (after,) = steps.close()
    assert (before.funding, after.funding) == ({}, {BTC: Decimal("0.0001")})
