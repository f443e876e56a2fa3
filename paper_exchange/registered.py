"""The accounts of bots.yaml as accounts of this exchange, with the keys that the environment holds for them."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from pathlib import Path

from alpha.config import ConfigError, Mode, Registry, credentials, environment, load_registry, load_settings
from alpha.domain.ids import AccountName
from paper_exchange.accounts import Accounts, ExchangeAccount

_BALANCE_USDT = Decimal(10_000)
_UIDS = 900_000_000
_FIRST_UID = 100_000_000


def registered(path: Path) -> tuple[Registry, Accounts]:
    """The registry without the accounts that have no key, and those that have one.

    Raises ConfigError when the platform is in another mode: its bots would trade elsewhere, and whoever started this
    exchange would take what they do for paper.
    """
    environ = environment()
    mode = load_settings(environ).alpha_mode
    if mode is not Mode.PAPER:
        raise ConfigError(
            f"ALPHA_MODE={mode} and the paper exchange (profile paper) disagree: set ALPHA_MODE=paper, or leave it out"
        )
    registry = load_registry(path).in_use(environ)
    accounts = []
    for name, config in registry.accounts.items():
        keys = credentials(config, environ)
        accounts.append(
            ExchangeAccount(
                name=name,
                uid=uid_of(name),
                api_key=keys.key,
                api_secret=keys.secret,
                balance=_BALANCE_USDT,
                position_mode=config.position_mode,
            )
        )
    return registry, Accounts(accounts)


def uid_of(name: AccountName) -> int:
    """The same for an account whatever others there are: an account that is added changes nobody's."""
    return _FIRST_UID + int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % _UIDS
