from __future__ import annotations

from decimal import Decimal

from alpha.domain.ids import BotId, Symbol
from alpha.domain.position import FLAT, Position
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.domain.trade import BookKey
from alpha.domain.trade_book import TradeBook
from alpha.live.positions import LivePosition
from tests.unit.domain.fills import BOOK, BTCUSDT, a_fill
from tests.unit.listener.accounts import ETHUSDT, ONE, TWO, alone, said, shared
from websocket_listener.live_positions import LivePositions


def a_book(quantity: str, *, n: int = 1, key: BookKey = BOOK) -> TradeBook:
    """A book that bought this quantity at 100 with a fill of seq n."""
    return TradeBook(key=key).apply(a_fill(Side.BUY, quantity, at="100", n=n), Reason.ENTRY)[0]


def held(rows: list[LivePosition]) -> dict[tuple[BotId, Symbol], Decimal]:
    return {(row.bot, row.symbol): row.position.quantity for row in rows}


def asked(positions: LivePositions, *told: str) -> LivePositions:
    positions.asked([said(quantity) for quantity in told], {})
    return positions


def test_nothing_is_known_before_the_exchange_was_asked() -> None:
    positions = LivePositions(alone(), epoch=1)
    assert positions.heard([said("1")]) == []
    assert positions.rows() == []


def test_what_the_exchange_does_not_mention_is_flat_and_said_so() -> None:
    rows = LivePositions(shared(), epoch=1).asked([], {})
    assert held(rows) == {(ONE, BTCUSDT): Decimal(0), (TWO, ETHUSDT): Decimal(0)}


def test_alone_on_its_account_a_bot_has_the_exchanges_word() -> None:
    positions = asked(LivePositions(alone(), epoch=4))
    positions.folded([a_book("5")])
    (row,) = positions.heard([said("-1", at="100", seq=7, stop_loss=Decimal(120))])
    assert row.position == Position(Decimal(-1), Decimal(100))
    assert (row.seq, row.epoch, row.stop_loss) == (7, 4, Decimal(120))
    # the mark is 110: a short of 1 from 100 is 10 down
    assert row.unrealized_pnl == Decimal(-10)


def test_on_a_shared_account_a_bot_has_the_fold_and_the_exchanges_stops() -> None:
    positions = asked(LivePositions(shared(), epoch=1))
    positions.heard([said("9", stop_loss=Decimal(90))])
    (row,) = positions.folded([a_book("2", n=3)])
    assert (row.position.quantity, row.seq, row.stop_loss) == (Decimal(2), 3, Decimal(90))


def test_an_older_word_never_replaces_a_newer_one() -> None:
    positions = asked(LivePositions(alone(), epoch=1))
    positions.heard([said("2", seq=9)])
    assert positions.heard([said("1", seq=8)]) == []
    assert held(positions.rows()) == {(ONE, BTCUSDT): Decimal(2)}


def test_a_row_the_exchange_mentions_no_more_is_flat() -> None:
    positions = asked(LivePositions(alone(), epoch=1), "2")
    (row,) = positions.asked([], positions.seqs())
    assert row.position == FLAT


def test_what_the_stream_said_while_the_exchange_was_asked_stands() -> None:
    positions = asked(LivePositions(alone(), epoch=1), "2")
    before = positions.seqs()
    positions.heard([said("3", seq=2)])
    positions.asked([], before)
    assert held(positions.rows()) == {(ONE, BTCUSDT): Decimal(3)}


def test_a_difference_is_drift_only_after_the_time_fills_are_in_flight() -> None:
    positions = asked(LivePositions(alone(), epoch=1), "2")
    assert positions.judge(at_s=10.0, settle_s=5.0) == ([], [])
    assert positions.judge(at_s=14.9, settle_s=5.0) == ([], [])
    (began,), _ = positions.judge(at_s=15.1, settle_s=5.0)
    assert (began.exchange_quantity, began.fold_quantity, began.bots) == (Decimal(2), Decimal(0), (ONE,))
    assert positions.rows()[0].drifted


def test_drift_is_told_once_and_ends_when_they_agree() -> None:
    positions = asked(LivePositions(alone(), epoch=1), "2")
    positions.judge(0.0, 5.0)
    positions.judge(6.0, 5.0)
    assert positions.judge(7.0, 5.0) == ([], [])
    positions.folded([a_book("2")])
    began, ended = positions.judge(8.0, 5.0)
    assert (began, [difference.symbol for difference in ended]) == ([], [BTCUSDT])
    assert not positions.rows()[0].drifted


def test_agreement_between_two_judgements_begins_the_wait_anew() -> None:
    positions = asked(LivePositions(alone(), epoch=1), "2")
    positions.judge(0.0, 5.0)
    positions.folded([a_book("2")])
    positions.heard([said("3", seq=2)])
    assert positions.judge(6.0, 5.0) == ([], [])


def test_drift_is_not_judged_while_fills_are_missing_for_a_known_cause() -> None:
    positions = asked(LivePositions(alone(), epoch=1), "2")
    positions.judge(0.0, 5.0)
    positions.unsettle()
    assert positions.judge(6.0, 5.0) == ([], [])


def test_a_position_of_nobody_is_compared_too() -> None:
    positions = LivePositions(shared(), epoch=1)
    positions.asked([said("1", symbol=Symbol("XRPUSDT"))], {})
    positions.judge(0.0, 5.0)
    (began,), _ = positions.judge(6.0, 5.0)
    assert (began.symbol, began.bots) == (Symbol("XRPUSDT"), ())


def test_a_bot_that_the_ledger_blocks_is_marked() -> None:
    positions = asked(LivePositions(alone(), epoch=1))
    (row,) = positions.block(frozenset({ONE}))
    assert row.drifted
    assert not positions.block(frozenset())[0].drifted


def test_a_drift_that_an_earlier_process_found_is_over_when_the_blocked_bots_row_agrees() -> None:
    positions = asked(LivePositions(alone(), epoch=1))
    assert positions.judge(0.0, 5.0) == ([], [])
    positions.block(frozenset({ONE}))
    _, ended = positions.judge(1.0, 5.0)
    assert [(difference.symbol, difference.bots) for difference in ended] == [(BTCUSDT, (ONE,))]
    assert positions.judge(2.0, 5.0) == ([], [])
