"""Sending at most once: journal, ids, time-outs, duplicates, stops that are read back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

import pytest

from alpha.bot.broker import HeldPosition, OutcomeStatus
from alpha.bot.decision import Decision
from alpha.bot.errors import BotError
from alpha.bot.gate import Deny, Gate
from alpha.bot.gated_broker import GatedBroker
from alpha.bot.limits import Limits
from alpha.bot.orders_in_flight import OrdersInFlight
from alpha.domain.errors import InvalidValue
from alpha.domain.ids import BotId
from alpha.domain.order import OrderStatus
from alpha.domain.order_link_id import OrderLinkId
from alpha.domain.position import Position
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.exchange.errors import ExchangeRefused, ExchangeUnknown, ExchangeUnreachable
from tests.unit.bot.parts import BTC, START, MemoryJournal, ScriptedExchange, Surroundings, Told, a_bar, an_order

SHORT = Position(Decimal("-2"), Decimal(100))


@dataclass
class Desk:
    """A broker with everything around it in the test's hands."""

    surroundings: Surroundings = field(default_factory=Surroundings)
    exchange: ScriptedExchange = field(default_factory=ScriptedExchange)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    orders: OrdersInFlight = field(default_factory=OrdersInFlight)
    told: Told = field(default_factory=Told)
    run: str = "run"
    entries: list[datetime] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.broker = GatedBroker(
            bot=BotId("bot_001"),
            code="bt",
            run=self.run,
            gate=Gate(Limits(), self.surroundings),
            orders=self.orders,
            port=self.exchange,
            journal=self.journal,
            view=self.surroundings,
            alerts=self.told,
            entry_sent=self.entries.append,
            pause=lambda _: None,
        )
        self.broker.newest[BTC] = a_bar("100")

    def on_bar(self, n: int = 1):
        bar = a_bar("100", n=n)
        return self.broker.deciding(Decision.on_bar(start=bar.start, end=bar.end))

    def enter(self, n: int = 1):
        with self.on_bar(n):
            return self.broker.market(BTC, Side.SELL, Decimal("1.23456"), stop_loss=Decimal("101.26"))

    def exit(self, n: int = 1):
        with self.on_bar(n):
            return self.broker.close(BTC, Reason.REGIME_EXIT)


def unknown() -> ExchangeUnknown:
    return ExchangeUnknown("timed out", operation="POST /v5/order/create")


def unreachable() -> ExchangeUnreachable:
    return ExchangeUnreachable("connection refused", operation="POST /v5/order/create")


def refused(code: int) -> ExchangeRefused:
    return ExchangeRefused("no", operation="POST /v5/order/create", code=code, text="no")


def test_an_entry_is_rounded_journalled_and_sent_with_its_stop():
    desk = Desk()
    outcome = desk.enter()
    assert outcome.accepted
    (order,) = desk.exchange.placed
    assert (order.quantity, order.stop_loss, order.reduce_only) == (Decimal("1.234"), Decimal("101.3"), False)
    assert list(desk.journal.recorded) == [order.order_link_id] == [outcome.order_link_id]
    assert desk.journal.outcomes[order.order_link_id].accepted
    assert desk.entries == [a_bar("1", n=1).end]


def test_the_order_is_in_the_journal_before_it_is_sent():
    desk = Desk()
    seen = []
    place = desk.exchange.place_order
    desk.exchange.place_order = lambda order: (seen.append(list(desk.journal.recorded)), place(order))[1]  # type: ignore[method-assign]
    desk.enter()
    assert seen == [[desk.exchange.placed[0].order_link_id]]


def test_without_a_journal_no_entry_is_sent_but_an_exit_is():
    desk = Desk(surroundings=Surroundings(held={BTC: SHORT}))
    desk.journal.is_down = True
    assert (desk.enter().code, desk.exchange.placed) == ("journal_unavailable", [])
    assert desk.exit().accepted
    assert [order.reduce_only for order in desk.exchange.placed] == [True]


def test_a_denied_entry_is_not_journalled_sent_or_counted_as_entry():
    desk = Desk(surroundings=Surroundings(risk=Deny("no_lease", "gone")))
    outcome = desk.enter()
    assert (outcome.status, outcome.code) == (OutcomeStatus.DENIED, "no_lease")
    assert (desk.exchange.attempts, desk.journal.recorded, desk.entries, list(desk.orders)) == ([], {}, [], [])
    assert desk.broker.denials.counts == {"no_lease": 1}


