from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from alpha.domain.clock import from_ms, to_ms
from alpha.domain.ids import BotId, Symbol
from alpha.domain.instrument import Instrument
from alpha.domain.order import TRANSITIONS, OrderStatus
from alpha.domain.order_link_id import OrderLinkId, is_valid_order_link_id, reason_told_by
from alpha.domain.reason import Reason
from alpha.domain.side import Side

codes = st.from_regex(r"[a-z0-9]{2,6}", fullmatch=True)
bars = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def link(code: str, reason: Reason, bar: datetime, ordinal: int = 0, run: str = "r", bot: str = "b_001") -> OrderLinkId:
    return OrderLinkId.for_decision(
        code=code, bot=BotId(bot), run=run, symbol=Symbol("BTCUSDT"), bar=bar, reason=reason, ordinal=ordinal
    )


@given(codes, st.sampled_from(Reason), bars, st.integers(0, 99))
def test_a_link_id_is_read_back_and_fits_the_exchange(code: str, reason: Reason, bar: datetime, ordinal: int) -> None:
    made = link(code, reason, bar, ordinal)
    assert OrderLinkId.parse(str(made)) == made
    assert reason_told_by(str(made)) is reason
    assert is_valid_order_link_id(str(made))


@given(codes, st.sampled_from(Reason), bars)
def test_the_same_decision_makes_the_same_id_and_a_second_try_another(code: str, reason: Reason, bar: datetime) -> None:
    assert link(code, reason, bar) == link(code, reason, bar)
    assert link(code, reason, bar, ordinal=1) != link(code, reason, bar)
    assert link(code, reason, bar, run="other") != link(code, reason, bar)
    assert link(code, reason, bar, bot="b_002") != link(code, reason, bar)


@given(st.text(max_size=40))
def test_any_other_text_is_kept_and_not_parsed(text: str) -> None:
    parsed = OrderLinkId.parse(text)
    assert parsed is None or str(parsed) == text
    assert (reason_told_by(text) is None) == (parsed is None)


@given(st.integers(0, 4_102_444_800_000))
def test_milliseconds_survive(milliseconds: int) -> None:
    assert to_ms(from_ms(milliseconds)) == milliseconds


steps = st.sampled_from([Decimal(text) for text in ("0.001", "0.01", "0.1", "0.5", "1", "10", "0.0001")])


@given(steps, steps, st.decimals("0.0001", "100000", places=6), st.sampled_from(Side))
def test_rounding_never_exceeds(step: Decimal, tick: Decimal, value: Decimal, side: Side) -> None:
    instrument = Instrument(
        symbol=Symbol("XUSDT"), base="X", quote="USDT", tick_size=tick, min_price=tick, max_price=Decimal(10**7),
        quantity_step=step, min_quantity=step, max_limit_quantity=Decimal(10**6), max_market_quantity=Decimal(10**6),
        min_notional=Decimal(5), max_leverage=Decimal(100),
    )  # fmt: skip
    quantity = instrument.round_quantity(value)
    assert value - step < quantity <= value
    assert instrument.is_on_step(quantity)
    price = instrument.round_limit_price(value, side)
    assert instrument.is_on_tick(price)
    assert abs(price - value) < tick
    assert (price <= value) if side is Side.BUY else (price >= value)
    smallest = instrument.min_order_quantity(value)
    assert instrument.is_on_step(smallest)
    assert smallest * value >= instrument.min_notional
    assert smallest == instrument.min_quantity or (smallest - step) * value < instrument.min_notional


@given(st.lists(st.sampled_from(OrderStatus), min_size=2, max_size=8))
def test_no_path_leads_out_of_a_terminal_state(path: list[OrderStatus]) -> None:
    for before, after in pairwise(path):
        if not before.can_become(after):
            return
        assert not before.is_terminal
    assert set(TRANSITIONS) == set(OrderStatus)
