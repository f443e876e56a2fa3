"""Hand-worked round trips as a person reads them from trading.round_trips, and the fills behind each."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpha.domain.excursion import PriceRange
from alpha.domain.fill import ExecType, Fill
from alpha.domain.ids import OrderId, Symbol
from alpha.domain.order import OrderType
from alpha.domain.position import Position
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.domain.trade_book import PNL_VERSION
from alpha.ledger.connection import Connection, connect, transaction
from alpha.ledger.excursions import save_excursions, unmeasured_trades
from alpha.ledger.fills import FillRecorder
from alpha.ledger.intents import OrderIntent, save_intent
from alpha.ledger.opening_positions import OpeningPosition, adopt_positions
from tests.integration.accounting.scenes import ONE, TWO, take_up, wish
from tests.integration.ledger.heard import BOOK, MAIN, heard
from tests.support import Database
from tests.unit.domain.fills import BTCUSDT, START, a_fill

BUY, SELL = Side.BUY, Side.SELL
MINUTE = timedelta(minutes=1)


def trips(connection: Connection, columns: str) -> list[tuple[Any, ...]]:
    with transaction(connection) as cursor:
        cursor.execute(f"SELECT {columns} FROM trading.round_trips ORDER BY closed_at, bot, position_idx")
        return cursor.fetchall()


def behind(connection: Connection, first_exec_id: str) -> list[tuple[Any, ...]]:
    """Id, role, quantity and fee of the fills behind a round trip, in their order."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT exec_id, role, quantity, fee FROM trading.trade_fills WHERE first_exec_id = %s ORDER BY exec_time",
            (first_exec_id,),
        )
        return cursor.fetchall()


def of_order(fill: Fill, order: str, link: str = "") -> Fill:
    return replace(fill, order_id=OrderId(order), order_link_id=link)


def numbers(*texts: str) -> tuple[Decimal, ...]:
    return tuple(Decimal(text) for text in texts)


def test_a_long_in_parts_with_funding(recorder: FillRecorder, writer: Connection) -> None:
    # given 1 at 100 and 3 at 104 bought by one order, funding of 0.25 paid, and 2 sold at 110 and 2 at 108
    recorder.record(
        [
            heard(of_order(a_fill(BUY, "1", at="100", n=0, fee="0.05"), "in")),
            heard(of_order(a_fill(BUY, "3", at="104", n=1, fee="0.15"), "in")),
            heard(a_fill(BUY, "4", at="105", n=2, fee="0.25", exec_type=ExecType.FUNDING), reason=Reason.FUNDING),
            heard(of_order(a_fill(SELL, "2", at="110", n=3, fee="0.11"), "out-1"), reason=Reason.TAKE_PROFIT),
            heard(of_order(a_fill(SELL, "2", at="108", n=4, fee="0.09"), "out-2"), reason=Reason.STOP_LOSS),
        ]
    )
    # then entry (100 + 312) / 4 = 103 on a notional of 412, exit (220 + 216) / 4 = 109
    assert trips(writer, "entry_price, exit_price, quantity, notional") == [numbers("103", "109", "4", "412")]
    assert trips(writer, "direction, entry_reason, exit_reason") == [("long", "entry", "stop_loss")]
    assert trips(writer, "duration, fill_count, orders") == [(timedelta(seconds=4), 5, 3)]
    # gross 436 - 412 = 24, fees 0.05 + 0.15 + 0.11 + 0.09 = 0.4, net 24 - 0.4 - 0.25 = 23.35, of 412
    ((gross, fees, funding, net, share, version),) = trips(
        writer, "gross_pnl, fees, funding, net_pnl, return_on_notional, pnl_version"
    )
    assert (gross, fees, funding, net) == numbers("24", "0.4", "-0.25", "23.35")
    assert round(share, 10) == round(Decimal("23.35") / 412, 10)
    assert version == PNL_VERSION
    assert [each[:2] for each in behind(writer, "exec-0")] == [
        ("exec-0", "entry"),
        ("exec-1", "entry"),
        ("exec-2", "funding"),
        ("exec-3", "exit"),
        ("exec-4", "exit"),
    ]


