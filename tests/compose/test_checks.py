"""Every check fails when what it watches fails, and passes again when that heals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.compose.deployment import SERVICES, Deployment, becomes, docker, last_check

# What is frozen -> whose checks have to see it. A frozen server keeps its connections open and answers nothing, the
# worst way to fail.
SEEN_BY = {
    "postgres": ("pgbouncer", "websocket_listener", "shortseller"),
    "pgbouncer": ("canary_002",),
    "redis": ("market_feed", "websocket_listener", "momentum"),
    "paper_exchange": ("websocket_listener", "market_feed", "lxalgo"),
    "market_feed": ("canary",),
}


@pytest.fixture(scope="module")
def watched(platform: Deployment) -> Deployment:
    """The platform with its checks asked every second."""
    platform.up(*SERVICES, profiles=("paper", "canary"), fast=True)
    return platform


@contextmanager
def stopped(service: str) -> Iterator[None]:
    """The first process of its container does nothing any more; its check can still be run."""
    docker("kill", "--signal", "STOP", f"trading_{service}")
    try:
        yield
    finally:
        docker("kill", "--signal", "CONT", f"trading_{service}")


@contextmanager
def frozen(service: str) -> Iterator[None]:
    """No process of its container does anything, so its own check does not run either."""
    docker("pause", f"trading_{service}")
    try:
        yield
    finally:
        docker("unpause", f"trading_{service}")


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("service", SERVICES)
def test_a_process_that_hangs_is_seen_by_its_own_check(service: str) -> None:
    with stopped(service):
        becomes(f"trading_{service}", "unhealthy")
    becomes(f"trading_{service}", "healthy")


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("cause", list(SEEN_BY))
def test_a_cause_is_seen_by_those_who_need_it(cause: str) -> None:
    with frozen(cause):
        for service in SEEN_BY[cause]:
            becomes(f"trading_{service}", "unhealthy")
    for service in (cause, *SEEN_BY[cause]):
        becomes(f"trading_{service}", "healthy")


@pytest.mark.usefixtures("watched")
def test_a_listener_says_what_is_wrong() -> None:
    with frozen("postgres"):
        becomes("trading_websocket_listener", "unhealthy")
        assert '"ledger":false' in last_check("trading_websocket_listener")
    becomes("trading_websocket_listener", "healthy")
