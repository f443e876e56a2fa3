"""Who may trade here, read from a JSON file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from alpha.domain.errors import AlphaError
from alpha.domain.ids import AccountName
from paper_exchange.engine import EngineAccount


class AccountsInvalid(AlphaError):
    """The file of accounts cannot be read, or an entry of it cannot be an account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeAccount:
    """One account with its one API key. `balance` is its first deposit in USDT."""

    name: AccountName
    uid: int
    api_key: str
    api_secret: str = field(repr=False)
    balance: Decimal
    position_mode: str

    def for_engine(self) -> EngineAccount:
        return EngineAccount(
            uid=self.uid, balance=self.balance, position_mode="hedge" if self.position_mode == "hedge" else "one_way"
        )


class Accounts:
    """The accounts of the exchange, found by key, by uid or by name."""

    def __init__(self, accounts: Iterable[ExchangeAccount]) -> None:
        """Raises AccountsInvalid when a name, uid or key is there twice, or there is no account at all."""
        self.all = tuple(accounts)
        if not self.all:
            raise AccountsInvalid("an exchange without accounts serves nobody; the accounts file is empty")
        self._by_key = {account.api_key: account for account in self.all}
        self._by_uid = {account.uid: account for account in self.all}
        self._by_name = {account.name: account for account in self.all}
        for what, found in (("api_key", self._by_key), ("uid", self._by_uid), ("name", self._by_name)):
            if len(found) != len(self.all):
                raise AccountsInvalid(f"two accounts have the same {what}; each needs its own")

    def with_key(self, api_key: str) -> ExchangeAccount | None:
        return self._by_key.get(api_key)

    def with_name(self, name: str) -> ExchangeAccount | None:
        return self._by_name.get(AccountName(name))

    def of_uid(self, uid: int) -> ExchangeAccount:
        return self._by_uid[uid]


def load_accounts(path: Path) -> Accounts:
    """The accounts of a file `[{name, uid, api_key, api_secret, balance_usdt, position_mode}, ...]`.

    Raises AccountsInvalid naming the file and the entry, never a secret.
    """
    try:
        rows = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise AccountsInvalid(f"the accounts file {path} cannot be read: {error}") from error
    if not isinstance(rows, list):
        raise AccountsInvalid(f"the accounts file {path} must hold a list of accounts")
    return Accounts(_account(row, f"{path}, entry {number}") for number, row in enumerate(rows, start=1))


def _account(row: Any, where: str) -> ExchangeAccount:
    try:
        account = ExchangeAccount(
            name=AccountName(str(row["name"])),
            uid=int(row["uid"]),
            api_key=str(row["api_key"]),
            api_secret=str(row["api_secret"]),
            balance=Decimal(str(row["balance_usdt"])),
            position_mode=str(row.get("position_mode", "one_way")),
        )
    except KeyError as error:
        raise AccountsInvalid(f"{where}: {error.args[0]} is missing") from error
    except (TypeError, ValueError, InvalidOperation, AttributeError) as error:
        raise AccountsInvalid(f"{where}: not an account ({type(error).__name__})") from error
    if account.position_mode not in ("one_way", "hedge"):
        raise AccountsInvalid(f"{where}: position_mode must be one_way or hedge, not {account.position_mode!r}")
    if not (account.api_key and account.api_secret and account.balance.is_finite() and account.balance >= 0):
        raise AccountsInvalid(f"{where}: needs api_key, api_secret and a balance_usdt of at least 0")
    return account
