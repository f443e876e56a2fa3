"""Coins: https://bybit-exchange.github.io/docs/v5/asset/coin-info."""

from __future__ import annotations

from paper_exchange.accounts import ExchangeAccount
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.params import Params
from paper_exchange.server.render_account import SETTLE_COIN
from paper_exchange.server.routes import PrivateRoute, Result, Route


def coin_info(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:  # noqa: ARG001
    """The settle coin and the base coins. Nothing can be paid in or out here, so they are on no chain."""
    coins = [SETTLE_COIN, *dict.fromkeys(listing.instrument.base for listing in exchange.listings.values())]
    asked = params.optional("coin")
    rows = [{"name": coin, "coin": coin, "remainAmount": "0", "chains": []} for coin in coins if asked in (None, coin)]
    return {"rows": rows}


ROUTES: tuple[Route, ...] = (PrivateRoute(path="/v5/asset/coin/query-info", handler=coin_info, message=""),)
