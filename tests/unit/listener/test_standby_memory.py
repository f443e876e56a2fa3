"""What a standby keeps of what it hears."""

from __future__ import annotations

from alpha.domain.side import Side
from alpha.ledger.fill_rows import FillSource
from alpha.live.wire import now
from tests.unit.domain.fills import a_fill
from tests.unit.listener.accounts import a_wallet, an_order, said
from websocket_listener.standby_memory import Remembered, StandbyMemory
from websocket_listener.write_queue import Heard


class Clock:
    def __init__(self) -> None:
        self.at_s = 0.0

    def __call__(self) -> float:
        return self.at_s


def heard(n: int) -> Heard:
    return Heard(fill=a_fill(Side.BUY, "1", at="100", n=n), source=FillSource.STREAM, received_at=now())


def test_fills_are_recalled_in_order_and_of_the_rest_the_latest_report() -> None:
    memory = StandbyMemory()
    memory.heard(fills=[heard(1), heard(2)], orders=[an_order("a", n=1), an_order("b", n=1)])
    memory.heard(fills=[heard(3)], orders=[an_order("a", n=2)], positions=[said("1", seq=2), said("2", seq=1)])
    memory.heard(wallet=a_wallet("1000"))
    recalled = memory.recall()
    assert [one.fill.seq for one in recalled.fills] == [1, 2, 3]
    assert [(order.order_id, order.updated_at) for order in recalled.orders] == [
        ("b", an_order(n=1).updated_at),
        ("a", an_order(n=2).updated_at),
    ]
    assert [position.seq for position in recalled.positions] == [2]
    assert recalled.wallet == a_wallet("1000")
    assert memory.recall() == Remembered()


def test_after_a_minute_it_is_forgotten() -> None:
    clock = Clock()
    memory = StandbyMemory(kept_s=60.0, clock=clock)
    memory.heard(fills=[heard(1)], orders=[an_order("a")], positions=[said("1")], wallet=a_wallet("1"))
    clock.at_s = 59.0
    memory.heard(fills=[heard(2)], orders=[an_order("b")])
    clock.at_s = 61.0
    recalled = memory.recall()
    assert [one.fill.seq for one in recalled.fills] == [2]
    assert [order.order_id for order in recalled.orders] == ["b"]
    assert (recalled.positions, recalled.wallet) == ((), None)


def test_it_is_bounded_however_much_is_heard() -> None:
    memory = StandbyMemory(max_fills=3, max_orders=2)
    for n in range(10):
        memory.heard(fills=[heard(n)], orders=[an_order(f"order-{n}")])
    assert memory.size == 5
    recalled = memory.recall()
    assert [one.fill.seq for one in recalled.fills] == [7, 8, 9]
    assert [order.order_id for order in recalled.orders] == ["order-8", "order-9"]
