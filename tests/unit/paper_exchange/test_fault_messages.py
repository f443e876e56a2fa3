"""When a private message is sent while faults happen."""

from __future__ import annotations

from alpha.domain.ids import AccountName
from paper_exchange.faults.messages import Message, MessageFaults
from tests.unit.paper_exchange.scripts import Clock, armed

CANARY, OTHER = AccountName("canary"), AccountName("shortseller")


def message(number: int = 1, *, account: AccountName = CANARY, topic: str = "execution") -> Message:
    return Message(account, topic, f"subject {number}", events=2)


def test_without_a_fault_a_message_is_sent_now():
    clock = Clock()
    schedule, _ = armed(clock, {"kind": "withhold", "from_s": 5, "for_s": 5})
    assert MessageFaults(schedule).sendings(message()) == [1000.0]


def test_delays_add_up_and_what_follows_waits_behind():
    clock = Clock()
    schedule, (one, two) = armed(
        clock, {"kind": "delay", "for_s": 1, "by_s": 2}, {"kind": "delay", "for_s": 1, "by_s": 0.5}
    )
    faults = MessageFaults(schedule)
    assert faults.sendings(message(1)) == [1002.5]
    # when the windows are over
    clock.now = 1001.0
    assert faults.sendings(message(2)) == [1002.5]
    assert faults.sendings(message(3, account=OTHER)) == [1001.0]
    clock.now = 1003.0
    assert faults.sendings(message(4)) == [1003.0]
    assert (one.injected, one.hit, two.injected, two.hit) == (1, 2, 1, 2)


def test_a_duplicate_is_sent_again_after_a_while():
    schedule, (fault,) = armed(Clock(), {"kind": "duplicate", "for_s": 1, "by_s": 0.25})
    assert MessageFaults(schedule).sendings(message()) == [1000.0, 1000.25]
    assert (fault.injected, fault.hit) == (1, 2)


def test_reordered_messages_keep_within_their_bound_and_change_places():
    schedule, _ = armed(Clock(), {"kind": "reorder", "for_s": 1, "by_s": 0.5})
    faults = MessageFaults(schedule)
    times = [faults.sendings(message(number))[0] for number in range(50)]
    assert all(1000.0 <= time < 1000.5 for time in times)
    assert times != sorted(times)
    assert times == [MessageFaults(schedule).sendings(message(number))[0] for number in range(50)]


def test_withheld_is_withheld_whatever_else_happens():
    schedule, (withhold, duplicate) = armed(
        Clock(), {"kind": "withhold", "for_s": 1, "topics": ["execution"]}, {"kind": "duplicate", "for_s": 1}
    )
    faults = MessageFaults(schedule)
    assert faults.sendings(message()) == []
    assert faults.sendings(message(topic="order")) == [1000.0, 1000.0]
    assert (withhold.hit, duplicate.hit) == (2, 2)