def test_a_flip_is_shared_by_the_two_trips_it_is_in(recorder: FillRecorder, writer: Connection) -> None:
    # given 2 long at 100, of which 5 sold at 110 make 3 short, which are bought back at 105
    recorder.record(
        [
            heard(a_fill(BUY, "2", at="100", n=0, fee="0.2")),
            heard(a_fill(SELL, "5", at="110", n=1, fee="0.5")),
            heard(a_fill(BUY, "3", at="105", n=2, fee="0.3")),
        ]
    )
    # then (110 - 100) * 2 = 20 and (110 - 105) * 3 = 15; of the flip's fee two fifths are the first trip's
    assert trips(writer, "direction, quantity, gross_pnl, fees, net_pnl") == [
        ("long", *numbers("2", "20", "0.4", "19.6")),
        ("short", *numbers("3", "15", "0.6", "14.4")),
    ]
    assert behind(writer, "exec-0") == [
        ("exec-0", "entry", *numbers("2", "0.2")),
        ("exec-1", "exit", *numbers("2", "0.2")),
    ]
    assert behind(writer, "exec-1") == [
        ("exec-1", "entry", *numbers("3", "0.3")),
        ("exec-2", "exit", *numbers("3", "0.3")),
    ]


def test_flip_after_flip_within_one_millisecond(recorder: FillRecorder, writer: Connection) -> None:
    # given four fills of one instant, told apart by their seq: +1, -3, +4, -2
    sides = [(BUY, "1", "100"), (SELL, "3", "101"), (BUY, "4", "99"), (SELL, "2", "102")]
    recorder.record(
        [
            heard(replace(a_fill(side, quantity, at=price, n=n, fee=quantity), exec_time=START))
            for n, (side, quantity, price) in enumerate(sides)
        ]
    )
    # then 1 long: +1; 2 short: (101 - 99) * 2 = 4; 2 long: (102 - 99) * 2 = 6; each fill's fee goes with its quantity
    assert sorted(trips(writer, "first_exec_id, direction, quantity, gross_pnl, fees")) == [
        ("exec-0", "long", *numbers("1", "1", "2")),
        ("exec-1", "short", *numbers("2", "4", "4")),
        ("exec-2", "long", *numbers("2", "6", "4")),
    ]
    assert sorted(behind(writer, "exec-1")) == [
        ("exec-1", "entry", *numbers("2", "2")),
        ("exec-2", "exit", *numbers("2", "2")),
    ]


def test_in_hedge_mode_each_side_is_a_trip_of_its_own(recorder: FillRecorder, writer: Connection) -> None:
    long_in, long_out = a_fill(BUY, "1", at="100", n=0), a_fill(SELL, "1", at="107", n=3)
    short_in, short_out = a_fill(SELL, "2", at="101", n=1), a_fill(BUY, "2", at="104", n=2)
    recorder.record(
        [
            replace(heard(long_in), position_idx=1),
            replace(heard(short_in), position_idx=2),
            replace(heard(short_out), position_idx=2),
            replace(heard(long_out), position_idx=1),
        ]
    )
    # then (101 - 104) * 2 = -6 on the short side and 107 - 100 = 7 on the long one, never netted
    assert trips(writer, "position_idx, direction, gross_pnl") == [
        (2, "short", Decimal(-6)),
        (1, "long", Decimal(7)),
    ]
    assert [each[0] for each in behind(writer, "exec-0")] == ["exec-0", "exec-3"]


def test_two_bots_on_one_account_have_trips_of_their_own(recorder: FillRecorder, writer: Connection) -> None:
    eth = Symbol("ETHUSDT")
    recorder.record(
        [
            heard(a_fill(BUY, "1", at="100", n=0), ONE),
            heard(replace(a_fill(SELL, "1", at="50", n=1), symbol=eth), TWO),
            heard(a_fill(SELL, "1", at="103", n=2), ONE),
            heard(replace(a_fill(BUY, "1", at="52", n=3), symbol=eth), TWO),
        ]
    )
    assert trips(writer, "bot, symbol, net_pnl") == [(ONE, BTCUSDT, Decimal(3)), (TWO, eth, Decimal(-2))]


def test_a_trip_that_began_before_us_has_only_our_fills_behind_it(
    recorder: FillRecorder, writer: Connection, epochs: Any
) -> None:
    opening = OpeningPosition(key=BOOK, position=Position(Decimal(-2), Decimal(120)), seq=5, at=START)
    adopt_positions(writer, [opening], epochs)
    recorder.record([heard(a_fill(SELL, "2", at="120", n=5)), heard(a_fill(BUY, "3", at="100", n=6))])
    # (120 - 100) * 2 = 40
    assert trips(writer, "first_exec_id, direction, quantity, gross_pnl") == [("opening", "short", *numbers("2", "40"))]
    assert behind(writer, "opening") == [("exec-6", "exit", *numbers("2", "0"))]


def an_intent(link: str, side: Side, decided: str) -> OrderIntent:
    return OrderIntent(
        order_link_id=link,
        bot=ONE,
        account=MAIN,
        symbol=BTCUSDT,
        side=side,
        order_type=OrderType.MARKET,
        quantity=Decimal(4),
        price=None,
        reduce_only=False,
        reason=Reason.ENTRY,
        bar=START,
        decision_price=Decimal(decided),
    )


