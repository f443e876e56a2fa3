"""The accounts and bots of bots.yaml, checked as a whole when it is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from alpha.config.bots_file import AccountEntry, BotEntry, read_bots_file
from alpha.config.errors import ConfigError
from alpha.config.modes import Mode
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.live.connection import RESERVED_DBS


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountConfig:
    """One account at the exchange: one Bybit UID."""

    name: AccountName
    key_env: str
    """Name of the environment variable that holds the API key; `secret_env` likewise."""
    secret_env: str
    mode: Mode | None = None
    """None: as ALPHA_MODE says."""
    rest_url: str | None = None
    private_url: str | None = None
    public_url: str | None = None
    position_mode: Literal["one_way", "hedge"] = "one_way"


@dataclass(frozen=True, slots=True, kw_only=True)
class BotConfig:
    """One bot: which strategy trades which symbols on which account."""

    id: BotId
    code: str
    """First part of every order id of this bot; never given to another one."""
    account: AccountName
    strategy: str
    """`package.module:Class`"""
    params: Mapping[str, Any]
    redis_db: int
    symbols: tuple[Symbol, ...]
    """Empty while `trades_all` and nobody has asked the exchange what it lists: see `Registry.listing`."""
    category: Literal["linear"] = "linear"
    capital_usdt: Decimal | None = None
    """What the bot may size its orders by; None means the whole account's equity."""
    side: Literal["long", "short"] | None = None
    """The side a bot is bound to on a hedge mode account, None for both."""
    trades_all: bool = False
    """Whether it trades whatever the exchange lists. Such a bot has its account to itself."""

    def trades(self, symbol: Symbol) -> bool:
        """Whether a position in it is this bot's business. All of them are if it trades all: also one in a symbol that
        the exchange lists since a moment, or no more."""
        return self.trades_all or symbol in self.symbols


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """All accounts and bots, known to agree with one another."""

    path: Path
    """The file it was read from."""
    accounts: Mapping[AccountName, AccountConfig]
    bots: Mapping[BotId, BotConfig]

    def account(self, name: str) -> AccountConfig:
        """Raises ConfigError, naming the accounts there are."""
        try:
            return self.accounts[AccountName(name)]
        except KeyError:
            raise ConfigError(f"no account {name} in bots.yaml; there are: {', '.join(self.accounts)}") from None

    def bot(self, bot_id: str) -> BotConfig:
        """Raises ConfigError, naming the bots there are."""
        try:
            return self.bots[BotId(bot_id)]
        except KeyError:
            raise ConfigError(f"no bot {bot_id} in bots.yaml; there are: {', '.join(self.bots)}") from None

    def bots_on(self, account: AccountName) -> tuple[BotConfig, ...]:
        """The bots of an account, in the order of the file."""
        return tuple(bot for bot in self.bots.values() if bot.account == account)

    def by_code(self, code: str) -> BotConfig | None:
        """The bot with this code."""
        return next((bot for bot in self.bots.values() if bot.code == code), None)

    def in_use(self, environ: Mapping[str, str]) -> Registry:
        """Without the accounts that have neither key nor secret in the environment, and without their bots: nobody can
        trade there or listen. Half a pair stays, and so does everything where nothing has a key: both are mistakes that
        shall be named by whoever asks for the key."""
        accounts = {
            name: account
            for name, account in self.accounts.items()
            if environ.get(account.key_env, "").strip() or environ.get(account.secret_env, "").strip()
        }
        if not accounts:
            return self
        return replace(
            self,
            accounts=MappingProxyType(accounts),
            bots=MappingProxyType({bot_id: bot for bot_id, bot in self.bots.items() if bot.account in accounts}),
        )

    @property
    def trades_all(self) -> bool:
        """Whether a bot trades whatever the exchange lists."""
        return any(bot.trades_all for bot in self.bots.values())

    @property
    def unlisted(self) -> tuple[BotId, ...]:
        """The bots that trade whatever the exchange lists while nobody knows what that is."""
        return tuple(bot.id for bot in self.bots.values() if bot.trades_all and not bot.symbols)

    def listing(self, symbols: Iterable[Symbol]) -> Registry:
        """With these as the symbols of the bots that trade all; the others are as they were."""
        listed = tuple(sorted(set(symbols)))
        bots = {bot_id: replace(bot, symbols=listed) if bot.trades_all else bot for bot_id, bot in self.bots.items()}
        return replace(self, bots=MappingProxyType(bots))

    def traded_on(self, account: AccountName) -> frozenset[Symbol] | None:
        """The symbols that bots trade on an account; None where one of them trades all."""
        bots = self.bots_on(account)
        if any(bot.trades_all for bot in bots):
            return None
        return frozenset(symbol for bot in bots for symbol in bot.symbols)

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """Every symbol that a bot trades, sorted. Without those of bots that trade all until they are listed."""
        return tuple(sorted({symbol for bot in self.bots.values() for symbol in bot.symbols}))


