"""The Docker implementation and the proxy against a real engine."""

from __future__ import annotations

import json

import pytest
import requests

from alpha.domain.ids import BotId
from telegram_manager.bot_control.docker import DockerControl
from telegram_manager.bot_control.interface import BotControlError, BotControlUnreachable, RunState
from tests.integration.bot_control.conftest import SECRET, Fleet, Proxy
from tests.support import eventually, free_port

OTHER = BotId("other_001")


def test_a_bot_is_stopped_started_and_restarted_by_its_label(fleet: Fleet, proxy: Proxy) -> None:
    bot = BotId("obeying_001")
    container = fleet.add("whatever-name", {"alpha.bot": bot})
    control = DockerControl(proxy.url, (bot, OTHER))
    first = control.states()[bot]
    assert (first.state, control.states()[OTHER].state) == (RunState.RUNNING, RunState.MISSING)
    eventually(lambda: control.logs(bot, 10) == ["started"], what="its first line")
    # stopped by a signal that lets it end in order
    control.stop(bot)
    stopped = control.states()[bot]
    assert (stopped.state, stopped.life, stopped.exit_code) == (RunState.STOPPED, None, 0)
    assert control.logs(bot, 1) == ["ended"]
    control.stop(bot)
    # started anew: another life
    control.start(bot)
    second = control.states()[bot]
    assert second.state is RunState.RUNNING
    assert second.life not in (None, first.life)
    control.start(bot)
    control.restart(bot)
    assert control.states()[bot].life not in (None, second.life)
    container.reload()
    assert container.status == "running"
    control.close()


def test_containers_of_others_are_not_there(fleet: Fleet, proxy: Proxy) -> None:
    bot = BotId("foreign_001")
    foreign = fleet.add("foreign", {"alpha.bot": bot}, project="somebody-elses")
    unlabelled = fleet.add("unlabelled", {})
    service = fleet.add("listener", {"alpha.service": "websocket_listener"})
    control = DockerControl(proxy.url, (bot,))
    assert control.states()[bot].state is RunState.MISSING
    with pytest.raises(BotControlError, match="no container has the label"):
        control.stop(bot)
    for container, method, action in (
        (foreign, "POST", "stop"),
        (unlabelled, "POST", "restart"),
        (unlabelled, "GET", "json"),
        (foreign, "GET", "logs"),
        # a service is seen, and only bots are started and stopped
        (service, "POST", "stop"),
    ):
        for name in (container.id, container.name, container.short_id):
            refused = requests.request(method, f"{proxy.url}/v1.41/containers/{name}/{action}", timeout=10)
            assert refused.status_code == 403, (container.name, action)
        container.reload()
        assert container.status == "running"
    seen = requests.get(f"{proxy.url}/containers/{service.name}/json", timeout=10)
    assert (seen.status_code, seen.json()["Id"]) == (200, service.id)


def test_two_containers_for_one_bot_are_not_guessed_between(fleet: Fleet, proxy: Proxy) -> None:
    bot = BotId("double_001")
    twins = [fleet.add(name, {"alpha.bot": bot}) for name in ("one", "two")]
    with pytest.raises(BotControlError, match="two containers"):
        DockerControl(proxy.url, (bot,)).stop(bot)
    for twin in twins:
        twin.remove(force=True)


def test_secrets_stay_behind_the_proxy(fleet: Fleet, proxy: Proxy) -> None:
    container = fleet.add("secretive", {"alpha.bot": "secretive_001"})
    filters = json.dumps({"label": ["alpha.bot"]})
    answers = [
        requests.get(f"{proxy.url}/containers/{container.id}/json", timeout=10),
        requests.get(f"{proxy.url}/containers/json", params={"filters": filters, "all": "1"}, timeout=10),
        requests.get(f"{proxy.url}/version", timeout=10),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert SECRET not in answer.text
        assert "private.note" not in answer.text
    assert "BYBIT_API_SECRET=<hidden>" in answers[0].json()["Config"]["Env"]


REFUSED = (
    ("GET", "/containers/json"),
    ("GET", '/containers/json?filters={"label":["com.docker.compose.project"]}'),
    ("GET", '/containers/json?filters={"label":["alpha.bot"],"status":["running"]}'),
    ("POST", "/containers/create"),
    ("POST", "/containers/{id}/exec"),
    ("POST", "/containers/{id}/kill"),
    ("POST", "/containers/{id}/update"),
    ("DELETE", "/containers/{id}"),
    ("GET", "/containers/{id}/archive?path=/etc/passwd"),
    ("GET", "/containers/{id}/top"),
    ("GET", "/containers/{id}/export"),
    ("POST", "/containers/{id}/attach"),
    ("GET", "/containers/{id}/start"),
    ("GET", "/containers/..%2f..%2finfo/json"),
    ("GET", "/containers/{id}/../../info"),
    ("GET", "/info"),
    ("GET", "/images/json"),
    ("GET", "/secrets"),
    ("POST", "/build"),
    ("GET", "/events"),
    ("GET", "/v1.41/../info"),
)


def test_everything_else_is_refused(fleet: Fleet, proxy: Proxy) -> None:
    container = fleet.add("untouched", {"alpha.bot": "untouched_001"}, start=False)
    let_through = []
    with requests.Session() as session:
        for method, path in REFUSED:
            request = requests.Request(method, proxy.url).prepare()
            request.url = proxy.url + path.replace("{id}", str(container.id))  # as written, dots and all
            if session.send(request, timeout=10).status_code != 403:
                let_through.append((method, path))
    assert let_through == []


def test_a_proxy_that_is_away_is_said_to_be_away() -> None:
    with pytest.raises(BotControlUnreachable, match="does not answer"):
        DockerControl(f"http://127.0.0.1:{free_port()}", (OTHER,)).states()
