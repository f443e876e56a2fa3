"""The accounts file of the paper exchange."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal

from alpha.domain.errors import AlphaError


class AccountsInvalid(AlphaError):
    """The accounts file cannot be read, or an entry of it is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperAccount:
    """One account: who may trade it, and what it begins with."""

    name: str
    uid: int
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    balance_usdt: Decimal
    position_mode: Literal["one_way", "hedge"] = "one_way"


def load_accounts(path: Path) -> list[PaperAccount]:
    """The accounts of a JSON file: a list of {name, uid, api_key, api_secret, balance_usdt, position_mode}.

    Raises AccountsInvalid naming the entry.
    """
    try:
        entries = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise AccountsInvalid(f"the accounts file {path} cannot be read: {error}") from error
    if not isinstance(entries, list) or not entries:
        raise AccountsInvalid(f"the accounts file {path} must hold a list of at least one account")
    accounts = [_account(entry, f"{path}, entry {number}") for number, entry in enumerate(entries, start=1)]
    for what in ("uid", "api_key", "name"):
        if len({getattr(account, what) for account in accounts}) < len(accounts):
            raise AccountsInvalid(f"{path}: two accounts have the same {what}")
    return accounts


def _account(entry: object, where: str) -> PaperAccount:
    try:
        if not isinstance(entry, dict):
            raise TypeError("not an object")
        balance = Decimal(str(entry["balance_usdt"]))
        mode = entry.get("position_mode", "one_way")
        if not balance.is_finite() or balance < 0 or mode not in ("one_way", "hedge"):
            raise ValueError("balance_usdt must be a number from 0, position_mode one_way or hedge")
        return PaperAccount(
            name=str(entry["name"]),
            uid=int(entry["uid"]),
            api_key=str(entry["api_key"]),
            api_secret=str(entry["api_secret"]),
            balance_usdt=balance,
            position_mode=mode,
        )
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise AccountsInvalid(f"{where}: {error!r}") from error
