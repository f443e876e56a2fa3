"""Every check fails when what it watches fails, and passes again when that heals."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from tests.compose.deployment import SERVICES, Deployment, becomes, docker, health, last_check, signalled
from tests.support import eventually

# Processes that hang together. Nobody's check depends on those in the first group.
HANGING = [
    (
        "shortseller",
        "lxalgo",
        "momentum",
        "canary",
        "canary_002",
        "trade_sync_service",
        "docker_proxy",
        "telegram_manager",
        "postgres_backup",
    ),
    ("websocket_listener", "market_feed"),
    ("paper_exchange",),
    ("pgbouncer",),
    ("redis",),
    ("postgres",),
]

# What is frozen -> whose checks have to see it, and a part of what each says. A frozen server keeps its connections
# open and answers nothing, the worst way to fail.
SEEN_BY = {
    "postgres": {"pgbouncer": "", "websocket_listener": '"ledger":false', "shortseller": '"lease_held":false'},
    "pgbouncer": {"canary_002": '"lease_held":false'},
    "redis": {"market_feed": "", "websocket_listener": "", "momentum": '"bars_fresh":false'},
    "paper_exchange": {"websocket_listener": "", "market_feed": "", "lxalgo": '"bars_fresh":false'},
    "market_feed": {"canary": '"bars_fresh":false'},
}


@pytest.fixture
def well(platform: Deployment) -> Deployment:
    """The platform, of which nobody still complains about the test before."""
    for service in SERVICES:
        becomes(f"trading_{service}", "healthy")
    return platform


def complains(service: str, says: str) -> None:
    """Its check fails, and comes to say this. Raises NotInTime."""

    def does() -> bool:
        container = f"trading_{service}"
        said = last_check(container)
        assert health(container) == "unhealthy"
        assert says in said, said
        return True

    eventually(does, 300, f"{service} complaining", every_s=0.5)


@contextmanager
def stopped(services: Iterable[str]) -> Iterator[None]:
    """The first process of each container does nothing any more; its check can still be run."""
    for service in services:
        signalled(service, signal.SIGSTOP)
    try:
        yield
    finally:
        for service in services:
            signalled(service, signal.SIGCONT)


@contextmanager
def frozen(service: str) -> Iterator[None]:
    """No process of its container does anything, so its own check does not run either."""
    docker("pause", f"trading_{service}")
    try:
        yield
    finally:
        docker("unpause", f"trading_{service}")


@pytest.mark.usefixtures("well")
@pytest.mark.parametrize("services", HANGING, ids=lambda services: services[0])
def test_a_process_that_hangs_is_seen_by_its_own_check(services: tuple[str, ...]) -> None:
    with stopped(services):
        for service in services:
            becomes(f"trading_{service}", "unhealthy")
    for service in services:
        becomes(f"trading_{service}", "healthy")


@pytest.mark.usefixtures("well")
@pytest.mark.parametrize("cause", list(SEEN_BY))
def test_a_cause_is_seen_by_those_who_need_it(cause: str) -> None:
    with frozen(cause):
        for service, says in SEEN_BY[cause].items():
            complains(service, says)
    for service in (cause, *SEEN_BY[cause]):
        becomes(f"trading_{service}", "healthy")


def test_without_a_verified_backup_the_check_of_backups_fails(well: Deployment) -> None:
    folder = well.folder / "database" / "backups" / "postgres"
    manifests = list(folder.glob("*.json"))
    assert manifests
    for path in manifests:
        path.rename(path.with_suffix(".hidden"))
    try:
        complains("postgres_backup", "there is no verified backup")
    finally:
        for path in manifests:
            path.with_suffix(".hidden").rename(path)
    becomes("trading_postgres_backup", "healthy")
