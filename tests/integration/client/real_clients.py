"""ccxt as it is published, pointed at the exchange under test, and the engine's own numbers to hold it against.

pybit is pointed there in tests/integration/exchange/clients.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from typing import Any

import ccxt
import ccxt.pro

from tests.exchange_process import ExchangeProcess

SYMBOL, MARKET = "BTCUSDT", "BTC/USDT:USDT"


def address(exchange: ExchangeProcess, account: str) -> dict[str, Any]:
    """What a user of ccxt gives: keys, addresses, and that swaps are meant where nothing else is said."""
    keys = exchange.accounts[account]
    rest = exchange.rest_url
    streams = rest.replace("http", "ws", 1)
    public = {category: f"{streams}/v5/public/{category}" for category in ("linear", "spot", "inverse", "option")}
    private = {
        "contract": f"{streams}/v5/private",
        "usdc": f"{streams}/v5/private",
        "spot": {"unified": f"{streams}/v5/private", "nonUnified": f"{streams}/v5/private"},
        "trade": f"{streams}/v5/trade",
    }
    api = dict.fromkeys(("public", "private", "spot", "futures", "v2"), rest)
    return {
        "apiKey": keys.api_key,
        "secret": keys.api_secret,
        "urls": {"api": {**api, "ws": {"public": public, "private": private}}},
        "options": {"defaultType": "swap"},
    }


@contextmanager
def ccxt_client(exchange: ExchangeProcess, account: str) -> Iterator[Any]:
    client = ccxt.bybit(address(exchange, account))
    yield client
    client.session.close()


@asynccontextmanager
async def ccxt_pro_client(exchange: ExchangeProcess, account: str) -> AsyncIterator[Any]:
    client = ccxt.pro.bybit(address(exchange, account))
    try:
        yield client
    finally:
        await client.close()


class Truth:
    """What the engine did for an account: its journal and its administration, not what it told anybody."""

    def __init__(self, exchange: ExchangeProcess, account: str) -> None:
        self._exchange = exchange
        self._account = account
        self._opening = Decimal(exchange.accounts[account].balance_usdt)

    def fills(self, symbol: str = SYMBOL) -> list[dict[str, Any]]:
        """Executions that moved the position, oldest first."""
        return [line for line in self._lines(symbol) if line["exec_type"] != "Funding"]

    def funding(self, symbol: str = SYMBOL) -> list[dict[str, Any]]:
        return [line for line in self._lines(symbol) if line["exec_type"] == "Funding"]

    def position(self, symbol: str = SYMBOL) -> Decimal:
        """Signed."""
        return sum((_signed(line) for line in self.fills(symbol)), Decimal(0))

    def fees(self, symbol: str = SYMBOL) -> Decimal:
        return sum((Decimal(line["fee"]) for line in self.fills(symbol)), Decimal(0))

    def flat_balance(self) -> Decimal:
        """What is left of the opening balance when every position is closed: what was sold less what was bought, fees
        and funding taken off."""
        lines = self._lines(None)
        assert not sum((_signed(line) for line in lines if line["exec_type"] != "Funding"), Decimal(0)), "not flat"
        traded = sum(
            (_signed(line) * Decimal(line["price"]) for line in lines if line["exec_type"] != "Funding"), Decimal(0)
        )
        return self._opening - traded - sum((Decimal(line["fee"]) for line in lines), Decimal(0))

    def balance(self) -> Decimal:
        return Decimal(self._exchange.admin.state()["accounts"][self._account]["balance"])

    def _lines(self, symbol: str | None) -> list[dict[str, Any]]:
        return [
            line
            for line in self._exchange.executions()
            if line["account"] == self._account and symbol in (None, line["symbol"])
        ]


def _signed(line: dict[str, Any]) -> Decimal:
    return Decimal(line["quantity"]) * (1 if line["side"] == "Buy" else -1)


def exact(number: float) -> Decimal:
    """What a client keeps as a float, as the shortest decimal that is that float."""
    return Decimal(repr(number))


def run_until_flat(exchange: ExchangeProcess, truth: Truth, symbol: str = SYMBOL, within_bars: int = 400) -> None:
    """Moves the market until the account has no position in the symbol."""
    for _ in range(within_bars):
        exchange.admin.run(1)
        if not truth.position(symbol):
            return
    raise AssertionError(f"still a position of {truth.position(symbol)} {symbol} after {within_bars} bars")
