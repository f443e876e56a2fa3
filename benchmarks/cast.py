"""Who takes part in a measure: accounts with one bot each, their keys, and the bots.yaml that names them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.live.connection import RESERVED_DBS
from paper_exchange.accounts import Accounts, ExchangeAccount

SYMBOLS = (Symbol("BTCUSDT"), Symbol("ETHUSDT"), Symbol("SOLUSDT"))
MOST_ACCOUNTS = 50
_FIRST_UID = 100_001
_DATABASES = tuple(db for db in range(64) if db not in RESERVED_DBS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One account and its bot. Everything follows from the number, so that each process can make the same cast."""

    number: int

    @property
    def account(self) -> AccountName:
        return AccountName(f"bench{self.number:02d}")

    @property
    def bot(self) -> BotId:
        return BotId(f"{self.account}_001")

    @property
    def code(self) -> str:
        """First part of the bot's order ids."""
        return f"b{self.number:02d}"

    @property
    def redis_db(self) -> int:
        return _DATABASES[self.number]

    @property
    def uid(self) -> int:
        return _FIRST_UID + self.number

    @property
    def api_key(self) -> str:
        return f"benchmark-key-{self.number:02d}"

    @property
    def api_secret(self) -> str:
        return f"benchmark-words-{self.number:02d}"


def cast(accounts: int) -> tuple[Role, ...]:
    """So many accounts, at most 50: each bot needs a Redis database of its own."""
    return tuple(Role(number=number) for number in range(accounts))


def exchange_accounts(roles: tuple[Role, ...]) -> Accounts:
    """The accounts as the exchange knows them, for its signature checks."""
    return Accounts(
        ExchangeAccount(
            name=role.account,
            uid=role.uid,
            api_key=role.api_key,
            api_secret=role.api_secret,
            balance=Decimal(1_000_000),
            position_mode="one_way",
        )
        for role in roles
    )


def write_bots_file(path: Path, roles: tuple[Role, ...], *, rest_url: str, private_url: str) -> None:
    """The registry that the listener reads."""
    content = {
        "accounts": {
            role.account: {
                "key_env": f"{role.account.upper()}_KEY",
                "secret_env": f"{role.account.upper()}_SECRET",
                "rest_url": rest_url,
                "private_url": private_url,
            }
            for role in roles
        },
        "bots": [
            {
                "id": role.bot,
                "code": role.code,
                "account": role.account,
                "strategy": "strategies.canary:Canary",
                "redis_db": role.redis_db,
                "symbols": list(SYMBOLS),
            }
            for role in roles
        ],
    }
    path.write_text(json.dumps(content))  # JSON is YAML


def keys(roles: tuple[Role, ...]) -> dict[str, str]:
    """The environment variables that the registry's accounts name."""
    return {f"{role.account.upper()}_KEY": role.api_key for role in roles} | {
        f"{role.account.upper()}_SECRET": role.api_secret for role in roles
    }
