from __future__ import annotations

from alpha.domain.errors import AlphaError, Misconfigured


class BotError(AlphaError):
    """A bot cannot start or go on. The message says which one, why, and what to change."""


class StrategyRefused(BotError, Misconfigured):
    """The strategy itself declines to run as configured: a parameter, a symbol or an environment it does not take."""


class LeaseLost(BotError):
    """Another copy of this bot holds its lease now, so this one must not trade any more."""


class JournalUnavailable(BotError):
    """The order could not be written down before sending: the database does not answer."""
