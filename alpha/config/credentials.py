"""The API key of an account, from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from alpha.config.errors import ConfigError
from alpha.config.placeholders import is_placeholder
from alpha.config.registry import AccountConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Key and secret of one account."""

    key: str = field(repr=False)
    secret: str = field(repr=False)


def credentials(account: AccountConfig, environ: Mapping[str, str]) -> Credentials:
    """Reads the two variables that bots.yaml names. Raises ConfigError when one is empty or a placeholder."""
    return Credentials(
        key=_value(account, account.key_env, environ), secret=_value(account, account.secret_env, environ)
    )


def _value(account: AccountConfig, variable: str, environ: Mapping[str, str]) -> str:
    value = environ.get(variable, "").strip()
    if not value:
        raise ConfigError(f"{variable} of account {account.name} is not set: put it into the environment or .env")
    if is_placeholder(value):
        raise ConfigError(
            f"{variable} of account {account.name} is the placeholder of a template: put the real value there"
        )
    return value
