from __future__ import annotations

from decimal import Decimal

from alpha.domain.clock import EPOCH
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


def shown(positions: LivePositions) -> list[LivePosition]:
    """The rows that had to be shown, as they are shown now."""
    rows = positions.changed()
    positions.shown(rows)
    return rows


def asked(positions: LivePositions, *told: str) -> LivePositions:
    positions.asked([said(quantity) for quantity in told], {})
    shown(positions)
    return positions


def test_nothing_is_known_of_what_nobody_has_told() -> None:
    positions = LivePositions(alone(), epoch=1)
    positions.show_all()
    assert positions.changed() == []
    assert positions.rows() == []


def test_before_the_exchange_was_asked_what_the_stream_tells_is_shown_as_never_confirmed() -> None:
    positions = LivePositions(alone(), epoch=1)
    positions.heard([said("1", seq=4)])
    (row,) = shown(positions)
    assert (row.position.quantity, row.seq, row.updated_at) == (Decimal(1), 4, EPOCH)
    assert not row.is_fresh()
    assert positions.marks() == {}
    # and once it has answered everything is shown anew
    positions.asked([said("1", seq=4)], {})
    (row,) = shown(positions)
    assert (row.position.quantity, row.seq, row.is_fresh()) == (Decimal(1), 4, True)


def test_before_the_exchange_was_asked_the_fold_is_shown_where_nothing_newer_was_left() -> None:
    positions = LivePositions(alone(), epoch=2)
    positions.folded([a_book("2", n=5)])
    (row,) = shown(positions)
    assert (row.position.quantity, row.seq, row.changed_at, row.updated_at) == (Decimal(2), 5, EPOCH, EPOCH)
    # the exchange's own word about the same fill takes its place
    positions.heard([said("2", seq=5, stop_loss=Decimal(90))])
    (row,) = shown(positions)
    assert (row.seq, row.stop_loss) == (5, Decimal(90))


def test_before_the_exchange_was_asked_what_was_left_in_redis_stays_as_it_is() -> None:
    positions = LivePositions(alone(), epoch=2)
    positions.folded([a_book("2", n=5)])
    positions.inherited([left("3", seq=5)], at_s=0.0)
    positions.show_all()
    assert (positions.changed(), positions.has_changed) == ([], False)
    # but for a fill that came after it
    positions.folded([a_book("4", n=6)])
    assert held(shown(positions)) == {(ONE, BTCUSDT): Decimal(4)}


def test_before_the_exchange_was_asked_the_fold_of_a_shared_account_is_shown_unless_a_newer_was_left() -> None:
    positions = LivePositions(shared(), epoch=2)
    positions.inherited([left("3", seq=6)], at_s=0.0)
    positions.folded([a_book("2", n=5)])
    positions.heard([said("7", seq=6)])
    assert positions.changed() == []
    positions.folded([a_book("4", n=7)])
    assert held(shown(positions)) == {(ONE, BTCUSDT): Decimal(4)}


def test_what_the_exchange_does_not_mention_is_flat_and_said_so() -> None:
    positions = LivePositions(shared(), epoch=1)
    positions.asked([], {})
    assert held(positions.changed()) == {(ONE, BTCUSDT): Decimal(0), (TWO, ETHUSDT): Decimal(0)}


def test_alone_on_its_account_a_bot_has_the_exchanges_word() -> None:
    positions = asked(LivePositions(alone(), epoch=4))
    positions.folded([a_book("5")])
    positions.heard([said("-1", at="100", seq=7, stop_loss=Decimal(120))])
    (row,) = shown(positions)
    assert row.position == Position(Decimal(-1), Decimal(100))
    assert (row.seq, row.epoch, row.stop_loss) == (7, 4, Decimal(120))
    # the mark is 110: a short of 1 from 100 is 10 down
    assert row.unrealized_pnl == Decimal(-10)


def test_on_a_shared_account_a_bot_has_the_fold_and_the_exchanges_stops() -> None:
    positions = asked(LivePositions(shared(), epoch=1))
    positions.heard([said("9", stop_loss=Decimal(90))])
    positions.folded([a_book("2", n=3)])
    (row,) = shown(positions)
    assert (row.position.quantity, row.seq, row.stop_loss) == (Decimal(2), 3, Decimal(90))


