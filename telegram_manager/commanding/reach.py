"""What an order to close everything is about: which accounts, and what of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from alpha.config.registry import BotConfig, Registry
from alpha.domain.errors import InvalidValue, Misconfigured
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.ledger.controls import ALL, PLATFORM, account_scope, bot_scope, name_of

_LONG, _SHORT = 1, 2


class NoSuchScope(Misconfigured):
    """What was named is neither a bot nor an account nor `all`."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What of one account is meant. `symbols` None: everything on it. `position_idx`: in hedge mode one side only."""

    account: AccountName
    symbols: frozenset[Symbol] | None = None
    position_idx: int | None = None

    def covers(self, symbol: Symbol, position_idx: int) -> bool:
        if self.symbols is not None and symbol not in self.symbols:
            return False
        return self.position_idx is None or position_idx == self.position_idx


def scope_of(registry: Registry, text: str) -> str:
    """The scope of `controls` that a person names: a bot's id, an account's name, or `all`. Raises NoSuchScope."""
    is_bot, is_account = BotId(text) in registry.bots, AccountName(text) in registry.accounts
    if is_bot and is_account:
        raise NoSuchScope(f"{text} is a bot and an account: rename one of them in bots.yaml")
    if text == ALL:
        return PLATFORM
    if is_bot:
        return bot_scope(BotId(text))
    if is_account:
        return account_scope(AccountName(text))
    raise NoSuchScope(
        f"there is no {text}; there are the bots {', '.join(registry.bots)}, "
        f"the accounts {', '.join(registry.accounts)}, and {ALL}"
    )


def bots_under(registry: Registry, scope: str) -> tuple[BotConfig, ...]:
    """The bots that a control of this scope is about."""
    return tuple(bot for bot in registry.bots.values() if scope in scopes_over(bot))


def scopes_over(bot: BotConfig) -> tuple[str, str, str]:
    """The scopes that each may forbid this bot something."""
    return PLATFORM, account_scope(bot.account), bot_scope(bot.id)


def reaches(registry: Registry, scope: str, symbols: Iterable[Symbol] | None = None) -> tuple[Reach, ...]:
    """What of which account a scope covers; of a bot its own symbols and side only, `symbols` narrows that down.

    Raises InvalidValue for a symbol that the bot does not trade, ConfigError for a bot or account that is not in
    bots.yaml any more.
    """
    if scope == PLATFORM:
        return tuple(Reach(account) for account in registry.accounts)
    if scope.startswith("account:"):
        return (Reach(registry.account(name_of(scope)).name),)
    bot = registry.bot(name_of(scope))
    if bot.trades_all and symbols is None:
        # The account is its own, and what it holds may be listed no more.
        return (Reach(bot.account),)
    chosen = frozenset(bot.symbols if symbols is None else symbols)
    unknown = ", ".join(sorted(symbol for symbol in chosen if not bot.trades(symbol)))
    if unknown:
        raise InvalidValue(f"{bot.id} does not trade {unknown}; it trades {', '.join(bot.symbols)}")
    side = {None: None, "long": _LONG, "short": _SHORT}[bot.side]
    return (Reach(bot.account, chosen, side),)
