"""Who may command over Telegram and who is told what, from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from enum import IntEnum, unique
from types import MappingProxyType

from alpha.config.errors import ConfigError
from alpha.config.placeholders import is_placeholder
from alpha.config.registry import Registry
from alpha.domain.ids import BotId

TOKEN = re.compile(r"[0-9]{3,}:[A-Za-z0-9_-]{20,}")
"""A token as Telegram's BotFather gives it; whoever has it is the bot, so it is never shown."""

_TOKEN_VARIABLE = "C2_TELEGRAM_BOT_TOKEN"
_PEOPLE = "C2_TELEGRAM_ADMIN_IDS"
_GROUPS = "C2_TELEGRAM_GROUP_IDS"
_CHANNEL = "C2_TELEGRAM_CHANNEL_ID"
_DAILY = "C2_TELEGRAM_DAILY_AT"
_API = "C2_TELEGRAM_API_URL"
_PUBLIC_API = "https://api.telegram.org"
_CHAT = re.compile(r"-?[0-9]{1,19}|@[A-Za-z][A-Za-z0-9_]{3,31}")


@unique
class Role(IntEnum):
    """What a person may do; each may also do what those before it may."""

    VIEWER = 1
    """Sees everything, changes nothing."""
    OPERATOR = 2
    """Starts, stops, pauses and acknowledges; closes positions of one bot."""
    ADMIN = 3
    """Everything."""

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnChannel:
    """Where a bot's own messages go, and whose token sends them."""

    chat: str
    """A numeric chat id, or @name."""
    token: str = field(default="", repr=False)
    """"" for the command centre's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramSettings:
    """The command centre's token, its people, and where messages go."""

    token: str = field(repr=False)
    people: Mapping[int, Role]
    """Telegram user id -> role."""
    groups: frozenset[int] = frozenset()
    """Groups in which commands are heard; everywhere else only private chats are."""
    channel: str | None = None
    """Where alerts go; None: to every person in private."""
    own: Mapping[BotId, OwnChannel] = field(default_factory=dict)
    daily_at: time = time(0, 5)
    """Wall clock, UTC."""
    api_url: str = _PUBLIC_API

    @property
    def recipients(self) -> tuple[str, ...]:
        """The chats of the command centre. In a private chat the chat's id is the user's."""
        return (self.channel,) if self.channel else tuple(map(str, self.people))

    @property
    def tokens(self) -> frozenset[str]:
        """Everything that must not be seen."""
        return frozenset({self.token, *(own.token for own in self.own.values() if own.token)})


def load_telegram(environ: Mapping[str, str], registry: Registry) -> TelegramSettings | None:
    """Reads C2_TELEGRAM_* and <BOT>_TELEGRAM_*; None when there is no command centre's token.

    Raises ConfigError, one line that names the variable and never its value where that is a secret.
    """
    token = _token(_TOKEN_VARIABLE, environ)
    if token is None:
        return None
    people = _people(_given(_PEOPLE, environ))
    return TelegramSettings(
        token=token,
        people=MappingProxyType(people),
        groups=frozenset(_number(_GROUPS, text) for text in _parts(_given(_GROUPS, environ))),
        channel=_chat(_CHANNEL, environ),
        own=MappingProxyType(_own_channels(environ, registry)),
        daily_at=_time(_given(_DAILY, environ) or "00:05"),
        api_url=_url(_given(_API, environ) or _PUBLIC_API),
    )


def own_prefixes(bot: BotId) -> tuple[str, ...]:
    """What the variables of a bot begin with, the most particular first: CANARY_001, then CANARY."""
    name = re.sub(r"[^A-Z0-9]", "_", bot.upper())
    return tuple(dict.fromkeys((name, re.sub(r"_[0-9]+$", "", name))))


def _own_channels(environ: Mapping[str, str], registry: Registry) -> dict[BotId, OwnChannel]:
    found = {}
    for bot in registry.bots:
        for prefix in own_prefixes(bot):
            token_variable, chat_variable = f"{prefix}_TELEGRAM_BOT_TOKEN", f"{prefix}_TELEGRAM_CHANNEL_ID"
            token, chat = _token(token_variable, environ), _chat(chat_variable, environ)
            if token is not None and chat is None:
                raise ConfigError(f"{chat_variable} is not set although {token_variable} is: name the channel as well")
            if chat is not None:
                found[bot] = OwnChannel(chat=chat, token=token or "")
                break
    return found


def _people(text: str) -> dict[int, Role]:
    people: dict[int, Role] = {}
    for part in _parts(text):
        number, _, role = part.partition(":")
        user = _number(_PEOPLE, number)
        if user <= 0:
            raise ConfigError(f"{_PEOPLE} has {number}, which is no user id: groups belong into {_GROUPS}")
        if user in people:
            raise ConfigError(f"{_PEOPLE} names {user} twice: remove one")
        try:
            people[user] = Role[role.strip().upper()] if role else Role.ADMIN
        except KeyError:
            roles = ", ".join(each.word for each in Role)
            raise ConfigError(f"{_PEOPLE} gives {user} the role {role}: the roles are {roles}") from None
    if not people:
        raise ConfigError(
            f"{_PEOPLE} is not set although {_TOKEN_VARIABLE} is: name the numeric user ids that may command, "
            "for example 123456789,987654321:viewer"
        )
    return people


def _given(variable: str, environ: Mapping[str, str]) -> str:
    return environ.get(variable, "").strip()


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _number(variable: str, text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,19}", text.strip(), re.ASCII):
        raise ConfigError(f"{variable} must be numeric ids separated by commas, not {text.strip()!r}")
    return int(text)


def _token(variable: str, environ: Mapping[str, str]) -> str | None:
    value = _given(variable, environ)
    if not value:
        return None
    if is_placeholder(value):
        raise ConfigError(f"{variable} is the placeholder of a template: put the real token there, or nothing")
    if not TOKEN.fullmatch(value):
        raise ConfigError(
            f"{variable} is no token of Telegram's: it looks like 123456789:AA... and comes from BotFather"
        )
    return value


def _chat(variable: str, environ: Mapping[str, str]) -> str | None:
    value = _given(variable, environ)
    if not value:
        return None
    if not _CHAT.fullmatch(value):
        raise ConfigError(f"{variable} must be a numeric chat id (-100... for a channel) or @name, not {value!r}")
    return value


def _time(text: str) -> time:
    try:
        hours, minutes = text.split(":")
        return time(int(hours), int(minutes))
    except ValueError:
        raise ConfigError(f"{_DAILY} must be a time of the day in UTC like 00:05, not {text!r}") from None


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ConfigError(f"{_API} must start with http:// or https://")
    return text.rstrip("/")
