from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

MAINNET_REST = "https://api.bybit.com"
MAINNET_STREAM = "wss://stream.bybit.com"

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Where prices come from, and how many minutes of its past the market begins with."""

    rest_url: str = MAINNET_REST
    stream_url: str = MAINNET_STREAM
    history_minutes: int = 30_000

    @property
    def proxy(self) -> Literal[True] | None:
        """For sockets: that of the environment, and none to this machine."""
        return None if urlsplit(self.stream_url).hostname in _LOOPBACK else True