@pytest.mark.parametrize(("first", "last", "sign"), [(BUY, SELL, 1), (SELL, BUY, -1)])
def test_slippage_is_what_it_cost_against_the_decision(
    recorder: FillRecorder, writer: Connection, database: Database, first: Side, last: Side, sign: int
) -> None:
    bots = connect(database.dsn("bot"), "tests")
    save_intent(bots, an_intent("entry-link", first, "100"))
    save_intent(bots, an_intent("exit-link", last, "200"))
    bots.close()
    # given an entry decided at 100 and filled 1 higher for one and 0.2 higher for three, and an exit decided at 200 and
    # filled 1 lower for three, while the fourth went to a stop at the exchange, which nobody decided
    recorder.record(
        [
            heard(of_order(a_fill(first, "1", at=Decimal(100) + sign, n=0), "in", "entry-link")),
            heard(of_order(a_fill(first, "3", at=Decimal(100) + sign * Decimal("0.2"), n=1), "in", "entry-link")),
            heard(of_order(a_fill(last, "3", at=Decimal(200) - sign, n=2), "out", "exit-link")),
            heard(of_order(a_fill(last, "1", at=Decimal(150), n=3), "stop"), reason=Reason.STOP_LOSS),
        ]
    )
    # then (1 * 1 + 3 * 0.2) / 400 = 40 bp worse, and 3 * 1 / 600 = 50 bp worse, for a long as for a short
    ((*decided, entry, exit_),) = trips(
        writer, "entry_decision_price, exit_decision_price, entry_slippage_bps, exit_slippage_bps"
    )
    assert tuple(decided) == numbers("100", "200")
    assert (round(entry, 9), round(exit_, 9)) == numbers("40", "50")


def test_what_nobody_decided_has_no_slippage(recorder: FillRecorder, writer: Connection) -> None:
    recorder.record([heard(a_fill(BUY, "1", at="100")), heard(a_fill(SELL, "1", at="90", n=1))])
    assert trips(writer, "entry_decision_price, entry_slippage_bps, exit_slippage_bps") == [(None, None, None)]


@pytest.mark.parametrize(
    ("first", "last", "mae", "mfe"),
    # of a long at 100 the price fell to 95 and rose to 120; of a short that is the other way round
    [(BUY, SELL, "5", "20"), (SELL, BUY, "20", "5")],
)
def test_excursions_are_measured_from_the_entry(
    recorder: FillRecorder, writer: Connection, first: Side, last: Side, mae: str, mfe: str
) -> None:
    recorder.record([heard(a_fill(first, "2", at="100", n=0)), heard(a_fill(last, "2", at="110", n=600))])
    (unmeasured,) = unmeasured_trades(writer, [MAIN], since=START)
    assert sorted(unmeasured.prices) == [Decimal(100), Decimal(110)]
    assert trips(writer, "mae, mfe, mae_bps, bars") == [(None, None, None, None)]
    found = PriceRange(highest=Decimal(120), lowest=Decimal(95), interval=MINUTE, bars=10)
    save_excursions(writer, [(unmeasured, found)])
    # 2 held, entered at 100
    ((in_money, in_bps),) = [(row[:2], row[2:]) for row in trips(writer, "mae, mfe, mae_bps, mfe_bps")]
    assert in_money == (Decimal(mae) * 2, Decimal(mfe) * 2)
    assert in_bps == (Decimal(mae) * 100, Decimal(mfe) * 100)
    assert unmeasured_trades(writer, [MAIN], since=START) == []
    # a late fill that ends the trip earlier leaves it without, until it is measured again
    recorder.record([heard(a_fill(last, "2", at="111", n=300))])
    assert trips(writer, "duration, mae, mfe") == [(timedelta(seconds=300), None, None)]
    assert [each.first_exec_id for each in unmeasured_trades(writer, [MAIN], since=START)] == ["exec-0"]


def test_the_fills_behind_a_trip_follow_an_assignment(
    recorder: FillRecorder, writer: Connection, commander: Connection, epochs: Any
) -> None:
    recorder.record(
        [
            heard(a_fill(BUY, "1", at="100", n=0)),
            heard(a_fill(BUY, "1", at="102", n=1), TWO),
            heard(a_fill(SELL, "2", at="110", n=2)),
        ]
    )
    wish(commander, "exec-1", ONE)
    take_up(writer, epochs)
    # (110 - 100) + (110 - 102) = 18
    assert trips(writer, "bot, quantity, gross_pnl") == [(ONE, *numbers("2", "18"))]
    assert [each[:3] for each in behind(writer, "exec-0")] == [
        ("exec-0", "entry", Decimal(1)),
        ("exec-1", "entry", Decimal(1)),
        ("exec-2", "exit", Decimal(2)),
    ]
