"""Wallet, account and key information on the wire (https://bybit-exchange.github.io/docs/v5/account/wallet-balance)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from paper_exchange.accounts import ExchangeAccount
from paper_exchange.engine import FeeRates, Transaction, Wallet
from paper_exchange.engine.requests import MarginMode
from paper_exchange.server.wire_text import ms_text, number

SETTLE_COIN = "USDT"
MARGIN_MODES: Mapping[MarginMode, str] = {"cross": "REGULAR_MARGIN", "isolated": "ISOLATED_MARGIN"}
_RATE_PLACES = Decimal("0.00000001")


def wallet_account(wallet: Wallet) -> dict[str, Any]:
    """The account object of wallet-balance, which the `wallet` topic sends as well. One USDT counts as one USD.

    In isolated margin there is no margin of the account as a whole, and Bybit leaves empty what would tell of it
    (https://github.com/ccxt/ccxt/issues/20948).
    """
    equity = wallet.equity
    account = {
        "accountType": "UNIFIED",
        "totalEquity": number(equity),
        "totalWalletBalance": number(wallet.balance),
        "totalMarginBalance": "",
        "totalAvailableBalance": "",
        "totalPerpUPL": number(wallet.unrealized_pnl),
        "totalInitialMargin": "",
        "totalMaintenanceMargin": "",
        "accountIMRate": "",
        "accountMMRate": "",
        "accountIMRateByMp": "",
        "accountMMRateByMp": "",
        "totalInitialMarginByMp": "",
        "totalMaintenanceMarginByMp": "",
        "accountLTV": "",
        "coin": [_coin(wallet)],
    }
    if wallet.is_isolated:
        return account
    initial, maintenance = number(wallet.initial_margin), number(wallet.maintenance_margin)
    initial_rate = _rate(wallet.initial_margin, equity)
    maintenance_rate = _rate(wallet.maintenance_margin, equity)
    account["totalMarginBalance"] = account["totalEquity"]
    account["totalAvailableBalance"] = number(wallet.available)
    account["totalInitialMargin"] = account["totalInitialMarginByMp"] = initial
    account["totalMaintenanceMargin"] = account["totalMaintenanceMarginByMp"] = maintenance
    account["accountIMRate"] = account["accountIMRateByMp"] = initial_rate
    account["accountMMRate"] = account["accountMMRateByMp"] = maintenance_rate
    account["accountLTV"] = "0"
    return account


def wallet_balance(wallet: Wallet, coins: Iterable[str] | None) -> dict[str, Any]:
    """The whole answer; `coins` None means all that are not zero, others are given as Bybit gives a coin never held."""
    account = wallet_account(wallet)
    if coins is not None:
        account["coin"] = [_coin(wallet) if coin == SETTLE_COIN else _empty_coin(coin) for coin in coins]
    return {"list": [account]}


def account_info(updated: datetime, margin_mode: MarginMode) -> dict[str, Any]:
    return {
        "unifiedMarginStatus": 5,
        "marginMode": MARGIN_MODES[margin_mode],
        "isMasterTrader": False,
        "spotHedgingStatus": "OFF",
        "updatedTime": ms_text(updated),
        "dcpStatus": "OFF",
        "timeWindow": 10,
        "smpGroup": 0,
    }


def fee_rate(symbol: str, fees: FeeRates) -> dict[str, Any]:
    return {"symbol": symbol, "takerFeeRate": number(fees.taker), "makerFeeRate": number(fees.maker)}


def transaction(row: Transaction) -> dict[str, Any]:
    return {
        "id": row.id,
        "symbol": row.symbol,
        "category": "linear" if row.symbol else "",
        "side": "None" if row.side is None else row.side.value,
        "transactionTime": ms_text(row.time),
        "type": row.type,
        "transSubType": "",
        "qty": number(row.quantity),
        "size": number(row.size),
        "currency": row.currency,
        "tradePrice": number(row.price),
        "funding": number(row.funding) if row.type == "SETTLEMENT" else "",
        "fee": number(row.fee),
        "cashFlow": number(row.cash_flow),
        "change": number(row.change),
        "cashBalance": number(row.balance),
        "feeRate": number(row.fee_rate),
        "bonusChange": "0",
        "tradeId": row.trade_id,
        "orderId": row.order_id,
        "orderLinkId": row.order_link_id,
        "extraFees": "",
    }


def key_information(account: ExchangeAccount) -> dict[str, Any]:
    """The answer of user/query-api. The key may trade and nothing else."""
    return {
        "id": str(account.uid),
        "note": account.name,
        "apiKey": account.api_key,
        "readOnly": 0,
        "secret": "",
        "permissions": {
            "ContractTrade": ["Order", "Position"],
            "Spot": [],
            "Wallet": [],
            "Options": [],
            "Derivatives": ["DerivativesTrade"],
            "CopyTrading": [],
            "BlockTrade": [],
            "Exchange": [],
            "NFT": [],
            "Affiliate": [],
            "Earn": [],
        },
        "ips": ["*"],
        "type": 1,
        "deadlineDay": -2,
        "expiredAt": "1970-01-01T00:00:00Z",
        "createdAt": "2020-01-01T00:00:00Z",
        "unified": 0,
        "uta": 1,
        "userID": account.uid,
        "inviterID": 0,
        "vipLevel": "No VIP",
        "mktMakerLevel": "0",
        "affiliateID": 0,
        "rsaPublicKey": "",
        "isMaster": True,
        "parentUid": "0",
        "kycLevel": "LEVEL_DEFAULT",
        "kycRegion": "",
    }


def _coin(wallet: Wallet) -> dict[str, Any]:
    return {
        **_empty_coin(SETTLE_COIN),
        "equity": number(wallet.equity),
        "usdValue": number(wallet.equity),
        "walletBalance": number(wallet.balance),
        "borrowAmount": number(wallet.borrowed),
        "totalOrderIM": number(wallet.order_margin),
        "totalPositionIM": number(wallet.position_margin),
        "totalPositionMM": number(wallet.maintenance_margin),
        "unrealisedPnl": number(wallet.unrealized_pnl),
        "cumRealisedPnl": number(wallet.cumulative_realized_pnl),
    }


def _empty_coin(coin: str) -> dict[str, Any]:
    return {
        "coin": coin,
        "equity": "0",
        "usdValue": "0",
        "walletBalance": "0",
        "locked": "0",
        "spotHedgingQty": "0",
        "borrowAmount": "0",
        "accruedInterest": "0",
        "totalOrderIM": "0",
        "totalPositionIM": "0",
        "totalPositionMM": "0",
        "unrealisedPnl": "0",
        "cumRealisedPnl": "0",
        "bonus": "0",
        "marginCollateral": True,
        "collateralSwitch": True,
        "colRes": "0",
        "spotBorrow": "0",
        "free": "",
        "availableToWithdraw": "",
        "availableToBorrow": "",
    }


def _rate(margin: Decimal, equity: Decimal) -> str:
    return number((margin / equity).quantize(_RATE_PLACES)) if equity > 0 else "0"