def test_an_older_word_never_replaces_a_newer_one() -> None:
    positions = asked(LivePositions(alone(), epoch=1))
    positions.heard([said("2", seq=9)])
    shown(positions)
    positions.heard([said("1", seq=8)])
    assert positions.changed() == []
    assert held(positions.rows()) == {(ONE, BTCUSDT): Decimal(2)}


def test_a_row_the_exchange_mentions_no_more_is_flat() -> None:
    positions = asked(LivePositions(alone(), epoch=1), "2")
    positions.asked([], positions.seqs())
    (row,) = shown(positions)
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


def test_exchange_and_fills_have_agreed_when_they_did_at_any_moment_since_it_was_watched() -> None:
    positions = asked(LivePositions(alone(), epoch=1), "2")
    positions.watch()
    assert not positions.have_agreed()
    positions.folded([a_book("2")])
    assert positions.have_agreed()
    positions.heard([said("3", seq=3)])
    assert positions.have_agreed()
    positions.watch()
    assert not positions.have_agreed()
    # or what is left is what a person accepted
    positions.block(frozenset(), frozenset({((BTCUSDT, 0), Decimal(1))}))
    assert positions.have_agreed()


def test_a_position_of_nobody_is_compared_too() -> None:
    positions = LivePositions(shared(), epoch=1)
    positions.asked([said("1", symbol=Symbol("XRPUSDT"))], {})
    positions.judge(0.0, 5.0)
    (began,), _ = positions.judge(6.0, 5.0)
    assert (began.symbol, began.bots) == (Symbol("XRPUSDT"), ())


def test_a_bot_that_the_ledger_blocks_is_marked() -> None:
    positions = asked(LivePositions(alone(), epoch=1))
    positions.block(frozenset({ONE}))
    (row,) = shown(positions)
    assert row.drifted
    positions.block(frozenset())
    assert not shown(positions)[0].drifted


def test_a_drift_that_an_earlier_process_found_is_over_when_the_blocked_bots_row_agrees() -> None:
    positions = asked(LivePositions(alone(), epoch=1))
    assert positions.judge(0.0, 5.0) == ([], [])
    positions.block(frozenset({ONE}))
    _, ended = positions.judge(1.0, 5.0)
    assert [(difference.symbol, difference.bots) for difference in ended] == [(BTCUSDT, (ONE,))]
    assert positions.judge(2.0, 5.0) == ([], [])


def drifted(*, accepted: str = "", judged_at: float = 6.0) -> LivePositions:
    """An account on which the exchange holds 2 and no fill was recorded, for longer than fills are in flight."""
    positions = asked(LivePositions(alone(), epoch=1), "2")
    positions.judge(0.0, 5.0)
    (began,), _ = positions.judge(judged_at, 5.0)
    assert began.quantity == 2
    if accepted:
        positions.block(frozenset(), frozenset({((BTCUSDT, 0), Decimal(accepted))}))
    return positions


def test_a_drift_that_a_person_accepted_marks_nobody() -> None:
    positions = drifted(accepted="2")
    assert not positions.rows()[0].drifted
    assert not positions.drifted
    # taken back, it counts again
    positions.block(frozenset())
    (row,) = shown(positions)
    assert row.drifted


def test_another_difference_than_the_accepted_one_is_told_and_marks_again() -> None:
    positions = drifted(accepted="2")
    positions.heard([said("3", seq=2)])
    # for as long as fills are in flight the accepted one stands
    assert positions.judge(10.0, 5.0) == ([], [])
    assert positions.judge(14.0, 5.0) == ([], [])
    assert not positions.rows()[0].drifted
    (began,), _ = positions.judge(15.1, 5.0)
    assert began.quantity == 3
    assert positions.rows()[0].drifted


def test_trading_on_with_an_accepted_difference_is_not_another_one() -> None:
    positions = drifted(accepted="2")
    positions.heard([said("3", seq=2)])
    positions.folded([a_book("1")])
    assert positions.judge(20.0, 5.0) == ([], [])
    assert positions.judge(30.0, 5.0) == ([], [])
    assert not positions.rows()[0].drifted


