"""Whatever is killed comes back by itself, and nothing that was traded meanwhile is missing."""

from __future__ import annotations

import os
import signal

import pytest

from tests.compose.deployment import SERVICES, Deployment, becomes, docker, inspect, run, signalled
from tests.support import eventually


def fills(platform: Deployment) -> int:
    return int(platform.sql("SELECT count(*) FROM trading.fills"))


def is_proven(platform: Deployment) -> None:
    done = platform.alpha("proof")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.usefixtures("platform")
def test_a_killed_container_comes_back(service: str) -> None:
    container = f"trading_{service}"
    becomes(container, "healthy")
    started = inspect(container)["State"]["StartedAt"]
    signalled(service, signal.SIGKILL)
    eventually(lambda: inspect(container)["State"]["StartedAt"] != started, 120, "a restart", every_s=0.3)
    becomes(container, "healthy")


def test_trading_went_on_and_nothing_is_missing(platform: Deployment) -> None:
    for service in SERVICES:
        becomes(f"trading_{service}", "healthy")
    before = fills(platform)
    eventually(lambda: fills(platform) > before, 120, "a fill after everything was killed", every_s=1)
    is_proven(platform)


def test_the_listener_cut_off_from_the_database_loses_nothing(platform: Deployment) -> None:
    if run(["nsenter", "--version"]).returncode or run(["ip", "-V"]).returncode or os.getuid() != 0:
        pytest.skip("cutting one container off from another needs root, nsenter and ip")
    database = inspect("trading_postgres")["NetworkSettings"]["Networks"]["alpha_trading-network"]["IPAddress"]
    listener = str(inspect("trading_websocket_listener")["State"]["Pid"])
    in_listener = ["nsenter", "--target", listener, "--net", "ip", "route"]
    recorded = fills(platform)
    assert run([*in_listener, "add", "blackhole", database]).returncode == 0
    try:
        becomes("trading_websocket_listener", "unhealthy")
    finally:
        run([*in_listener, "del", "blackhole", database])
    becomes("trading_websocket_listener", "healthy")
    eventually(lambda: fills(platform) > recorded, 120, "fills after the cut", every_s=1)
    is_proven(platform)
    # What was cut off is over for PostgreSQL, too: its sessions would hold what they had locked, and up a restore.
    writers = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'alpha-listener'"
    eventually(lambda: platform.sql(writers) == "1", 120, "the end of the sessions of before the cut", every_s=1)


@pytest.mark.usefixtures("platform")
def test_stopping_is_in_order_and_within_the_grace_period() -> None:
    docker("stop", "trading_shortseller", "trading_websocket_listener")
    for container in ("trading_shortseller", "trading_websocket_listener"):
        assert inspect(container)["State"]["ExitCode"] == 0
    docker("start", "trading_websocket_listener", "trading_shortseller")
    becomes("trading_shortseller", "healthy")