def test_exits_pass_where_entries_are_denied():
    desk = Desk(surroundings=Surroundings(risk=Deny("no_lease", "gone"), held={BTC: SHORT}))
    assert desk.exit().accepted
    (order,) = desk.exchange.placed
    assert (order.side, order.quantity, order.reduce_only) == (Side.BUY, Decimal(2), True)


def test_closing_what_is_flat_sends_nothing():
    desk = Desk()
    assert desk.exit().code == "flat"
    assert desk.exchange.attempts == []


def test_an_entry_is_no_reason_to_close():
    desk = Desk()
    with desk.on_bar(), pytest.raises(InvalidValue, match="no reason to close"):
        desk.broker.close(BTC, Reason.ENTRY)


def test_a_repeated_decision_makes_the_same_id_and_places_one_order():
    # given a bot that died after sending and decides the same bar again
    exchange = ScriptedExchange()
    first = Desk(exchange=exchange).enter()
    second = Desk(exchange=exchange).enter()
    assert first.order_link_id == second.order_link_id
    assert (second.accepted, second.code) == (True, "duplicate")
    assert len(exchange.placed) == 1


def test_ids_differ_by_bar_reason_ordinal_run_and_event():
    desk, other_run = Desk(surroundings=Surroundings(held={BTC: SHORT})), Desk(run="another")
    with desk.on_bar():
        ids = [desk.broker.market(BTC, Side.SELL, Decimal(1)).order_link_id for _ in range(2)]
        ids.append(desk.broker.close(BTC, Reason.TIME_EXIT).order_link_id)
    ids.append(desk.enter(n=2).order_link_id)
    ids.append(other_run.enter().order_link_id)
    for exec_id in ("x", "y"):
        with desk.broker.deciding(Decision.on_fill(at=START, exec_id=exec_id)):  # type: ignore[arg-type]
            ids.append(desk.broker.market(BTC, Side.SELL, Decimal(1)).order_link_id)
    assert len(set(ids)) == len(ids)
    parsed = [OrderLinkId.parse(str(link_id)) for link_id in ids]
    assert all(link_id is not None and link_id.code == "bt" for link_id in parsed)
    assert parsed[2].reason is Reason.TIME_EXIT  # type: ignore[union-attr]


def test_a_denied_first_order_does_not_change_the_id_of_the_second():
    free, blocked = Desk(), Desk()
    with free.on_bar():
        free.broker.market(BTC, Side.SELL, Decimal(1))
        expected = free.broker.market(BTC, Side.SELL, Decimal(1)).order_link_id
    with blocked.on_bar():
        blocked.surroundings.risk = Deny("x", "")
        blocked.broker.market(BTC, Side.SELL, Decimal(1))
        blocked.surroundings.risk = None
        assert blocked.broker.market(BTC, Side.SELL, Decimal(1)).order_link_id == expected


def test_a_time_out_after_arrival_is_found_by_asking_and_not_sent_again():
    desk = Desk()
    desk.exchange.fault(unknown(), arrives=True)
    outcome = desk.enter()
    assert (outcome.accepted, outcome.code) == (True, "found")
    assert len(desk.exchange.attempts) == 1


def test_a_time_out_before_arrival_is_sent_again_under_the_same_id():
    desk = Desk()
    desk.exchange.fault(unknown())
    assert desk.enter().accepted
    assert len(desk.exchange.attempts) == 2
    assert len({order.order_link_id for order in desk.exchange.attempts}) == 1


def test_a_time_out_nobody_can_explain_stays_unknown_and_blocks_the_symbol():
    desk = Desk()
    desk.exchange.deaf_to_queries = True
    for _ in range(3):
        desk.exchange.fault(unknown())
    outcome = desk.enter()
    assert outcome.status is OutcomeStatus.UNKNOWN
    assert desk.journal.outcomes[str(outcome.order_link_id)].status is OutcomeStatus.UNKNOWN
    assert desk.orders.problem(BTC) is not None


def test_a_refusal_after_a_time_out_is_still_unknown():
    # the first attempt may be what used up the margin
    desk = Desk()
    desk.exchange.deaf_to_queries = True
    desk.exchange.fault(unknown(), arrives=True)
    desk.exchange.fault(refused(110007))
    assert desk.enter().status is OutcomeStatus.UNKNOWN


def test_a_refusal_frees_the_symbol_and_keeps_the_exchanges_code():
    desk = Desk()
    desk.exchange.fault(refused(110007))
    outcome = desk.enter()
    assert (outcome.status, outcome.code) == (OutcomeStatus.REFUSED, "110007")
    assert desk.orders.problem(BTC) is None


