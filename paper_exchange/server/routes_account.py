"""Wallet, fees, log and key: https://bybit-exchange.github.io/docs/v5/account/wallet-balance and pages beside it."""

from __future__ import annotations

from datetime import timedelta

from paper_exchange.accounts import ExchangeAccount
from paper_exchange.engine import Refused
from paper_exchange.server import render_account
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.paging import cursor_place, first_page, window
from paper_exchange.server.params import BAD_PARAMETER, Params, invalid
from paper_exchange.server.routes import PrivateRoute, Result, Route
from paper_exchange.state import SetMarginMode

_MARGIN_MODES = {name: mode for mode, name in render_account.MARGIN_MODES.items()}
_LOG_DEFAULT = timedelta(hours=24)


def wallet_balance(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    if params.text("accountType") != "UNIFIED":
        raise Refused(BAD_PARAMETER, "accountType only support UNIFIED.")
    coins = params.optional("coin")
    asked = None if coins is None else [coin.strip().upper() for coin in coins.split(",") if coin.strip()]
    return render_account.wallet_balance(exchange.engine.wallet(account.uid), asked)


def account_info(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:  # noqa: ARG001
    return render_account.account_info(exchange.source.start, exchange.engine.margin_mode(account.uid))


def set_margin_mode(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    """Cross or isolated for the whole account. `reasons` tells Bybit's clients why not; here the refusal does."""
    mode = _MARGIN_MODES.get(params.text("setMarginMode"))
    if mode is None:
        raise invalid("setMarginMode")
    exchange.accept(SetMarginMode(uid=account.uid, mode=mode))
    return {"reasons": []}


def fee_rate(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:  # noqa: ARG001
    params.linear()
    symbol = params.optional("symbol")
    symbols = list(exchange.listings) if symbol is None else [exchange.listing(symbol).symbol]
    return {"list": [render_account.fee_rate(name, exchange.engine.fee_rates(name)) for name in symbols]}


def transaction_log(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    limit = params.limit(default=20, highest=50)
    start, end = window(params, exchange.now, default=_LOG_DEFAULT)
    kind, currency, category = params.optional("type"), params.optional("currency"), params.optional("category")
    if params.text("accountType", "UNIFIED") != "UNIFIED":
        raise Refused(BAD_PARAMETER, "accountType only support UNIFIED.")
    base, sub_kind = params.optional("baseCoin"), params.optional("transSubType")
    found = (
        (place, row)
        for place, row in exchange.transaction_index(account.uid).newest_first(start, end, cursor_place(params))
        if kind in (None, row.type)
        and sub_kind is None
        and currency in (None, row.currency)
        and (category is None or (category == "linear" and row.symbol))
        and (base is None or row.symbol == f"{base}{render_account.SETTLE_COIN}")
    )
    shown, cursor = first_page(found, limit)
    return {"list": [render_account.transaction(row) for row in shown], "nextPageCursor": cursor}


def query_api(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:  # noqa: ARG001
    return render_account.key_information(account)


ROUTES: tuple[Route, ...] = (
    PrivateRoute(path="/v5/account/wallet-balance", handler=wallet_balance),
    PrivateRoute(path="/v5/account/info", handler=account_info),
    PrivateRoute(method="POST", path="/v5/account/set-margin-mode", handler=set_margin_mode),
    PrivateRoute(path="/v5/account/fee-rate", handler=fee_rate),
    PrivateRoute(path="/v5/account/transaction-log", handler=transaction_log),
    PrivateRoute(path="/v5/user/query-api", handler=query_api, message=""),
)
