"""What the Docker proxy lets through, and what of the engine's answers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telegram_manager.docker_proxy.redaction import inspected, listed
from telegram_manager.docker_proxy.rules import Action, Refused, Wanted, container_filters, wanted

BOTS = json.dumps({"label": ["alpha.bot"]})


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/_ping", {}, Wanted(Action.PING)),
        ("HEAD", "/_ping", {}, Wanted(Action.PING)),
        ("GET", "/v1.41/version", {}, Wanted(Action.VERSION)),
        (
            "GET",
            "/v1.41/containers/json",
            {"filters": BOTS, "all": "1", "size": "1"},
            Wanted(Action.LIST, query={"label": "alpha.bot", "all": "1"}),
        ),
        (
            "GET",
            "/containers/json",
            {"filters": '{"label": {"alpha.service": true}}'},
            Wanted(Action.LIST, query={"label": "alpha.service", "all": "0"}),
        ),
        ("GET", "/containers/abc/json", {"size": "1"}, Wanted(Action.INSPECT, "abc")),
        ("POST", "/v1.41/containers/abc/start", {"detachKeys": "x"}, Wanted(Action.START, "abc")),
        ("POST", "/containers/abc/stop", {"t": "5"}, Wanted(Action.STOP, "abc", {"t": "5"})),
        ("POST", "/containers/abc/stop", {"t": "9999"}, Wanted(Action.STOP, "abc", {"t": "120"})),
        ("POST", "/containers/abc/restart", {}, Wanted(Action.RESTART, "abc", {"t": "10"})),
        (
            "GET",
            "/containers/abc/logs",
            {"follow": "1", "tail": "7", "since": "0"},
            Wanted(Action.LOGS, "abc", {"stdout": "1", "stderr": "1", "follow": "0", "tail": "7", "timestamps": "0"}),
        ),
    ],
)
def test_what_is_let_through_is_sent_on_in_our_own_words(
    method: str, path: str, query: dict[str, str], expected: Wanted
) -> None:
    assert wanted(method, path, query) == expected


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]),
    st.lists(st.sampled_from(["v1.41", "containers", "abc", "json", "logs", "exec", "..", "images", "", "create"])),
)
def test_nothing_is_let_through_but_what_is_named(method: str, parts: list[str]) -> None:
    try:
        let_through = wanted(method, "/" + "/".join(parts), {})
    except Refused:
        return
    assert method == "GET"
    assert let_through.action in (Action.INSPECT, Action.LOGS)


@pytest.mark.parametrize(
    "filters",
    ["", "{}", "[]", "nonsense", '{"label": "alpha.bot"}', '{"label": ["alpha.bot", "x"]}', '{"name": ["alpha"]}'],
)
def test_a_list_without_our_label_alone_is_refused(filters: str) -> None:
    with pytest.raises(Refused):
        wanted("GET", "/containers/json", {"filters": filters})


def test_lists_are_of_one_project() -> None:
    assert json.loads(container_filters("alpha", "alpha.bot")) == {
        "label": ["alpha.bot", "com.docker.compose.project=alpha"]
    }


def test_secrets_are_left_out_wherever_they_may_stand() -> None:
    secret = "a-secret"
    container = {
        "Id": "1",
        "Name": "/bot",
        "Args": [secret],
        "Path": secret,
        "Mounts": [{"Source": secret}],
        "State": {
            "Status": "running",
            "StartedAt": "2026-01-01T00:00:00Z",
            "Health": {"Status": "healthy", "Log": [{"Output": secret}]},
        },
        "Config": {
            "Env": [f"API_SECRET={secret}", "EMPTY=", "BARE"],
            "Cmd": [secret],
            "Labels": {"alpha.bot": "b", "com.docker.compose.project.working_dir": secret, "note": secret},
        },
        "HostConfig": {"Binds": [secret], "RestartPolicy": {"Name": "unless-stopped"}},
        "NetworkSettings": {"Networks": {secret: {}}},
    }
    seen = inspected(container)
    assert secret not in json.dumps(seen)
    assert seen["Config"]["Env"] == ["API_SECRET=<hidden>", "EMPTY=<hidden>", "BARE=<hidden>"]
    assert seen["State"]["Health"] == {"Status": "healthy"}
    rows = listed([{"Id": "1", "Command": secret, "Labels": {"alpha.bot": "b", "x": secret}, "Mounts": [secret]}])
    assert rows == [{"Id": "1", "Labels": {"alpha.bot": "b"}}]
