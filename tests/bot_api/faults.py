from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto, unique
from typing import Any


@unique
class Loss(Enum):
    """How a request gets no answer."""

    REQUEST = auto()
    """The connection is cut before anything is done."""
    ANSWER = auto()
    """It is done, and the connection is cut instead of an answer."""


@dataclass
class Fault:
    """What happens to the next `times` requests of a method (any, if empty), to one chat if that is named."""

    method: str = ""
    status: int = 500
    description: str = "Internal Server Error"
    retry_after: int | None = None
    times: int = 1
    chat: str | None = None
    lost: Loss | None = None

    def meets(self, method: str, given: dict[str, Any]) -> bool:
        return (
            self.times > 0
            and self.method in ("", method)
            and (self.chat is None or str(given.get("chat_id")) == self.chat)
        )
