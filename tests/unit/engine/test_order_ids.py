"""Orders without a link id: their ids hang on what was asked, not on which of them came first."""

from __future__ import annotations

import pytest

from paper_exchange.engine import TpslMode, TriggerBy
from tests.unit.engine.scene import BUY, SELL, Scene

# what is asked beside symbol, side, type and quantity, two orders at a time
PAIRS = [
    ({}, {"price": "100.5"}),
    ({"price": "100.5"}, {"price": "100.6"}),
    ({"reduce_only": True}, {"reduce_only": True, "close_on_trigger": True}),
    ({"take_profit": "90"}, {"take_profit": "90", "tp_trigger_by": TriggerBy.MARK}),
    ({"stop_loss": "110"}, {"stop_loss": "110", "sl_trigger_by": TriggerBy.INDEX}),
    ({"take_profit": "90"}, {"take_profit": "90", "tpsl_mode": TpslMode.PARTIAL}),
    ({"trigger_price": "98", "trigger_direction": 2}, {"trigger_price": "97", "trigger_direction": 2}),
    (
        {"trigger_price": "98", "trigger_direction": 2},
        {"trigger_price": "98", "trigger_direction": 2, "trigger_by": TriggerBy.MARK},
    ),
    (
        {"slippage_tolerance": "5", "slippage_tolerance_type": "TickSize"},
        {"slippage_tolerance": "5", "slippage_tolerance_type": "Percent"},
    ),
]


def ids_by_request(requests: list[dict[str, object]]) -> dict[str, str]:
    scene = Scene(balance="10000")
    scene.market(BUY, "5")
    scene.bar()
    return {str(request): scene.place(SELL, "0.5", **request).order_id for request in requests}  # type: ignore[arg-type]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_orders_that_differ_in_anything_have_the_same_ids_in_either_order(
    one: dict[str, object], other: dict[str, object]
):
    assert ids_by_request([one, other]) == ids_by_request([other, one])


def test_two_equal_orders_have_two_ids_however_their_numbers_are_written():
    scene = Scene(balance="10000")
    first = [scene.place(BUY, quantity, "98").order_id for quantity in ("1", "1.0")]
    again = Scene(balance="10000")
    assert [again.place(BUY, quantity, "98.00").order_id for quantity in ("1.00", "1")] == first
    assert len(set(first)) == 2
