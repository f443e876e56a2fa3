"""What a demo is judged by: each way in which ledger, live state and exchange can disagree makes it fail."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from alpha.domain.clock import EPOCH
from alpha.domain.fill import Attribution, AttributionMethod
from alpha.domain.ids import BotId, ExecId
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.ledger.fills import FillSource, RecordedFill
from alpha.local.demo.comparison import Comparison, PositionCheck, compare
from alpha.local.demo.report import BotOutcome, DemoReport
from alpha.local.demo.screen import Latency
from alpha.local.journal import JournalEntry, JournalUnreadable, read_journal
from tests.unit.domain.fills import BTCUSDT, START, a_fill

BOT = BotId("bot_001")
OWNED = Attribution(bot=BOT, reason=Reason.ENTRY, method=AttributionMethod.TAG)
NOBODYS = Attribution(bot=None, reason=Reason.UNKNOWN, method=AttributionMethod.NONE)


def recorded(n: int, attribution: Attribution = OWNED) -> RecordedFill:
    return RecordedFill(
        fill=a_fill(Side.BUY, "1", at="100", n=n, fee="0.055"),
        attribution=attribution,
        position_idx=0,
        bot_seq=n if attribution.bot else None,
        source=FillSource.STREAM,
        frame_at=None,
        received_at=START,
        recorded_at=START,
    )


def executed(n: int) -> JournalEntry:
    return JournalEntry(
        exec_id=f"exec-{n}",
        account="main",
        symbol="BTCUSDT",
        order_id=f"order-{n}",
        order_link_id="",
        side="Buy",
        price=Decimal(100),
        quantity=Decimal(1),
        fee=Decimal("0.055"),
        exec_type="Trade",
        exec_time=EPOCH,
    )


def held(exchange: str, ledger: str | None = None, live: str | None = None) -> PositionCheck:
    told = [Decimal(text) if text else None for text in (ledger, live)]
    return PositionCheck(bot=BOT, symbol=BTCUSDT, exchange=Decimal(exchange), ledger=told[0], live=told[1])


OPEN = held("2", "2", "2")


def comparison(
    journal: Sequence[JournalEntry] = (executed(1), executed(2)),
    ledger: Sequence[RecordedFill] = (recorded(1), recorded(2)),
    position: PositionCheck = OPEN,
) -> Comparison:
    return compare(journal, ledger, [position])


def report(compared: Comparison, **outcome: int | bool) -> DemoReport:
    nothing = Decimal(0)
    bot = BotOutcome(fills=2, realized_pnl=nothing, net_pnl=nothing, fees=nothing, positions={})
    return DemoReport(
        comparison=compared,
        bots={BOT: replace(bot, **outcome)},  # type: ignore[arg-type]
        orders=2,
        bars=10,
        bars_waited=0,
        to_commit=Latency(p50=1.0, p99=2.0),
        to_redis=Latency(p50=None, p99=None),
        seed=1,
        market="synthetic",
        restarts=0,
    )


def test_equal_books_with_a_position_open_pass() -> None:
    verdict = report(comparison())
    assert verdict.failures() == []
    assert json.loads(json.dumps(verdict.to_json()))["passed"] is True


def changed(**fields: object) -> RecordedFill:
    row = recorded(2)
    return replace(row, fill=replace(row.fill, **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("compared", "words"),
    [
        (comparison(ledger=[recorded(1)]), "1 fills missing in the ledger: exec-2"),
        (comparison(ledger=[recorded(1), recorded(2), recorded(3)]), "1 fills the exchange never made: exec-3"),
        (comparison(ledger=[recorded(1), recorded(2), recorded(2)]), "1 fills recorded more than once"),
        (comparison(ledger=[recorded(1), recorded(2, NOBODYS)]), "1 fills without an owner"),
        (comparison(ledger=[recorded(1), changed(fee=Decimal("0.056"))]), "1 fills that differ"),
        (comparison(ledger=[recorded(1), changed(price=Decimal("100.1"))]), "1 fills that differ"),
        (comparison(ledger=[recorded(1), changed(quantity=Decimal(3))]), "1 fills that differ"),
        (comparison(ledger=[recorded(1), changed(order_link_id="other")]), "1 fills that differ"),
        (comparison(ledger=[recorded(1), changed(exec_id=ExecId("exec-9"))]), "1 fills missing"),
        (comparison(position=held("2", "2", "1")), "exchange 2, ledger 2, Redis 1"),
        (comparison(position=held("2", "1", "2")), "exchange 2, ledger 1, Redis 2"),
        (comparison(position=held("2", "2", None)), "exchange 2, ledger 2, Redis None"),
        (comparison(position=held("0", "0", "0")), "no position was open"),
    ],
)
def test_each_disagreement_is_named_and_fails(compared: Comparison, words: str) -> None:
    verdict = report(compared)
    assert not verdict.passed
    assert words in " | ".join(verdict.failures())


def test_a_bot_that_never_filled_and_a_short_without_a_stop_fail() -> None:
    assert report(comparison(), fills=0).failures() == [f"{BOT} never filled"]
    assert report(comparison(), fills=0, may_wait=True).passed
    lonely = report(comparison(), needs_short_with_stop=True, shorts_with_stop=0)
    assert lonely.failures() == [f"{BOT} opened no short with its stop set"]
    assert report(comparison(), needs_short_with_stop=True, shorts_with_stop=1).passed


def test_a_journal_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with pytest.raises(JournalUnreadable, match="cannot be read"):
        read_journal(path)
    row = {name: getattr(executed(1), name) for name in JournalEntry.__slots__} | {"exec_time": 0}
    line = json.dumps(row, default=str)
    path.write_text(f"{line}\n")
    assert read_journal(path) == [executed(1)]
    path.write_text(f"{line}\n{line[:40]}\n")
    with pytest.raises(JournalUnreadable, match=r"journal\.jsonl:2"):
        read_journal(path)
