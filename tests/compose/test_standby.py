"""Two listeners: the second one records as soon as the first one does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.compose.deployment import Deployment, becomes, docker, health, inspect
from tests.compose.test_killing import fills, is_proven
from tests.support import eventually

FIRST, SECOND = "trading_websocket_listener", "trading_websocket_listener_standby"


@pytest.fixture
def standby(platform: Deployment) -> Iterator[Deployment]:
    """The platform with a second listener, which goes when the test is over."""
    becomes(FIRST, "healthy")
    platform.up("websocket_listener_standby", profiles=("paper", "canary", "ha"), fast=True)
    yield platform
    if health(FIRST) != "healthy":
        docker("start", FIRST)
    platform.compose("--profile", "ha", "rm", "--force", "--stop", "websocket_listener_standby")
    becomes(FIRST, "healthy")


def holders(platform: Deployment) -> set[str]:
    """Who holds the accounts: the ids of the containers, which are the names of their hosts."""
    return {holder.split(":")[0] for holder in platform.sql("SELECT holder FROM trading.account_head").splitlines()}


def holder(platform: Deployment) -> str:
    """The one that holds every account, which on a machine that is too busy for leases of a second may be either."""

    def only_one() -> str:
        found = holders(platform)
        return found.pop() if len(found) == 1 else ""

    return eventually(only_one, 120, "one holder of all accounts", every_s=0.2)


def test_the_second_listener_goes_on_when_the_first_is_killed(standby: Deployment) -> None:
    named = {inspect(container)["Config"]["Hostname"]: container for container in (FIRST, SECOND)}
    killed = holder(standby)
    (other,) = named.keys() - {killed}
    # As an operator, so that the engine does not start it again: nobody else is left to record.
    docker("kill", named[killed])
    eventually(lambda: holders(standby) == {other}, 120, "the other one holding every account", every_s=0.2)
    recorded = fills(standby)
    eventually(lambda: fills(standby) > recorded, 120, "fills that the other one recorded", every_s=1)
    is_proven(standby)

    docker("start", named[killed])
    becomes(named[killed], "healthy")
    assert holders(standby) == {other}, "whoever comes back stands by"
