from __future__ import annotations

import random

import pytest

from alpha.exchange.backoff import Backoff


def test_waits_double_up_to_the_cap_with_jitter_in_the_upper_half() -> None:
    backoff = Backoff(first_s=0.1, cap_s=1.0, rng=random.Random(1))
    for full in (0.1, 0.2, 0.4, 0.8, 1.0, 1.0):
        assert full / 2 <= backoff.next_delay_s() <= full


def test_a_success_starts_anew() -> None:
    backoff = Backoff(first_s=0.1, cap_s=10)
    for _ in range(5):
        backoff.next_delay_s()
    backoff.reset()
    assert backoff.next_delay_s() <= 0.1


def test_days_of_failing_stay_at_the_cap() -> None:
    backoff = Backoff(first_s=0.1, cap_s=15)
    backoff.attempts = 100_000
    assert backoff.next_delay_s() <= 15


def test_two_clients_do_not_return_together() -> None:
    assert len({Backoff(rng=random.Random(seed)).next_delay_s() for seed in range(20)}) == 20


def test_a_backoff_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="cannot be"):
        Backoff(first_s=2, cap_s=1)
