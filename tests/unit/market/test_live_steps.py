"""From the frames of another exchange to steps of a market."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from alpha.domain.ids import Symbol
from paper_exchange.market.inside import Whole
from paper_exchange.market.instruments import load_listings
from paper_exchange.market.live_steps import LiveSteps

BTC = Symbol("BTCUSDT")
START = 1_735_689_600_000


def steps() -> LiveSteps:
    return LiveSteps(load_listings([BTC]), 1_000, START)


def trades(*rows: tuple[int, str, str]) -> dict[str, Any]:
    data = [
        {"T": START + at, "s": "BTCUSDT", "S": "Buy", "v": size, "p": price, "L": "PlusTick", "i": f"t{at}"}
        for at, price, size in rows
    ]
    return {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": START, "data": data}


def ticker(**changed: str) -> dict[str, Any]:
    return {"topic": "tickers.BTCUSDT", "type": "delta", "data": {"symbol": "BTCUSDT", **changed}}


def test_a_later_trade_closes_the_second_before_it() -> None:
    live = steps()
    assert live.take(trades((100, "100.0", "0.001"), (900, "99.9", "0.002"))) == []
    (step,) = live.take(trades((3_500, "101.0", "0.001")))
    # a tick is 0.1 and a quantity step 0.001
    assert step.bars == {BTC: Whole(1000, 1000, 999, 999, 3)}
    assert (step.start_ms - START, step.end_ms - START) == (0, 1_000)
    (last,) = live.close()
    assert (last.start_ms - START, last.bars[BTC].close) == (3_000, 1010)
    assert live.close() == []


def test_time_does_not_go_back() -> None:
    live = steps()
    live.take(trades((2_500, "100.0", "0.001")))
    live.close()
    live.take(trades((1_000, "98.0", "0.001")))
    (step,) = live.close()
    assert (step.start_ms - START, step.end_ms - START) == (3_000, 4_000)
    assert step.trades[BTC][0].time.timestamp() * 1000 == START + 3_000


def test_marks_are_the_tickers_and_funding_is_due_at_the_rate_told_before() -> None:
    live = steps()
    live.take(ticker(markPrice="100.3", indexPrice="100.1", fundingRate="0.0001", nextFundingTime=str(START + 1_000)))
    live.take(trades((500, "100.0", "0.001")))
    (first,) = live.close()
    assert (first.marks, first.indexes, first.funding) == ({BTC: 1003}, {BTC: 1001}, {})
    live.take(ticker(fundingRate="0.0009", nextFundingTime=str(START + 28_801_000)))
    live.take(trades((1_200, "100.0", "0.001")))
    (second,) = live.close()
    assert second.funding == {BTC: Decimal("0.0001")}
    live.take(trades((2_200, "100.0", "0.001")))
    assert live.close()[0].funding == {}


def test_other_frames_say_nothing() -> None:
    live = steps()
    assert live.take({"success": True, "op": "subscribe"}) == []
    assert live.close() == []
