"""Pacing with the paper exchange: it moves its clock on when the bots have caught up (or after a bounded wait)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import requests
import structlog

from alpha.domain.clock import to_ms
from alpha.domain.ids import BotId, ExecId

log = structlog.get_logger()

_PATH = "/paper/lockstep"
_TIMEOUT_S = 1.0


class Lockstep:
    """Tells the paper exchange what this bot has handled. Only pacing: what fails here is logged once and changes no
    decision."""

    def __init__(self, rest_url: str, api_key: str, bot: BotId) -> None:
        self._url = f"{rest_url}{_PATH}"
        self._bot = bot
        self._session = requests.Session()
        # The exchange is on this machine; a proxy of the environment must not stand in between.
        self._session.trust_env = False
        self._session.headers["X-BAPI-API-KEY"] = api_key
        self._failing = False

    def handled(self, executions: Sequence[ExecId] = (), *, done: datetime | None = None) -> None:
        """`executions` were handled since the last call; `done` is the end of the bar just decided on."""
        body = {"bot": self._bot, "executions": list(executions), "done": None if done is None else to_ms(done)}
        try:
            response = self._session.post(self._url, json=body, timeout=_TIMEOUT_S)
            response.raise_for_status()
        except requests.RequestException as error:
            if not self._failing:
                log.warning("lockstep_failed", error=str(error))
            self._failing = True
        else:
            self._failing = False

    def close(self) -> None:
        self._session.close()