@pytest.mark.parametrize(("failures", "status"), [(2, OutcomeStatus.ACCEPTED), (3, OutcomeStatus.NOT_SENT)])
def test_an_unreachable_exchange_is_tried_three_times(failures: int, status: OutcomeStatus):
    desk = Desk()
    for _ in range(failures):
        desk.exchange.fault(unreachable())
    assert desk.enter().status is status
    assert (desk.orders.problem(BTC) is None) == (status is OutcomeStatus.NOT_SENT)


def test_a_second_exit_that_finds_nothing_to_reduce_says_flat():
    desk = Desk(surroundings=Surroundings(held={BTC: SHORT}))
    desk.exchange.fault(refused(110017))
    assert desk.exit().code == "flat"


def test_a_trailing_stop_is_read_back():
    desk = Desk()
    desk.exchange.shown = HeldPosition(symbol=BTC, position=SHORT)
    with desk.on_bar():
        outcome = desk.broker.trailing_stop(BTC, Decimal("1.04"), activation_price=Decimal("98.04"))
    assert outcome.accepted
    assert (desk.exchange.stops[0].trailing_stop, desk.exchange.stops[0].active_price) == (
        Decimal("1.0"),
        Decimal("98.0"),
    )


def test_a_trailing_stop_the_exchange_does_not_show_is_not_verified():
    desk = Desk()
    desk.exchange.on_stop = lambda _: None
    with desk.on_bar():
        assert desk.broker.trailing_stop(BTC, Decimal(1)).code == "not_verified"


def test_a_stop_that_is_already_so_counts_as_set():
    desk = Desk()
    desk.exchange.shown = replace(desk.exchange.shown, stop_loss=Decimal(101))

    def not_modified(_: object) -> None:
        raise refused(34040)

    desk.exchange.on_stop = not_modified
    with desk.on_bar():
        assert desk.broker.stop_loss(BTC, Decimal(101)).accepted


def test_a_strategy_acts_inside_its_hooks_only():
    desk = Desk()
    with pytest.raises(BotError, match="inside its hooks"):
        desk.broker.market(BTC, Side.SELL, Decimal(1))


def test_an_order_of_an_earlier_life_that_has_ended_does_not_block_entries_for_ever():
    # given an exit whose fills were handled before the bot was killed, and that is decided on again
    exchange = ScriptedExchange()
    Desk(exchange=exchange, surroundings=Surroundings(held={BTC: SHORT})).exit()
    again = Desk(exchange=exchange, surroundings=Surroundings(held={BTC: SHORT}))
    placed = exchange.placed[0].order_link_id
    exchange.find_order = lambda _, link_id: an_order(link_id, OrderStatus.FILLED, filled="2", quantity="2")  # type: ignore[method-assign]
    # when
    outcome = again.exit()
    # then
    assert (outcome.code, outcome.order_link_id, len(exchange.placed)) == ("duplicate", placed, 1)
    assert again.orders.problem(BTC) is None


def test_an_order_in_flight_that_is_sent_again_waits_for_its_fills():
    desk = Desk(surroundings=Surroundings(held={BTC: SHORT}))
    desk.exit()
    desk.exchange.find_order = lambda _, link_id: an_order(link_id, OrderStatus.FILLED, filled="2", quantity="2")  # type: ignore[method-assign]
    assert desk.exit().code == "duplicate"
    denied = desk.orders.problem(BTC)
    assert denied is not None
    assert denied.code == "fills_missing"


def test_a_stop_that_the_tick_puts_on_the_entry_price_is_an_answer_and_no_crash():
    desk = Desk()
    with desk.on_bar():
        outcome = desk.broker.market(BTC, Side.SELL, Decimal(1), stop_loss=Decimal("100.04"))
    assert (outcome.status, outcome.code, desk.exchange.attempts) == (OutcomeStatus.DENIED, "invalid", [])


def test_an_order_whose_first_answer_was_lost_waits_for_its_fills():
    desk = Desk(surroundings=Surroundings(held={BTC: SHORT}))
    desk.exchange.fault(unknown(), arrives=True)
    answers = iter([None, OrderStatus.FILLED])

    def find(_, link_id):
        status = next(answers)
        return None if status is None else an_order(link_id, status, filled="2", quantity="2")

    desk.exchange.find_order = find  # type: ignore[method-assign]
    assert desk.exit().code == "found"
    assert desk.orders.problem(BTC) is not None