def test_drift_of_a_row_that_is_nobodys_marks_every_bot_of_the_account() -> None:
    positions = LivePositions(shared(), epoch=1)
    positions.asked([said("1", symbol=Symbol("XRPUSDT"))], {})
    positions.judge(0.0, 5.0)
    positions.judge(6.0, 5.0)
    assert {(row.bot, row.drifted) for row in positions.rows()} == {(ONE, True), (TWO, True)}


def test_an_accepted_drift_that_an_earlier_process_found_is_over_when_its_row_agrees() -> None:
    positions = asked(LivePositions(alone(), epoch=1))
    positions.block(frozenset(), frozenset({((BTCUSDT, 0), Decimal(2))}))
    _, ended = positions.judge(1.0, 5.0)
    assert [difference.symbol for difference in ended] == [BTCUSDT]
    assert positions.judge(2.0, 5.0) == ([], [])


def left(quantity: str, *, seq: int, bot: BotId = ONE) -> LivePosition:
    """A row as an earlier holder of the account has left it in Redis."""
    word = said(quantity, seq=seq)
    return LivePosition(
        bot=bot,
        symbol=word.symbol,
        position=word.position,
        seq=seq,
        epoch=1,
        changed_at=word.updated_at,
        updated_at=word.updated_at,
    )


def test_an_older_word_than_what_was_left_in_redis_is_not_believed_at_once() -> None:
    positions = LivePositions(alone(), epoch=2)
    positions.inherited([left("2", seq=9)], at_s=0.0)
    positions.asked([said("1", seq=8)], {}, at_s=1.0)
    (row,) = shown(positions)
    assert (row.position.quantity, row.seq, row.epoch) == (Decimal(2), 9, 2)
    # the account is asked again for as long as both say something else
    assert positions.differs_for_s(3.0) == 3.0
    positions.asked([said("3", seq=10)], {}, at_s=4.0)
    assert held(shown(positions)) == {(ONE, BTCUSDT): Decimal(3)}
    assert positions.differs_for_s(5.0) == 0.0


def test_an_exchange_that_has_begun_anew_is_believed_at_last() -> None:
    positions = LivePositions(alone(), epoch=2)
    positions.inherited([left("2", seq=900)], at_s=0.0)
    positions.asked([said("1", seq=1)], {}, at_s=1.0)
    assert (shown(positions)[0].seq, positions.anew) == (900, frozenset())
    positions.asked([said("1", seq=1)], {}, at_s=11.0)
    (row,) = positions.changed()
    assert (row.position.quantity, row.seq) == (Decimal(1), 1)
    # it replaces what is shown, though it is older
    assert positions.anew == {(BTCUSDT, 0)}
    positions.shown([row])
    assert positions.anew == frozenset()


def test_the_fold_of_a_shared_account_is_never_older_than_what_was_left_in_redis() -> None:
    positions = LivePositions(shared(), epoch=2)
    positions.inherited([left("2", seq=9)], at_s=0.0)
    positions.folded([a_book("5", n=3)])
    positions.asked([], {})
    row = next(row for row in positions.changed() if row.bot == ONE)
    assert (row.position.quantity, row.seq) == (Decimal(5), 9)


def test_a_book_that_was_corrected_is_shown_though_its_last_fill_is_an_earlier_one() -> None:
    positions = asked(LivePositions(shared(), epoch=1))
    positions.folded([a_book("5", n=9)])
    assert shown(positions)[0].seq == 9
    # when the fill of seq 9 turns out to be another bot's
    positions.folded([a_book("3", n=7)])
    (row,) = shown(positions)
    assert (row.position.quantity, row.seq) == (Decimal(3), 9)


def test_many_words_between_two_looks_are_one_row_to_show() -> None:
    positions = asked(LivePositions(alone(), epoch=1))
    for seq in range(1, 50):
        positions.heard([said(str(seq), seq=seq)])
    (row,) = shown(positions)
    assert row.position.quantity == 49
    assert not positions.has_changed
