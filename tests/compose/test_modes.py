"""What the modes other than paper bring up, and what is said where their exchange cannot be reached or must not be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.compose.deployment import Deployment, docker, inspect, run
from tests.support import eventually

DIGEST = f"postgres@sha256:{'0' * 64}"


def config(deployment: Deployment, *arguments: str, **variables: str) -> dict[str, Any]:
    done = deployment.compose(*arguments, "config", "--format", "json", fast=False, **variables)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


@contextmanager
def bot_without_a_network(deployment: Deployment, mode: str) -> Iterator[str]:
    """A bot's container with keys that nobody made, from which nothing can be reached; gives its id."""
    variables = {
        "ALPHA_MODE": mode,
        "SHORTSELLER_BYBIT_API_KEY": "nobody made it",
        "SHORTSELLER_BYBIT_API_SECRET": "nor this",
        "POSTGRES_HOST": "postgres",
        "POSTGRES_PASSWORD": "drawn at random",
        "REDIS_HOST": "redis",
        "REDIS_PASSWORD": "drawn at random",
    }
    given = [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
    registry = f"{deployment.folder}/bots.yaml:/app/bots.yaml:ro"
    bot = docker("run", "--detach", "--network", "none", "--volume", registry, *given, "alpha/shortseller")
    try:
        yield bot
    finally:
        docker("rm", "--force", bot)


def log_of(container: str) -> list[dict[str, Any]]:
    shown = run(["docker", "logs", container])
    return [json.loads(line) for line in (shown.stdout + shown.stderr).splitlines()]


@pytest.mark.parametrize("mode", ["demo", "testnet", "live"])
def test_a_mode_of_bybit_brings_no_exchange_of_our_own(deployment: Deployment, mode: str) -> None:
    services = config(deployment, ALPHA_MODE=mode)
    assert "shortseller" in services
    assert "paper_exchange" not in services
    said = {service.get("environment", {}).get("ALPHA_MODE") for service in services.values()} - {None}
    assert said == {mode}


@pytest.mark.parametrize("mode", ["demo", "testnet"])
def test_a_bot_that_cannot_reach_its_exchange_says_so_and_waits(deployment: Deployment, mode: str) -> None:
    with bot_without_a_network(deployment, mode) as bot:
        waiting = eventually(
            lambda: [line for line in log_of(bot) if line["event"] == "waiting"], 60, "it waiting", every_s=0.5
        )
        assert waiting[0]["what"] == "the exchange"
        assert f"shortseller ({mode}): the exchange cannot be reached" in waiting[0]["error"]
        docker("stop", bot)
        assert inspect(bot)["State"]["ExitCode"] == 0
        assert log_of(bot)[-1]["event"] == "bot_stopped_while_starting"


def test_real_money_is_not_traded_because_of_one_variable(deployment: Deployment) -> None:
    with bot_without_a_network(deployment, "live") as bot:
        assert docker("wait", bot) == "2"
        said = log_of(bot)[-1]["reason"]
    assert "write `mode: live` on account shortseller if it shall trade real money" in said


def test_a_second_file_says_which_bytes_an_image_has(deployment: Deployment) -> None:
    override = deployment.folder / "docker-compose.digests.yml"
    override.write_text(f'services:\n  postgres: {{image: "{DIGEST}"}}\n')
    try:
        services = config(deployment, "--file", override.name)
    finally:
        override.unlink()
    assert services["postgres"]["image"] == DIGEST
    assert services["redis"]["image"] == "redis:8"


def test_profiles_written_into_env_are_meant_by_every_command(deployment: Deployment) -> None:
    mode = deployment.env["COMPOSE_PROFILES"]
    deployment.set_variable("COMPOSE_PROFILES", f"{mode},canary,ha")
    try:
        services = config(deployment).keys()
    finally:
        deployment.set_variable("COMPOSE_PROFILES", mode)
    assert {"paper_exchange", "canary", "canary_002", "websocket_listener_standby"} <= services


def test_prometheus_and_grafana_come_with_their_profile_only(deployment: Deployment) -> None:
    more = config(deployment, "--profile", "monitoring").keys() - config(deployment).keys()
    assert more == {"exporter", "prometheus", "grafana"}
