from __future__ import annotations

import contextlib
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import docker
import pytest
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container

from tests.exchange_process import PROJECT_ROOT
from tests.support import eventually, free_port

SOCKET = Path("/var/run/docker.sock")
SECRET = "a-secret-that-nobody-may-see"
# A bot that says something, lives until it is told to end, and then ends in order.
PROGRAM = "trap 'echo ended; exit 0' TERM; echo started; while :; do sleep 0.1; done"


@dataclass
class Fleet:
    """Containers of a compose project of the test's own, and others that are nobody's business."""

    client: docker.DockerClient
    image: str
    project: str = field(default_factory=lambda: f"alpha-test-{secrets.token_hex(4)}")
    made: list[Container] = field(default_factory=list)

    def add(self, name: str, labels: dict[str, str], *, project: str | None = None, start: bool = True) -> Container:
        container = self.client.containers.create(
            self.image,
            ["sh", "-c", PROGRAM],
            name=f"{self.project}-{name}",
            labels={"com.docker.compose.project": project or self.project, "private.note": SECRET} | labels,
            environment={"BYBIT_API_SECRET": SECRET},
        )
        self.made.append(container)
        if start:
            container.start()
        return container

    def remove(self) -> None:
        for container in self.made:
            with contextlib.suppress(APIError):
                container.remove(force=True)


@dataclass(frozen=True)
class Proxy:
    url: str
    port: int


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """Docker's engine itself; the tests are skipped where none answers."""
    try:
        client = docker.DockerClient(base_url=f"unix://{SOCKET}", timeout=30)
        client.ping()
    except (DockerException, OSError) as error:
        pytest.skip(f"no Docker engine answers on {SOCKET}: {error}")
    yield client
    client.close()


@pytest.fixture(scope="session")
def image(engine: docker.DockerClient) -> str:
    """Any image with a shell that is here already: nothing is fetched."""
    for candidate in ("alpine", "busybox", "python:3.11-slim", "redis:7"):
        with contextlib.suppress(NotFound, APIError):
            engine.images.get(candidate)
            return candidate
    tags = [tag for found in engine.images.list() for tag in found.tags]
    if not tags:
        pytest.skip("the Docker engine has no image to run a container from")
    return tags[0]


@pytest.fixture(scope="module")
def fleet(engine: docker.DockerClient, image: str) -> Iterator[Fleet]:
    made = Fleet(engine, image)
    yield made
    made.remove()


@pytest.fixture(scope="module")
def proxy(fleet: Fleet) -> Iterator[Proxy]:
    """`python -m telegram_manager.docker_proxy` in front of the real engine."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "telegram_manager.docker_proxy"],
        cwd=PROJECT_ROOT,
        env={
            "PATH": "/usr/bin:/bin",
            "ALPHA_ENV_FILE": "",
            "DOCKER_PROXY_PORT": str(port),
            "DOCKER_SOCKET": str(SOCKET),
            "ALPHA_COMPOSE_PROJECT": fleet.project,
        },
        stderr=subprocess.DEVNULL,
    )
    try:
        import requests

        def answers() -> bool:
            assert process.poll() is None, "the proxy ended"
            with contextlib.suppress(requests.ConnectionError):
                return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).ok
            return False

        eventually(answers, within_s=20, what="the proxy to answer")
        yield Proxy(f"http://127.0.0.1:{port}", port)
        process.terminate()
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.wait()
