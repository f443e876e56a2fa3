"""Bybit's limits: a rolling second per account and endpoint, five seconds per address."""

from __future__ import annotations

from paper_exchange.server.rate_limits import PER_IP, RateLimits
from paper_exchange.server.rest import ROUTES
from paper_exchange.server.routes import PrivateRoute

UID, FEES, LIST = 1001, "/v5/account/fee-rate", "/v5/execution/list"


def test_what_is_left_falls_and_the_sixth_request_of_a_second_is_refused():
    limits = RateLimits()
    allowances = [limits.take(UID, FEES, 10 + number / 10) for number in range(6)]
    assert [(one.limit, one.remaining, one.exceeded) for one in allowances if one] == [
        (5, 4, False), (5, 3, False), (5, 2, False), (5, 1, False), (5, 0, False), (5, 0, True),
    ]  # fmt: skip
    # the first of them was at 10.0, so there is room again at 11.0: half a second after 10.5
    last = allowances[-1]
    assert last is not None
    assert last.headers(now_ms=1_000_000) == {
        "X-Bapi-Limit": "5",
        "X-Bapi-Limit-Status": "0",
        "X-Bapi-Limit-Reset-Timestamp": "1000500",
    }


def test_the_second_rolls():
    limits = RateLimits()
    for number in range(5):
        limits.take(UID, FEES, 10 + number / 10)
    refused, taken = limits.take(UID, FEES, 10.99), limits.take(UID, FEES, 11.0)
    assert refused is not None
    assert refused.exceeded
    assert taken is not None
    assert not taken.exceeded
    # only one place became free: the next does at 11.1
    again = limits.take(UID, FEES, 11.05)
    assert again is not None
    assert again.exceeded


def test_the_reset_is_never_in_the_past_of_who_reads_it():
    limits = RateLimits(per_second=1)
    limits.take(UID, FEES, 10)
    late = limits.take(UID, FEES, 10.9999)
    assert late is not None
    assert late.resets_in_ms == 100


def test_a_batch_counts_as_its_orders_and_takes_what_is_left():
    limits, batch = RateLimits(), "/v5/order/create-batch"
    granted = [limits.take(UID, batch, at, units) for at, units in ((10.0, 7), (10.1, 7), (10.2, 1), (11.0, 8))]
    # 10 in a second: 7, then the 3 that are left, then none; at 11.0 the first 7 are a second old
    assert [(one.taken, one.remaining, one.exceeded) for one in granted if one] == [
        (7, 3, False), (3, 0, False), (0, 0, True), (7, 0, False),
    ]  # fmt: skip


def test_accounts_and_endpoints_have_limits_of_their_own():
    limits = RateLimits(per_second=1)
    taken = [limits.take(UID, FEES, 10), limits.take(UID, LIST, 10), limits.take(UID + 1, FEES, 10)]
    assert [one.exceeded for one in taken if one] == [False, False, False]


def test_every_private_endpoint_has_a_limit_and_no_public_one():
    limits = RateLimits()
    for route in ROUTES:
        assert (limits.take(UID, route.path, 10) is not None) is isinstance(route, PrivateRoute), route.path


def test_an_address_is_banned_for_ten_minutes_after_six_hundred_requests_in_five_seconds():
    limits = RateLimits()
    assert all(limits.admits("127.0.0.1", 10 + number / 200) for number in range(PER_IP))
    assert limits.admits("127.0.0.2", 13)
    assert not limits.admits("127.0.0.1", 14)
    assert not limits.admits("127.0.0.1", 613.9)
    assert limits.admits("127.0.0.1", 614)


def test_an_address_that_keeps_to_its_pace_is_never_banned():
    limits = RateLimits(per_ip=10)
    assert all(limits.admits("127.0.0.1", number / 2) for number in range(1000))
