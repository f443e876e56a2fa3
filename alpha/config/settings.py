"""Settings from the environment and `.env`, read once at the start of a process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from dotenv import dotenv_values
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from alpha.config.errors import ConfigError
from alpha.config.modes import Mode, check_flags
from alpha.config.placeholders import is_placeholder
from alpha.ledger.connection import Dsn
from alpha.live.connection import RedisAddress

_ENV_FILE = "ALPHA_ENV_FILE"

Port = Annotated[int, Field(ge=1, le=65535)]
AnyPort = Annotated[int, Field(ge=0, le=65535)]


def _comma_separated(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class Settings(BaseSettings):
    """What the environment says. Every field is the environment variable of the same name in upper case.

    An empty variable counts as not set.
    """

    # Error texts must not repeat what was given: it may be a secret on the wrong line.
    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    alpha_mode: Mode = Mode.PAPER
    alpha_bots_file: Path = Path("bots.yaml")
    alpha_home: Path = Path(".alpha")
    """Data, logs and run.json of a platform started here."""
    alpha_paper_url: str = "http://127.0.0.1:8787"
    """Base URL of the paper exchange."""
    alpha_live_accounts: Annotated[tuple[str, ...], BeforeValidator(_comma_separated)] = ()
    """UIDs that may trade real money."""
    alpha_allow_withdrawal_keys: Annotated[tuple[str, ...], BeforeValidator(_comma_separated)] = ()
    """Accounts whose key may be one that can withdraw."""
    alpha_run: str = ""
    """A fixed run id for order ids; empty means a new one per life of a bot's account. For tests and replays."""

    alpha_rest_percent: Annotated[int, Field(ge=1, le=100)] = 100
    """Part of the exchange's limit of REST calls per address that the platform uses, where others share the address."""

    bybit_demo: bool | None = None
    bybit_testnet: bool | None = None

    postgres_host: str = "127.0.0.1"
    postgres_port: Port = 5432
    postgres_db: str = "trading_db"
    postgres_user: str = "trading_user"
    postgres_password: SecretStr = SecretStr("")
    postgres_pool_host: str = ""
    postgres_pool_port: Port | None = None

    redis_host: str = "127.0.0.1"
    redis_port: Port = 6379
    redis_user: str = ""
    """Login of the access list; empty means Redis' own user `default`, who may do everything."""
    redis_password: SecretStr = SecretStr("")

    health_host: str = "127.0.0.1"
    """The address that /healthz and /metrics are served on."""
    listener_port: AnyPort = 0
    """Port of /healthz and /metrics; 0 means any free one. Likewise for the other services."""
    feed_port: AnyPort = 0
    bot_port: AnyPort = 0
    sync_port: AnyPort = 0
    telegram_port: AnyPort = 0
    backup_port: AnyPort = 0
    exporter_port: AnyPort = 0

    log_folder: Path | None = None
    """Where a service writes its log as well, in files that are rotated; None writes to stderr only."""

    log_format: Literal["auto", "json", "console"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # load_settings says which environment is read; a Settings made in a test reads none.
        return (init_settings,)

    @field_validator("postgres_password", "redis_password")
    @classmethod
    def _no_placeholder(cls, value: SecretStr) -> SecretStr:
        if is_placeholder(value.get_secret_value()):
            raise ValueError("is the placeholder of a template; put the real password there")
        return value

    @field_validator("alpha_live_accounts")
    @classmethod
    def _uids(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(uid.isascii() and uid.isdigit() for uid in value):
            raise ValueError("must be UIDs, which are numbers, separated by commas")
        return value

    @field_validator("alpha_paper_url")
    @classmethod
    def _http(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _modes_agree(self) -> Self:
        check_flags(self.alpha_mode, self.bybit_demo, self.bybit_testnet)
        return self

    def dsn(self) -> Dsn:
        """The direct connection to PostgreSQL, for writers. Raises ConfigError without a password."""
        return Dsn(
            host=self.postgres_host,
            port=self.postgres_port,
            dbname=self.postgres_db,
            user=self.postgres_user,
            password=_required("POSTGRES_PASSWORD", self.postgres_password),
        )

    def pooled_dsn(self) -> Dsn:
        """The connection through PgBouncer in transaction mode where one is set, else the direct one."""
        return Dsn(
            host=self.postgres_pool_host or self.postgres_host,
            port=self.postgres_pool_port or self.postgres_port,
            dbname=self.postgres_db,
            user=self.postgres_user,
            password=_required("POSTGRES_PASSWORD", self.postgres_password),
        )

    @property
    def pooled(self) -> bool:
        """Whether `pooled_dsn` leads to a pooler, which keeps no session settings."""
        return bool(self.postgres_pool_host or self.postgres_pool_port)

    def redis(self) -> RedisAddress:
        """Where Redis is. Raises ConfigError without a password."""
        password = _required("REDIS_PASSWORD", self.redis_password)
        return RedisAddress(host=self.redis_host, port=self.redis_port, password=password, user=self.redis_user)


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings of this process: from `environ`, or from the process's environment above the file `.env`.

    ALPHA_ENV_FILE names another file, or none when it is empty. Raises ConfigError, one line that names the variable.
    """
    values = environment() if environ is None else environ
    given: dict[str, Any] = {
        name: values[name.upper()].strip() for name in Settings.model_fields if values.get(name.upper(), "").strip()
    }
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        variable = str(first["loc"][0]).upper() if first["loc"] else "the environment"
        raise ConfigError(f"{variable} {_in_words(first['msg'])} (set in the environment or in .env)") from None


def environment() -> dict[str, str]:
    """The process's environment above the values of `.env`. Raises ConfigError for a named file that is not there."""
    named = os.environ.get(_ENV_FILE)
    file = Path(".env" if named is None else named)
    if named == "":
        return dict(os.environ)
    if named is not None and not file.is_file():
        raise ConfigError(f"{_ENV_FILE} names {file}, which is not a file: correct it or leave it out")
    from_file = {name: value for name, value in dotenv_values(file, interpolate=False).items() if value is not None}
    return from_file | dict(os.environ)


def _required(variable: str, secret: SecretStr) -> str:
    value = secret.get_secret_value()
    if not value:
        raise ConfigError(
            f"{variable} is not set: put it into the environment or .env (or run `alpha up`, which needs none)"
        )
    return value


def _in_words(message: str) -> str:
    for prefix, words in (("Value error, ", ""), ("Input should be ", "should be ")):
        if message.startswith(prefix):
            return words + message.removeprefix(prefix)
    return f"is wrong: {message}"
