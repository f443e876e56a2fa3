"""A position is never left without a stop quietly: it is set, verified, told, and in the end closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from pydantic import TypeAdapter

from alpha.bot import Protection, StopPlan
from alpha.bot.testing import BTC, NO, START, YES, MemoryBroker
from alpha.domain.reason import Reason

LIMIT = timedelta(seconds=30)
AT_ONCE = StopPlan(stop_loss=Decimal(90), trailing_distance=Decimal(10))
LATER = StopPlan(stop_loss=Decimal(92), trailing_distance=Decimal(10), trailing_from=Decimal(120))


def keep(protection: Protection, broker: MemoryBroker, plan: StopPlan = AT_ONCE) -> bool:
    held = broker.position(BTC)
    assert held is not None
    return protection.keep(broker, held, plan, bare_limit=LIMIT)


def test_a_trailing_stop_is_set_and_not_set_again_once_it_is_shown():
    broker, protection = MemoryBroker(), Protection()
    broker.hold(BTC, "1", "100", stop_loss="90")
    assert keep(protection, broker)
    broker.hold(BTC, "1", "100", stop_loss="90", trailing_stop="10")
    assert keep(protection, broker)
    assert broker.trailing == [(BTC, Decimal(10), None)]


def test_a_trailing_stop_that_the_exchange_does_not_show_is_set_again():
    broker, protection = MemoryBroker(), Protection()
    broker.hold(BTC, "1", "100", stop_loss="90")
    keep(protection, broker)
    keep(protection, broker)
    assert len(broker.trailing) == 2


@pytest.mark.parametrize(("mark", "start"), [("119", Decimal(120)), ("120", None), ("125", None)])
def test_a_start_that_the_price_has_passed_is_left_out(mark: str, start: Decimal | None):
    broker = MemoryBroker()
    broker.hold(BTC, "1", "100", mark=mark)
    keep(Protection(), broker, LATER)
    assert broker.trailing == [(BTC, Decimal(10), start)]


@pytest.mark.parametrize(("take_profit", "set_again"), [(None, True), ("130", False)])
def test_a_missing_target_is_set(take_profit: str | None, set_again: bool):
    broker = MemoryBroker()
    broker.hold(BTC, "1", "100", take_profit=take_profit)
    keep(Protection(), broker, replace(LATER, take_profit=Decimal(130)))
    assert (broker.take_profits == [(BTC, Decimal(130))]) is set_again


def test_a_position_without_a_stop_gets_one_and_it_is_told_once():
    broker, protection = MemoryBroker(), Protection()
    broker.hold(BTC, "1", "100", stop_loss=None)
    assert keep(protection, broker, LATER)
    assert keep(protection, broker, LATER)  # the exchange took it and does not show it yet
    assert broker.stop_losses == [(BTC, Decimal(92))] * 2
    assert broker.alerts == [("position_unprotected", BTC)]
    assert "it has one now" in broker.texts[0]


def test_an_active_trailing_stop_protects_by_itself():
    broker, protection = MemoryBroker(), Protection()
    broker.hold(BTC, "1", "100", stop_loss=None, trailing_stop="10")
    protection.trailing_for = Decimal(100)
    assert keep(protection, broker)
    assert broker.alerts == []


def test_one_that_waits_for_its_start_does_not():
    broker, protection = MemoryBroker(stop_answer=NO), Protection()
    broker.hold(BTC, "1", "100", stop_loss=None, trailing_stop="10", mark="110")
    protection.trailing_for = Decimal(100)
    assert not keep(protection, broker, LATER)


@pytest.mark.parametrize(("seconds", "closed"), [(30, False), (31, True)])
def test_what_stays_without_a_stop_for_longer_than_the_limit_is_closed(seconds: int, closed: bool):
    broker, protection = MemoryBroker(stop_answer=NO), Protection()
    broker.hold(BTC, "1", "100", stop_loss=None)
    assert not keep(protection, broker)
    broker.now = START + timedelta(seconds=seconds)
    assert not keep(protection, broker)
    assert [order.reason for order in broker.sent] == ([Reason.FLATTEN] if closed else [])
    assert [kind for kind, _ in broker.alerts][1:] == (["unprotected_closed"] if closed else [])


def test_it_is_closed_once_at_one_time_and_again_later_over_a_restart_too():
    broker, protection = MemoryBroker(stop_answer=NO), Protection()
    broker.hold(BTC, "1", "100", stop_loss=None)
    keep(protection, broker)
    adapter = TypeAdapter(Protection)
    broker.now = START + timedelta(minutes=5)
    for _ in range(2):  # by the bar, and by whatever hook comes after it
        keep(protection, broker)
        protection = adapter.validate_json(adapter.dump_json(protection))
    assert len(broker.sent) == 1
    broker.now += timedelta(seconds=5)
    keep(protection, broker)
    assert len(broker.sent) == 2


def test_a_close_that_did_not_work_is_tried_by_the_next_hook():
    broker, protection = MemoryBroker(stop_answer=NO, answer=NO), Protection()
    broker.hold(BTC, "1", "100", stop_loss=None)
    keep(protection, broker)
    broker.now = START + timedelta(minutes=5)
    keep(protection, broker)
    keep(protection, broker)
    assert len(broker.sent) == 2


def test_the_limit_starts_anew_once_a_stop_was_there():
    broker, protection = MemoryBroker(stop_answer=NO), Protection()
    broker.hold(BTC, "1", "100", stop_loss=None)
    keep(protection, broker)
    broker.hold(BTC, "1", "100", stop_loss="90")
    keep(protection, broker)
    broker.now = START + timedelta(minutes=5)
    broker.hold(BTC, "1", "100", stop_loss=None)
    keep(protection, broker)
    assert broker.sent == []


def test_since_when_it_is_bare_outlives_a_restart():
    broker, protection = MemoryBroker(stop_answer=NO), Protection()
    broker.hold(BTC, "1", "100", stop_loss=None)
    keep(protection, broker)
    adapter = TypeAdapter(Protection)
    restarted = adapter.validate_json(adapter.dump_json(protection))
    broker.now = START + timedelta(seconds=31)
    broker.stop_answer = NO
    keep(restarted, broker)
    assert [order.reason for order in broker.sent] == [Reason.FLATTEN]
    assert broker.answer is YES


@pytest.mark.parametrize(
    ("stop_loss", "trailing_stop", "trailing_for", "is_bare", "seen"),
    [
        ("90", "10", "100", False, True),
        (None, "10", "100", False, False),
        ("90", None, "100", False, False),
        ("90", "10", "101", False, False),  # set for another average entry price
        ("90", "10", "100", True, False),  # that it was bare has to be forgotten first
    ],
)
def test_nothing_is_left_to_do_once_both_stops_are_shown_as_they_were_set(
    stop_loss: str | None, trailing_stop: str | None, trailing_for: str, is_bare: bool, seen: bool
):
    held = MemoryBroker().hold(BTC, "1", "100", stop_loss=stop_loss, trailing_stop=trailing_stop)
    protection = Protection(trailing_for=Decimal(trailing_for), bare_since=START if is_bare else None)
    assert protection.is_seen(held) is seen


def test_a_plan_without_a_trailing_stop_sets_none():
    broker = MemoryBroker()
    broker.hold(BTC, "1", "100", stop_loss="90")
    assert keep(Protection(), broker, StopPlan(stop_loss=Decimal(90)))
    assert broker.trailing == []


def test_a_trailing_stop_that_was_refused_for_a_new_average_is_asked_for_again():
    broker, protection = MemoryBroker(), Protection(trailing_for=Decimal(100))
    broker.hold(BTC, "2", "101", stop_loss="90", trailing_stop="10")
    broker.stop_answer = NO
    keep(protection, broker)
    broker.stop_answer = YES
    keep(protection, broker)
    assert broker.trailing == [(BTC, Decimal(10), None)] * 2


def test_a_trailing_stop_that_protects_ends_the_time_without_one():
    broker, protection = MemoryBroker(stop_answer=NO), Protection()
    broker.hold(BTC, "1", "100", stop_loss=None)
    keep(protection, broker)
    # shown at last, as it was set
    protection.trailing_for = Decimal(100)
    broker.hold(BTC, "1", "100", stop_loss=None, trailing_stop="10")
    keep(protection, broker)
    assert protection.bare_since is None
