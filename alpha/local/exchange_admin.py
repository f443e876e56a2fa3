"""The paper exchange's admin port: the market's clock, and the engine's own counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import requests

from alpha.domain.clock import from_ms
from alpha.domain.errors import Unreachable
from alpha.domain.side import Side

_TIMEOUT_S = 10.0
_PAUSE_TIMEOUT_S = 60.0
_ALREADY_THERE = 110072


class AdminUnreachable(Unreachable):
    """The paper exchange's admin port does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeState:
    """What the engine says of itself. `positions` is signed: (account, symbol) -> base units, flat ones left out."""

    market_time: datetime
    bars: int
    bars_waited: int
    orders: int
    executions: int
    positions: Mapping[tuple[str, str], Decimal]


class ExchangeAdmin:
    """A client of one admin port. Every method raises AdminUnreachable."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["X-Admin-Token"] = token

    def state(self) -> ExchangeState:
        return _state(self._call("GET", "/admin/state"))

    def pause(self, *, when_position_open: bool, within_bars: int) -> ExchangeState:
        """Stops the market and answers when it stands still.

        With `when_position_open` at the first bar end that finds a position open, at the latest after `within_bars`.
        """
        body = {"when_position_open": when_position_open, "within_bars": within_bars}
        return _state(self._call("POST", "/admin/pause", body, timeout_s=_PAUSE_TIMEOUT_S))

    def resume(self) -> None:
        self._call("POST", "/admin/resume")

    def run(self, bars: int) -> ExchangeState:
        """Lets the market move by so many bars and answers when it stands still again."""
        return _state(self._call("POST", "/admin/run", {"bars": bars}, timeout_s=_PAUSE_TIMEOUT_S))

    def trade(self, orders: Sequence[Mapping[str, Any]]) -> int:
        """Executes market orders `{account, symbol, side, qty, order_link_id}` at once; answers how many were refused
        for another reason than being there already."""
        answer = self._call("POST", "/admin/trade", {"orders": orders}, timeout_s=_PAUSE_TIMEOUT_S)
        return sum(1 for refused in answer["refused"] if refused["code"] != _ALREADY_THERE)

    def arm(self, seed: int, faults: Sequence[Mapping[str, Any]]) -> None:
        """Has the exchange misbehave: each fault `{kind, from_s, for_s, account, ...}` for its window from now."""
        self._call("POST", "/admin/faults", {"seed": seed, "faults": faults})

    def fault_hits(self) -> dict[str, int]:
        """Kind of fault -> how much it met since the exchange was started."""
        return {kind: int(counts["hit"]) for kind, counts in self._call("GET", "/admin/faults")["totals"].items()}

    def end_faults(self) -> None:
        """From now on the exchange behaves."""
        self._call("DELETE", "/admin/faults")

    def drop_sockets(self, account: str | None = None) -> None:
        """Cuts the private streams of an account, or of all, without a closing handshake."""
        self._call("POST", "/admin/drop-sockets", {"account": account})

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, timeout_s: float = _TIMEOUT_S
    ) -> dict[str, Any]:
        try:
            answer = self._session.request(method, self._url + path, json=body, timeout=timeout_s)
            answer.raise_for_status()
            content: dict[str, Any] = answer.json()
        except requests.RequestException as error:
            raise AdminUnreachable(f"the paper exchange's admin port {self._url} does not answer: {error}") from error
        return content


def _state(content: Mapping[str, Any]) -> ExchangeState:
    positions = {
        (name, row["symbol"]): Side(row["side"]).sign * Decimal(row["size"])
        for name, account in content["accounts"].items()
        for row in account["positions"]
    }
    return ExchangeState(
        market_time=from_ms(int(content["market_time"])),
        bars=content["bars"],
        bars_waited=content["bars_waited"],
        orders=content["orders"],
        executions=content["executions"],
        positions={row: size for row, size in positions.items() if size},
    )
