"""A real engine for the tests of docker-compose.production.yml; without one they are skipped and say why.

The names of containers and the ports are the product's own, so only one platform can be there at a time: these tests
run alone (`make test-compose`), and not where a platform of that name already is.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.deployment import PROJECT, SERVICES, Deployment, docker, run

IMAGES = ("python:3.11-slim", "postgres:17", "redis:8", "edoburu/pgbouncer:v1.24.1-p1")
_FOLDER = "alpha-compose-"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.slow)
            # Building images and waiting for a whole platform takes minutes on a small machine.
            item.add_marker(pytest.mark.timeout(900))


def _missing() -> str:
    """Why there is no engine to test with, "" when there is one."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return "tests of the compose file run alone: make test-compose"
    if shutil.which("docker") is None:
        return "no docker command: install Docker Engine and Compose v2"
    engine = run(["docker", "version", "--format", "{{.Server.Version}}"])
    if engine.returncode != 0:
        return f"no Docker engine answers: {engine.stderr.strip() or engine.stdout.strip()}"
    if run(["docker", "compose", "version"]).returncode != 0:
        return "no Compose v2 (docker compose)"
    absent = [
        image
        for image in IMAGES
        if run(["docker", "image", "inspect", image]).returncode != 0
        and run(["docker", "pull", "--quiet", image]).returncode != 0
    ]
    return f"neither here nor to be pulled: {', '.join(absent)}" if absent else ""


def _remove_left_behind() -> str:
    """Removes what an interrupted run of these tests left; the folder of a platform that is not theirs."""
    lines = docker(
        "ps", "--all", "--filter", f"label=com.docker.compose.project={PROJECT}",
        "--format", '{{.ID}} {{.Label "com.docker.compose.project.working_dir"}}',
    ).splitlines()  # fmt: skip
    for line in lines:
        container, _, folder = line.partition(" ")
        if not Path(folder).name.startswith(_FOLDER):
            return folder
        docker("rm", "--force", "--volumes", container)
    volumes = docker("volume", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={PROJECT}").split()
    if lines and volumes:
        docker("volume", "rm", *volumes)
    return "" if lines or not volumes else f"volumes {', '.join(volumes)}"


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    """The project in a folder of its own, with .env and the images of what is in it, and with nothing running yet."""
    missing = _missing()
    if missing:
        pytest.skip(missing)
    others = _remove_left_behind()
    if others:
        pytest.skip(f"a platform is here already, and is left alone: {others}")
    # Not in pytest's own folder, which the services' user cannot enter.
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER))
    folder.chmod(0o755)
    made = Deployment(folder)
    try:
        made.build()
        yield made
    finally:
        made.remove()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def platform(deployment: Deployment) -> Deployment:
    """All of it running, with the canaries, which trade all the time, and with checks that are asked often."""
    deployment.up(*SERVICES, profiles=("paper", "canary"), fast=True)
    return deployment
