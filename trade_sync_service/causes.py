"""Why asking the exchange failed, in one word for machines and one sentence for the person who has to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum, unique

from alpha.domain.errors import AlphaError
from alpha.exchange.errors import (
    ExchangeAuthError,
    ExchangeError,
    ExchangeRateLimited,
    ExchangeRefused,
    ExchangeUnknown,
    ExchangeUnreachable,
    UnknownMessage,
)
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.connection import LedgerError

_CLOCK_CODE = 10002
_SKEW_WORTH_SAYING_S = 0.5


class MarketSetBack(AlphaError):
    """The exchange's market clock is before what has been read already: it has lost its past, or is another one."""


@unique
class Cause(StrEnum):
    KEY_EXPIRED = "key_expired"
    WRONG_ENVIRONMENT = "wrong_environment"
    """The key is not known there: it is wrong, or belongs to another environment (live, demo, testnet)."""
    WRONG_SECRET = "wrong_secret"
    KEY_RIGHTS = "key_rights"
    KEY_ADDRESS = "key_address"
    CLOCK = "clock"
    MARKET_SET_BACK = "market_set_back"
    RATE_LIMIT = "rate_limit"
    UNREACHABLE = "unreachable"
    UNREADABLE = "unreadable"
    REFUSED = "refused"
    LEDGER = "ledger"
    OTHER = "other"

    @property
    def needs_a_person(self) -> bool:
        """Whether waiting does not help."""
        return self not in (Cause.RATE_LIMIT, Cause.UNREACHABLE, Cause.LEDGER)


# https://bybit-exchange.github.io/docs/v5/error. 10003 is told for a key of another environment as well
# (https://github.com/bybit-exchange/pybit/issues/203).
_CAUSES = {
    33004: Cause.KEY_EXPIRED,
    10003: Cause.WRONG_ENVIRONMENT,
    10032: Cause.WRONG_ENVIRONMENT,
    10004: Cause.WRONG_SECRET,
    10007: Cause.WRONG_SECRET,
    401: Cause.WRONG_SECRET,
    10005: Cause.KEY_RIGHTS,
    10010: Cause.KEY_ADDRESS,
    _CLOCK_CODE: Cause.CLOCK,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed, and what a person can do about it. `raw` is the message that could not be read, "" where
    that was not the reason."""

    cause: Cause
    text: str
    raw: str = ""


def failure_of(error: AlphaError, client: ExchangeClient) -> Failure:
    """The failure behind an error. For a refused timestamp the exchange is asked for its time, which needs no key."""
    cause = _cause(error)
    environment, account = client.endpoints.environment, client.account
    match cause:
        case Cause.KEY_EXPIRED:
            text = f"the API key of {account} has expired: make a new one and put it into the environment ({error})"
        case Cause.WRONG_ENVIRONMENT:
            text = (
                f"the API key of {account} is not known at {environment} ({client.endpoints.rest_url}): it is wrong, "
                f"or of another environment; check ALPHA_MODE, the account's mode in bots.yaml and the key ({error})"
            )
        case Cause.CLOCK:
            text = f"{_clock_words(client)}: set this machine's clock ({error})"
        case _:
            text = str(error)
    return Failure(cause, text, raw=str(error.raw) if isinstance(error, UnknownMessage) else "")


def _cause(error: AlphaError) -> Cause:
    if isinstance(error, MarketSetBack):
        return Cause.MARKET_SET_BACK
    if isinstance(error, ExchangeRateLimited):
        return Cause.RATE_LIMIT
    if isinstance(error, ExchangeRefused) and error.code in _CAUSES:
        return _CAUSES[error.code]
    if isinstance(error, ExchangeRefused | ExchangeAuthError):
        return Cause.REFUSED
    if isinstance(error, ExchangeUnreachable | ExchangeUnknown):
        return Cause.UNREACHABLE
    if isinstance(error, UnknownMessage):
        return Cause.UNREADABLE
    if isinstance(error, LedgerError):
        return Cause.LEDGER
    return Cause.OTHER


def _clock_words(client: ExchangeClient) -> str:
    try:
        theirs = client.server_time()
    except ExchangeError:
        return "the exchange refuses our timestamps"
    ahead_s = (datetime.now(UTC) - theirs).total_seconds()
    if abs(ahead_s) < _SKEW_WORTH_SAYING_S:
        return "the exchange refuses our timestamps although both clocks agree now"
    return f"this machine's clock is {abs(ahead_s):.1f} s {'ahead of' if ahead_s > 0 else 'behind'} the exchange's"
