"""Bots in containers, reached through our proxy, and found by their label alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, cast

import docker
import requests
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container

from alpha.domain.ids import BotId
from telegram_manager.bot_control.interface import BotControlError, BotControlUnreachable, BotState, RunState

BOT_LABEL = "alpha.bot"

_API_VERSION = "1.41"
"""Of the engine's API: the oldest that engines since 20.10 speak. Asking for the newest would cost a request."""
_ANSWER_TIMEOUT_S = 30
# A bot cancels its resting entries before it ends.
_STOP_WITHIN_S = 15
_RUN_STATES = {"running": RunState.RUNNING, "restarting": RunState.RESTARTING}


class DockerControl:
    """`url` is the proxy's, `http://host:port`. One object serves all threads."""

    name = "Docker"
    follows_controls = False

    def __init__(self, url: str, bots: Iterable[BotId]) -> None:
        self._url = url
        self._bots = tuple(bots)
        self._client: docker.DockerClient | None = None

    def states(self) -> Mapping[BotId, BotState]:
        states = {bot: BotState(bot=bot, state=RunState.MISSING) for bot in self._bots}
        for bot, container in self._containers().items():
            if bot in states:
                states[bot] = _state(bot, container)
        return states

    def start(self, bot: BotId) -> None:
        self._ask(lambda: self._container(bot).start())

    def stop(self, bot: BotId) -> None:
        self._ask(lambda: self._container(bot).stop(timeout=_STOP_WITHIN_S))

    def restart(self, bot: BotId) -> None:
        self._ask(lambda: self._container(bot).restart(timeout=_STOP_WITHIN_S))

    def logs(self, bot: BotId, lines: int) -> list[str]:
        text: bytes = self._ask(lambda: self._container(bot).logs(tail=lines, stream=False))
        return text.decode("utf-8", "replace").splitlines()

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _container(self, bot: BotId) -> Container:
        found = self._containers().get(bot)
        if found is None:
            raise BotControlError(f"no container has the label {BOT_LABEL}={bot}")
        return found

    def _containers(self) -> dict[BotId, Container]:
        """By the bot that each is labelled with. Two for one bot would be two copies of it: nothing is guessed then."""
        found: dict[BotId, Container] = {}
        for container in self._ask(
            lambda: self._engine().containers.list(all=True, filters={"label": [BOT_LABEL]}, ignore_removed=True)
        ):
            bot = BotId(container.labels[BOT_LABEL])
            if bot in found:
                raise BotControlError(f"two containers have the label {BOT_LABEL}={bot}: remove one")
            found[bot] = container
        return found

    def _engine(self) -> docker.DockerClient:
        if self._client is None:
            self._client = docker.DockerClient(base_url=self._url, version=_API_VERSION, timeout=_ANSWER_TIMEOUT_S)
        return self._client

    def _ask(self, call: Any) -> Any:
        try:
            return call()
        except NotFound as error:
            raise BotControlError(f"Docker: {error.explanation}") from error
        except APIError as error:
            raise BotControlError(f"Docker said no ({error.status_code}): {error.explanation}") from error
        except (DockerException, requests.RequestException) as error:
            raise BotControlUnreachable(f"the Docker proxy at {self._url} does not answer: {error}") from error


def _state(bot: BotId, container: Container) -> BotState:
    attributes = cast("Mapping[str, Any]", container.attrs)
    state = attributes["State"]
    runs = _RUN_STATES.get(state["Status"], RunState.STOPPED)
    health = (state.get("Health") or {}).get("Status", "")
    exit_code = None if runs is RunState.RUNNING else int(state.get("ExitCode", 0))
    return BotState(
        bot=bot,
        state=runs,
        life=f"{attributes['Id'][:12]} {state['StartedAt']}" if runs is RunState.RUNNING else None,
        since=_time(state["StartedAt"] if runs is RunState.RUNNING else state["FinishedAt"]),
        exit_code=exit_code,
        detail=health if exit_code is None else f"exit code {exit_code}",
    )


def _time(text: str) -> datetime | None:
    """Docker writes nanoseconds, and the year 1 for never."""
    if text.startswith("0001"):
        return None
    head, _, rest = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{head}.{rest[:6].ljust(6, '0')}+00:00")
