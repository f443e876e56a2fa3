"""Wallet, fees, log and key: https://bybit-exchange.github.io/docs/v5/account/wallet-balance and pages beside it."""

from __future__ import annotations

from datetime import timedelta

from alpha.domain.clock import to_ms
from paper_exchange.accounts import ExchangeAccount
from paper_exchange.engine import Refused, Transaction
from paper_exchange.server import render_account
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.paging import Place, page, tie_of, window
from paper_exchange.server.params import BAD_PARAMETER, Params
from paper_exchange.server.routes import PrivateRoute, Result, Route

_LOG_DEFAULT = timedelta(hours=24)


def wallet_balance(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    if params.text("accountType") != "UNIFIED":
        raise Refused(BAD_PARAMETER, "accountType only support UNIFIED.")
    coins = params.optional("coin")
    asked = None if coins is None else [coin.strip().upper() for coin in coins.split(",") if coin.strip()]
    return render_account.wallet_balance(exchange.engine.wallet(account.uid), asked)


def account_info(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:  # noqa: ARG001
    return render_account.account_info(exchange.source.start)


def fee_rate(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:  # noqa: ARG001
    params.linear()
    symbol = params.optional("symbol")
    symbols = list(exchange.listings) if symbol is None else [exchange.listing(symbol).symbol]
    return {"list": [render_account.fee_rate(name, exchange.engine.fee_rates(name)) for name in symbols]}


def transaction_log(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    limit = params.limit(default=20, highest=50)
    start, end = window(params, exchange.now, default=_LOG_DEFAULT)
    kind, currency, category = params.optional("type"), params.optional("currency"), params.optional("category")
    base = params.optional("baseCoin")
    rows = [
        row
        for row in exchange.engine.transactions(account.uid)
        if start <= row.time <= end
        and kind in (None, row.type)
        and currency in (None, row.currency)
        and (category is None or (category == "linear" and row.symbol))
        and (base is None or row.symbol == f"{base}{render_account.SETTLE_COIN}")
    ]
    shown, cursor = page(rows, _place, params, limit)
    return {"list": [render_account.transaction(row) for row in shown], "nextPageCursor": cursor}


def query_api(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:  # noqa: ARG001
    return render_account.key_information(account)


def _place(row: Transaction) -> Place:
    return Place(to_ms(row.time), tie_of(row.id))


ROUTES: tuple[Route, ...] = (
    PrivateRoute(path="/v5/account/wallet-balance", handler=wallet_balance),
    PrivateRoute(path="/v5/account/info", handler=account_info),
    PrivateRoute(path="/v5/account/fee-rate", handler=fee_rate),
    PrivateRoute(path="/v5/account/transaction-log", handler=transaction_log),
    PrivateRoute(path="/v5/user/query-api", handler=query_api, message=""),
)
