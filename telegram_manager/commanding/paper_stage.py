"""A paper exchange of its own, with positions and orders on every account, for a kill to be rehearsed on."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from pathlib import Path
from types import TracebackType

from alpha.config.registry import Registry
from alpha.domain.errors import AlphaError
from alpha.domain.ids import AccountName, Symbol
from alpha.domain.order import OrderType
from alpha.domain.side import Side
from alpha.exchange.endpoints import paper_endpoints
from alpha.exchange.new_order import NewOrder, TradingStop
from alpha.exchange.rest import ExchangeClient

_LOOPBACK = "127.0.0.1"
_PROJECT = Path(__file__).parents[2]
_ANSWERS_WITHIN_S = 20.0
_NOTIONAL_USDT = Decimal(500)
_AWAY = Decimal("0.05")
_TOKEN_VARIABLE = "ALPHA_EXCHANGE_ADMIN_TOKEN"
_BALANCE_USDT = "100000"
# A third of what changes something is answered with "server error", half of that after it was done.
_FAULTS = (
    {
        "kind": "rest_error",
        "for_s": 5,
        "probability": 0.35,
        "answer": "10016",
        "paths": ["/v5/order/cancel-all", "/v5/order/cancel", "/v5/order/create"],
    },
)


class StageFailed(AlphaError):
    """The rehearsal could not be set up, or a step of it shows that a kill would not work."""


@dataclass(frozen=True, slots=True)
class _Key:
    """What signs requests."""

    key: str
    secret: str = field(repr=False)


class PaperStage:
    """`python -m paper_exchange` as a child process, with the accounts of the registry and made-up keys."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self._folder, self._registry = folder, registry
        self._port, self._admin_port = _free_port(), _free_port()
        self._endpoints = paper_endpoints(f"http://{_LOOPBACK}:{self._port}")
        self._token = secrets.token_urlsafe(16)
        self._keys = {name: _Key(secrets.token_hex(9), secrets.token_hex(18)) for name in registry.accounts}
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)

    @property
    def accounts(self) -> tuple[AccountName, ...]:
        return tuple(self._keys)

    def client(self, account: AccountName) -> ExchangeClient:
        return ExchangeClient(account, self._endpoints, self._keys[account], answer_timeout_s=3.0)

    def __enter__(self) -> PaperStage:
        accounts = self._folder / "accounts.json"
        accounts.write_text(
            json.dumps(
                [
                    {
                        "name": name,
                        "uid": uid,
                        "api_key": key.key,
                        "api_secret": key.secret,
                        "balance_usdt": _BALANCE_USDT,
                        "position_mode": self._registry.account(name).position_mode,
                    }
                    for uid, (name, key) in enumerate(self._keys.items(), start=1)
                ]
            )
        )
        arguments = ["--port", str(self._port), "--admin-port", str(self._admin_port), "--accounts", str(accounts)]
        arguments += ["--symbols", ",".join(self._registry.symbols), "--journal", str(self._folder / "journal.jsonl")]
        arguments += ["--match", "at-once", "--paused"]
        log = self._folder / "exchange.log"
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "paper_exchange", *arguments],
                cwd=_PROJECT,
                env=_plain_environment() | {_TOKEN_VARIABLE: self._token},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        try:
            self._wait(log)
        except StageFailed:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def set(self) -> None:
        """Positions in both directions under stops and orders that rest, then faults. Raises AlphaError."""
        for account in self.accounts:
            client = self.client(account)
            symbols = sorted({symbol for bot in self._registry.bots_on(account) for symbol in bot.symbols})
            try:
                for number, symbol in enumerate(symbols):
                    self._hold(client, symbol, Side.SELL if number % 2 else Side.BUY)
            finally:
                client.close()
        self._admin("faults", {"seed": 1, "faults": list(_FAULTS)})

    def left(self) -> list[str]:
        """What the exchange itself still holds, asked after the faults. Raises AlphaError."""
        self._admin("faults", None)
        found = []
        for account in self.accounts:
            client = self.client(account)
            try:
                orders = client.open_orders()
                positions = [position for position in client.positions() if not position.position.is_flat]
            finally:
                client.close()
            if orders or positions:
                found.append(f"{account}: {len(orders)} orders, {len(positions)} positions")
        return found

    def _hold(self, client: ExchangeClient, symbol: Symbol, side: Side) -> None:
        instrument = client.instruments([symbol])[symbol]
        price = client.ticker(symbol).last_price
        if price is None:
            raise StageFailed(f"the paper exchange has no price of {symbol}")
        quantity = max(instrument.round_quantity(_NOTIONAL_USDT / price), instrument.min_order_quantity(price))
        is_hedged = self._registry.account(client.account).position_mode == "hedge"
        position_idx = (1 if side is Side.BUY else 2) if is_hedged else 0
        away = _AWAY if side is Side.SELL else -_AWAY
        client.place_order(
            NewOrder(symbol, side, OrderType.MARKET, quantity, self._link_id(), position_idx=position_idx)
        )
        stop_loss = instrument.round_price(price * (1 + away))
        client.set_trading_stop(TradingStop(symbol=symbol, stop_loss=stop_loss, position_idx=position_idx))
        resting = instrument.round_limit_price(price * (1 + (-_AWAY if side is Side.BUY else _AWAY) / 2), side)
        client.place_order(
            NewOrder(symbol, side, OrderType.LIMIT, quantity, self._link_id(), price=resting, position_idx=position_idx)
        )

    def _link_id(self) -> str:
        return f"rehearsal-{next(self._numbers)}"

    def _wait(self, log: Path) -> None:
        give_up_s = time.monotonic() + _ANSWERS_WITHIN_S
        while time.monotonic() < give_up_s:
            if self._process is not None and self._process.poll() is not None:
                words = log.read_text(errors="replace").strip().splitlines()
                raise StageFailed(f"no paper exchange can be run here: {words[-1] if words else 'it said nothing'}")
            try:
                self._admin("state", None, method="GET")
            except StageFailed:
                time.sleep(0.05)
            else:
                return
        raise StageFailed(f"the paper exchange did not answer within {_ANSWERS_WITHIN_S:.0f} s")

    def _admin(self, path: str, body: object | None, *, method: str = "") -> None:
        request = urllib.request.Request(
            f"http://{_LOOPBACK}:{self._admin_port}/admin/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Admin-Token": self._token, "Content-Type": "application/json"},
            method=method or ("DELETE" if body is None else "POST"),
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            opener.open(request, timeout=5).close()
        except (urllib.error.URLError, OSError) as error:
            raise StageFailed(f"the paper exchange's administration: {error}") from error

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _plain_environment() -> dict[str, str]:
    """Without anything of the platform's: the child must not see a key."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ}
