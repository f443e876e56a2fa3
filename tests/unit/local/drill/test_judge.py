"""Each way in which the platform's word can differ from the exchange's is found, and named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from alpha.domain.fill import Attribution, AttributionMethod
from alpha.domain.ids import BotId, ExecId
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.domain.trade_book import TradeBook, fold
from alpha.ledger.fill_rows import FillSource, RecordedFill
from alpha.local.drill.director import Tally
from alpha.local.drill.judge import Evidence, judge
from alpha.local.drill.kinds import Kind
from alpha.local.drill.report import DIFFERENT, EQUAL, HIT_NOTHING, DrillReport
from tests.unit.domain.fills import BOOK, BTCUSDT, MAIN, START, a_fill
from tests.unit.local.drill.entries import an_entry

BOT, OTHER = BOOK.bot, BotId("bot_002")
SOLD = (Side.BUY, "2", "100"), (Side.SELL, "2", "103"), (Side.SELL, "1", "104")


def recorded(n: int, side: Side, quantity: str, price: str) -> RecordedFill:
    return RecordedFill(
        fill=a_fill(side, quantity, at=price, n=n, fee="0.055"),
        attribution=Attribution(bot=BOT, reason=Reason.MANUAL, method=AttributionMethod.SOLE_OWNER),
        position_idx=0,
        bot_seq=n,
        source=FillSource.STREAM,
        frame_at=None,
        received_at=START,
        recorded_at=START,
    )


def well() -> Evidence:
    """2 bought at 100 and sold at 103, 1 sold short at 104: everybody says the same of it."""
    rows = [recorded(n, *what) for n, what in enumerate(SOLD, 1)]
    book, trades = fold(TradeBook(key=BOOK), [(row.fill, row.attribution.reason) for row in rows])
    told = [(row.bot_seq, row.fill.exec_id) for row in rows]
    short = Decimal(-1)
    return Evidence(
        journal=[an_entry(n, side.value, quantity, price) for n, (side, quantity, price) in enumerate(SOLD, 1)],
        owners={(MAIN, BTCUSDT): BOT},
        tags={},
        ledger=rows,
        books=[book],
        trades=trades,
        exchange_positions={(MAIN, BTCUSDT): short},
        reported_positions={(MAIN, BTCUSDT): short},
        live_positions={(BOT, BTCUSDT): short},
        seen={BOT: told},
        streams={BOT: told},
        proven={MAIN: START + timedelta(seconds=9)},
        market_time=START + timedelta(seconds=9),
        epoch_falls=[],
        open_orders=[],
        drifts=[],
        raw_events=0,
    )


def test_what_everybody_agrees_on_is_equal() -> None:
    verdict = judge(well())
    assert verdict.differences == ()
    assert (verdict.executed, verdict.recorded, verdict.lost, verdict.doubled) == (3, 3, 0, 0)
    assert (verdict.trades, verdict.positions) == (1, 1)


def row_changed(evidence: Evidence, n: int, **fields: object) -> Evidence:
    rows = list(evidence.ledger)
    rows[n - 1] = replace(rows[n - 1], **fields)  # type: ignore[arg-type]
    return replace(evidence, ledger=rows)


def fill_changed(evidence: Evidence, **fields: object) -> Evidence:
    return row_changed(evidence, 2, fill=replace(evidence.ledger[1].fill, **fields))  # type: ignore[arg-type]


def owned(evidence: Evidence, bot: BotId, reason: Reason) -> Evidence:
    attribution = Attribution(bot=bot, reason=reason, method=AttributionMethod.TAG)
    return row_changed(evidence, 1, attribution=attribution)


WRONGS: dict[str, tuple[str, Callable[[Evidence], Evidence]]] = {
    "a fill is missing": ("fills lost", lambda e: replace(e, ledger=e.ledger[:2])),
    "a fill is there twice": ("fills doubled", lambda e: replace(e, ledger=[*e.ledger, e.ledger[0]])),
    "a fill was never made": ("fills that the exchange never made", lambda e: replace(e, journal=e.journal[:2])),
    "a price": ("fills that differ", lambda e: fill_changed(e, price=Decimal(99))),
    "a fee": ("fills that differ", lambda e: fill_changed(e, fee=Decimal("0.056"))),
    "a time": ("fills that differ", lambda e: fill_changed(e, exec_time=START)),
    "another bot": ("fills with another bot", lambda e: owned(e, OTHER, Reason.MANUAL)),
    "another reason": ("fills with another bot", lambda e: owned(e, BOT, Reason.ENTRY)),
    "a book's position": ("books that differ", lambda e: replace(e, books=[TradeBook(key=BOOK)])),
    "a book's fees": ("books that differ", lambda e: replace(e, books=[replace(e.books[0], fees=Decimal(1))])),
    "no book": ("books that differ", lambda e: replace(e, books=[])),
    "no round trip": ("round trips that differ", lambda e: replace(e, trades=[])),
    "a round trip twice": ("round trips that differ", lambda e: replace(e, trades=[*e.trades, *e.trades])),
    "a round trip's profit": (
        "round trips that differ",
        lambda e: replace(e, trades=[replace(e.trades[0], gross_pnl=Decimal(5))]),
    ),
    "Redis holds another position": (
        "positions that differ",
        lambda e: replace(e, live_positions={(BOT, BTCUSDT): Decimal(1)}),
    ),
    "Redis knows no position": ("positions that differ", lambda e: replace(e, live_positions={(BOT, BTCUSDT): None})),
    "the exchange holds another": ("positions that differ", lambda e: replace(e, exchange_positions={})),
    "the exchange's word was stored wrongly": ("positions that differ", lambda e: replace(e, reported_positions={})),
    "a bot was not told": ("streams", lambda e: replace(e, seen={BOT: e.seen[BOT][:-1]})),
    "a bot was told twice": ("streams", lambda e: replace(e, seen={BOT: [*e.seen[BOT], e.seen[BOT][-1]]})),
    "a bot was told out of order": ("streams", lambda e: replace(e, seen={BOT: e.seen[BOT][::-1]})),
    "a bot was told another fill": (
        "streams",
        lambda e: replace(e, seen={BOT: [(1, ExecId("exec-9")), *e.seen[BOT][1:]]}),
    ),
    "a stream has a hole": ("streams", lambda e: replace(e, streams={BOT: [e.seen[BOT][0], e.seen[BOT][2]]})),
    "a stream is empty": ("streams", lambda e: replace(e, streams={BOT: []})),
    "a fenced listener wrote": ("epoch falls", lambda e: replace(e, epoch_falls=["bot_001 2: 1 after 2"])),
    "the end is not proven": ("not proven", lambda e: replace(e, proven={MAIN: START})),
    "nothing is proven": ("not proven", lambda e: replace(e, proven={MAIN: None})),
    "an order stays open": ("orders that the ledger believes open", lambda e: replace(e, open_orders=["order-1"])),
    "drift stays open": ("disagreements left open", lambda e: replace(e, drifts=["position main"])),
    "something unreadable": ("messages that could not be read", lambda e: replace(e, raw_events=1)),
}


@pytest.mark.parametrize("wrong", WRONGS)
def test_a_difference_is_found_and_named(wrong: str) -> None:
    words, spoil = WRONGS[wrong]
    assert any(words in str(difference) for difference in judge(spoil(well())).differences)


def test_a_stream_may_begin_late_because_it_is_trimmed() -> None:
    evidence = well()
    assert judge(replace(evidence, streams={BOT: evidence.streams[BOT][1:]})).equal


def report(evidence: Evidence, tallies: dict[Kind, Tally]) -> DrillReport:
    return DrillReport(
        seed=7,
        fills=3,
        accounts=1,
        phases=1,
        seconds=1.0,
        verdict=judge(evidence),
        settled_in_s=0.5,
        tallies=tallies,
        planned=frozenset({Kind.DROP}),
        listeners=[],
    )


def test_the_exit_code_tells_a_difference_from_a_fault_that_hit_nothing() -> None:
    hit, missed = {Kind.DROP: Tally(1, 4)}, {Kind.DROP: Tally(1, 0)}
    assert report(well(), hit).exit_code == EQUAL
    assert report(well(), missed).exit_code == HIT_NOTHING
    assert report(well(), {}).hit_nothing == (Kind.DROP,)
    assert report(replace(well(), trades=[]), missed).exit_code == DIFFERENT
    assert report(well(), hit).to_json()["faults"] == {"drop": {"injected": 1, "hit": 4, "unit": "private messages"}}


def test_of_a_drill_in_phases_the_seed_is_that_of_the_first_and_the_last_is_played_again() -> None:
    soaked = replace(report(well(), {Kind.DROP: Tally(1, 4)}), phases=10)
    told = soaked.to_json()
    assert (told["seed"], told["last_seed"]) == (7, 16)
    assert soaked.again == "alpha drill --seed 16 --fills 3 --accounts 1"