def load_registry(path: Path) -> Registry:
    """Reads bots.yaml. Raises ConfigError with one line naming the file, the key and the fix."""
    file = read_bots_file(path)
    registry = Registry(
        path=path,
        accounts=MappingProxyType({AccountName(name): _account(name, entry) for name, entry in file.accounts.items()}),
        bots=MappingProxyType(_bots(path, file.bots)),
    )
    try:
        _check(registry)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return registry


def _account(name: str, entry: AccountEntry) -> AccountConfig:
    return AccountConfig(
        name=AccountName(name),
        mode=entry.mode,
        key_env=entry.key_env,
        secret_env=entry.secret_env,
        rest_url=entry.rest_url,
        private_url=entry.private_url,
        public_url=entry.public_url,
        position_mode=entry.position_mode,
    )


def _bots(path: Path, entries: Iterable[BotEntry]) -> dict[BotId, BotConfig]:
    bots: dict[BotId, BotConfig] = {}
    for entry in entries:
        bot_id = BotId(entry.id)
        if bot_id in bots:
            raise ConfigError(f"{path}: id {bot_id} is used by two bots: give each its own")
        bots[bot_id] = BotConfig(
            id=bot_id,
            code=entry.code,
            account=AccountName(entry.account),
            strategy=entry.strategy,
            params=MappingProxyType(entry.params),
            redis_db=entry.redis_db,
            symbols=tuple(Symbol(symbol) for symbol in entry.symbols),
            category=entry.category,
            capital_usdt=entry.capital_usdt,
            side=entry.side,
            trades_all=not entry.symbols,
        )
    return bots


def _check(registry: Registry) -> None:
    for account, other in combinations(registry.accounts.values(), 2):
        for variable in {account.key_env, account.secret_env} & {other.key_env, other.secret_env}:
            raise ConfigError(
                f"accounts {account.name} and {other.name} both read {variable}: "
                "one UID is one account; give each account its own key"
            )
    for bot in registry.bots.values():
        _check_alone(bot, registry)
    for bot, other_bot in combinations(registry.bots.values(), 2):
        _check_pair(bot, other_bot, registry)


def _check_alone(bot: BotConfig, registry: Registry) -> None:
    account = registry.accounts.get(bot.account)
    if account is None:
        raise ConfigError(
            f"account {bot.account} of bot {bot.id} is not under accounts: add it, or use one of "
            f"{', '.join(registry.accounts) or 'none yet'}"
        )
    if bot.redis_db in RESERVED_DBS:
        raise ConfigError(
            f"redis_db {bot.redis_db} of bot {bot.id} is the platform's own "
            f"({', '.join(map(str, sorted(RESERVED_DBS)))} are): take another from 0 to 63"
        )
    if bot.side is not None and account.position_mode != "hedge":
        raise ConfigError(
            f"side of bot {bot.id} needs an account in hedge mode: remove side, "
            f"or set `position_mode: hedge` on account {account.name}"
        )
    others = [other.id for other in registry.bots_on(bot.account) if other is not bot]
    if bot.trades_all and others:
        raise ConfigError(
            f"symbols of bot {bot.id} are all, and {others[0]} trades on the same account {bot.account}: "
            "name the symbols of each, or give one of them another account"
        )
    if bot.capital_usdt is None and len(registry.bots_on(bot.account)) > 1:
        raise ConfigError(
            f"capital_usdt of bot {bot.id} is missing: account {bot.account} is shared, so each of its bots must say "
            "how much of it is its own"
        )


def _check_pair(bot: BotConfig, other: BotConfig, registry: Registry) -> None:
    if bot.code == other.code:
        raise ConfigError(f"code {bot.code} is used by bots {bot.id} and {other.id}: give each its own")
    if bot.redis_db == other.redis_db:
        raise ConfigError(f"redis_db {bot.redis_db} is used by bots {bot.id} and {other.id}: give each its own")
    if bot.account != other.account:
        return
    both = sorted(set(bot.symbols) & set(other.symbols))
    if not both:
        return
    apart = None not in (bot.side, other.side) and bot.side != other.side
    if not apart:
        raise ConfigError(
            f"symbols of bots {bot.id} and {other.id} both have {both[0]} on account {bot.account}: stops, leverage "
            "and reduce-only act on the net position, so use another account or symbol"
            + (", or a side of its own for each" if registry.accounts[bot.account].position_mode == "hedge" else "")
        )
