"""Wallet, log and key information (https://bybit-exchange.github.io/docs/v5/account/wallet-balance)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from alpha.domain.clock import to_ms
from paper_exchange.accounts import PaperAccount
from paper_exchange.engine import Transaction, Wallet
from paper_exchange.server.render import ms, text


def wallet(state: Wallet) -> dict[str, Any]:
    """The account object; one USDT is one USD here."""
    im_rate = state.initial_margin / state.equity if state.equity > 0 else Decimal(0)
    mm_rate = state.maintenance_margin / state.equity if state.equity > 0 else Decimal(0)
    im, mm = text(state.initial_margin), text(state.maintenance_margin)
    im_text, mm_text = text(round(im_rate, 4)), text(round(mm_rate, 4))
    return {
        "accountType": "UNIFIED",
        "totalEquity": text(state.equity),
        "totalWalletBalance": text(state.balance),
        "totalMarginBalance": text(state.equity),
        "totalAvailableBalance": text(state.available),
        "totalPerpUPL": text(state.unrealized_pnl),
        "totalInitialMargin": im,
        "totalMaintenanceMargin": mm,
        "accountIMRate": im_text,
        "accountMMRate": mm_text,
        "accountIMRateByMp": im_text,
        "accountMMRateByMp": mm_text,
        "totalInitialMarginByMp": im,
        "totalMaintenanceMarginByMp": mm,
        "accountLTV": "0",
        "coin": [
            {
                "coin": "USDT",
                "equity": text(state.equity),
                "usdValue": text(state.equity),
                "walletBalance": text(state.balance),
                "locked": "0",
                "spotHedgingQty": "0",
                "borrowAmount": "0",
                "accruedInterest": "0",
                "totalOrderIM": text(state.order_margin),
                "totalPositionIM": text(state.position_margin),
                "totalPositionMM": mm,
                "unrealisedPnl": text(state.unrealized_pnl),
                "cumRealisedPnl": text(state.cumulative_realized_pnl),
                "bonus": "0",
                "marginCollateral": True,
                "collateralSwitch": True,
                "colRes": "0",
                "spotBorrow": "0",
                "free": "",
                "availableToWithdraw": "",
                "availableToBorrow": "",
            }
        ],
    }


def transaction(row: Transaction) -> dict[str, Any]:
    return {
        "id": row.id,
        "symbol": row.symbol,
        "category": "linear" if row.symbol else "",
        "side": row.side.value if row.side else "None",
        "transactionTime": ms(row.time),
        "type": row.type,
        "transSubType": "",
        "qty": text(row.quantity),
        "size": text(row.size),
        "currency": row.currency,
        "tradePrice": text(row.price),
        "funding": text(row.funding),
        "fee": text(row.fee),
        "cashFlow": text(row.cash_flow),
        "change": text(row.change),
        "cashBalance": text(row.balance),
        "feeRate": text(row.fee_rate),
        "bonusChange": "",
        "tradeId": row.trade_id,
        "orderId": row.order_id,
        "orderLinkId": row.order_link_id,
        "extraFees": "",
    }


def transaction_key(row: Transaction) -> tuple[int, str]:
    return to_ms(row.time), row.id


def key_information(account: PaperAccount) -> dict[str, Any]:
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
            "Exchange": [],
            "Earn": [],
            "CopyTrading": [],
            "BlockTrade": [],
            "NFT": [],
            "Affiliate": [],
        },
        "ips": ["*"],
        "type": 1,
        "deadlineDay": 365,
        "expiredAt": "2099-01-01T00:00:00Z",
        "createdAt": "2025-01-01T00:00:00Z",
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
        "unified": 0,
    }


ACCOUNT_INFORMATION: dict[str, Any] = {
    "unifiedMarginStatus": 5,
    "marginMode": "REGULAR_MARGIN",
    "isMasterTrader": False,
    "spotHedgingStatus": "OFF",
    "updatedTime": "1735689600000",
    "dcpStatus": "OFF",
    "timeWindow": 10,
    "smpGroup": 0,
}
