"""`wallet:{account}`: the account's balance as the exchange last said it, in the state database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import redis

from alpha.domain.ids import AccountName
from alpha.live.answers import hash_of
from alpha.live.databases import Command, execute
from alpha.live.epoch_hash import replace_hash_command
from alpha.live.wire import money, ms, parse_count, parse_money, parse_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveWallet:
    """In the settle currency. `updated_at` is the wall time at which the listener of this `epoch` heard it."""

    account: AccountName
    equity: Decimal
    balance: Decimal
    available: Decimal
    epoch: int = 0
    updated_at: datetime


def wallet_key(account: AccountName) -> str:
    return f"wallet:{account}"


def write_wallet(client: redis.Redis, wallet: LiveWallet) -> bool:
    """False when a listener of a newer epoch has written it: nothing is changed then."""
    return not execute(client, wallet_command(wallet))


def wallet_command(wallet: LiveWallet) -> Command:
    """The same as a command of the state database. It answers 0, or the newer epoch that is there."""
    fields = {
        "equity": money(wallet.equity),
        "balance": money(wallet.balance),
        "available": money(wallet.available),
        "epoch": str(wallet.epoch),
        "updated_at": ms(wallet.updated_at),
    }
    return replace_hash_command(wallet_key(wallet.account), wallet.epoch, fields)


def read_wallet(client: redis.Redis, account: AccountName) -> LiveWallet | None:
    """None when nothing (complete) is known. The exchange tells of changes by trades and funding, not by marks."""
    return wallet_of(account, hash_of(client, wallet_key(account)))


def wallet_of(account: AccountName, fields: Mapping[str, str]) -> LiveWallet | None:
    """The wallet in a hash; None where it is not complete."""
    equity, balance = parse_money(fields.get("equity")), parse_money(fields.get("balance"))
    available, updated_at = parse_money(fields.get("available")), parse_ms(fields.get("updated_at"))
    if equity is None or balance is None or available is None or updated_at is None:
        return None
    return LiveWallet(
        account=account,
        equity=equity,
        balance=balance,
        available=available,
        epoch=parse_count(fields.get("epoch")),
        updated_at=updated_at,
    )
