"""The one place that turns an error into a named cause and into what a person does about it.

Errors come from five libraries and, over status and logs, as their texts; so a cause is found by code where there is
one and by the words of the server or the system otherwise.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from enum import StrEnum, unique

from alpha.exchange.errors import ExchangeAuthError, ExchangeRateLimited, ExchangeRefused, ExchangeUnreachable
from alpha.ledger.connection import LedgerUnavailable


@unique
class Cause(StrEnum):
    """Why something works less well than it should. Constant names: alerts, logs and tests go by them."""

    NAME_UNRESOLVED = "name_unresolved"
    DISK_FULL = "disk_full"
    LEDGER_READ_ONLY = "ledger_read_only"
    LEDGER_CONNECTIONS = "ledger_connections"
    LEDGER_SLOW = "ledger_slow"
    LEDGER_AWAY = "ledger_away"
    REDIS_FULL = "redis_full"
    REDIS_READ_ONLY = "redis_read_only"
    REDIS_DISK = "redis_disk"
    REDIS_LOADING = "redis_loading"
    REDIS_AWAY = "redis_away"
    CLOCK_STEPPED = "clock_stepped"
    RATE_LIMITED = "rate_limited"
    KEY_REFUSED = "key_refused"
    EXCHANGE_MAINTENANCE = "exchange_maintenance"
    EXCHANGE_AWAY = "exchange_away"
    UNKNOWN = "unknown"

    @property
    def advice(self) -> str:
        """What a person does next. All of these heal by themselves once their cause is gone."""
        return _ADVICE[self]


_ADVICE = {
    Cause.NAME_UNRESOLVED: "A host name does not resolve: check this machine's DNS and the name in the configuration.",
    Cause.DISK_FULL: "PostgreSQL's disk is full: free or add space. Fills wait in the listener and are recovered.",
    Cause.LEDGER_READ_ONLY: "PostgreSQL takes no writes: end the failover, or default_transaction_read_only.",
    Cause.LEDGER_CONNECTIONS: "PostgreSQL has no connection left: raise max_connections, or end what holds them.",
    Cause.LEDGER_SLOW: "PostgreSQL does not get done in time: look for locks (pg_locks) and a slow disk. Fills wait.",
    Cause.LEDGER_AWAY: "PostgreSQL does not answer: start it, or look at its log. Fills wait and are recovered.",
    Cause.REDIS_FULL: "Redis is out of memory: raise maxmemory, or look for what fills it. The ledger goes on.",
    Cause.REDIS_READ_ONLY: "Redis is a read-only replica: point the platform at the primary, or promote this one.",
    Cause.REDIS_DISK: "Redis cannot save to its disk and refuses writes: free space there.",
    Cause.REDIS_LOADING: "Redis is loading its data: wait.",
    Cause.REDIS_AWAY: "Redis does not answer: start it, or look at its log. The ledger goes on.",
    Cause.CLOCK_STEPPED: "This machine's clock is not the exchange's: run NTP (chronyc makestep) and check again.",
    Cause.RATE_LIMITED: "The exchange limits our requests: wait, and look for another program on this address or key.",
    Cause.KEY_REFUSED: "The exchange refuses the key: check the key, its rights, its addresses and the environment.",
    Cause.EXCHANGE_MAINTENANCE: "The exchange is in maintenance: wait; see its status page.",
    Cause.EXCHANGE_AWAY: "The exchange cannot be reached: check this machine's network and the exchange's status page.",
    Cause.UNKNOWN: "See the log of the service.",
}

# https://www.postgresql.org/docs/16/errcodes-appendix.html
_BY_SQLSTATE = {
    "53100": Cause.DISK_FULL,
    "53300": Cause.LEDGER_CONNECTIONS,
    "25006": Cause.LEDGER_READ_ONLY,
    "57014": Cause.LEDGER_SLOW,
}
# https://bybit-exchange.github.io/docs/v5/error
_BY_CODE = {10002: Cause.CLOCK_STEPPED, 10016: Cause.EXCHANGE_MAINTENANCE, 503: Cause.EXCHANGE_MAINTENANCE}

# The words of the resolver (glibc, macOS, urllib3), of PostgreSQL, of Redis, and of Bybit. First match wins.
_BY_WORDS = tuple(
    (re.compile(pattern, re.IGNORECASE), cause)
    for pattern, cause in (
        (
            r"name or service not known|name resolution|could not translate host name|failed to resolve"
            r"|nodename nor servname|no address associated|gaierror",
            Cause.NAME_UNRESOLVED,
        ),
        (r"MISCONF", Cause.REDIS_DISK),
        (r"\bOOM\b|command not allowed when used memory", Cause.REDIS_FULL),
        (r"READONLY|against a read only replica", Cause.REDIS_READ_ONLY),
        (r"LOADING|loading the dataset", Cause.REDIS_LOADING),
        (r"no space left on device|disk full", Cause.DISK_FULL),
        (r"read-only transaction", Cause.LEDGER_READ_ONLY),
        (r"too many clients|remaining connection slots", Cause.LEDGER_CONNECTIONS),
        (r"canceling statement due to", Cause.LEDGER_SLOW),
        (r"machine's clock|\b10002\b|recv_window|timestamp|params error: expires|request expired", Cause.CLOCK_STEPPED),
        (r"\b10006\b|HTTP 403|too many (requests|visits)", Cause.RATE_LIMITED),
        (r"\b10016\b|HTTP 503|maintenance", Cause.EXCHANGE_MAINTENANCE),
        (r"PostgreSQL", Cause.LEDGER_AWAY),
        (r"redis|Error \d+ connecting to|connecting to \S+:6379", Cause.REDIS_AWAY),
        (r"exchange cannot be reached|no answer to|wss?://", Cause.EXCHANGE_AWAY),
    )
)


def cause_of(error: BaseException | str, otherwise: Cause = Cause.UNKNOWN) -> Cause:
    """What an error, or the text of one, comes from; `otherwise` when nothing in it says so."""
    if isinstance(error, str):
        return next((cause for pattern, cause in _BY_WORDS if pattern.search(error)), otherwise)
    found = [_by_type(each) or cause_of(str(each)) for each in _chain(error)]
    # The deepest is the nearest to the cause, but a server's own code, which comes first, is surer than any words.
    named = [cause for cause in found if cause is not Cause.UNKNOWN]
    return Cause.NAME_UNRESOLVED if Cause.NAME_UNRESOLVED in named else next(iter(named), otherwise)


def _by_type(error: BaseException) -> Cause | None:
    if isinstance(error, socket.gaierror):
        return Cause.NAME_UNRESOLVED
    if isinstance(error, LedgerUnavailable):
        return _BY_SQLSTATE.get(error.sqlstate)
    if isinstance(error, ExchangeAuthError):
        return Cause.KEY_REFUSED
    if isinstance(error, ExchangeRateLimited):
        return Cause.RATE_LIMITED
    code = getattr(error, "code", None) if isinstance(error, ExchangeRefused) else None
    if code is not None:
        return _BY_CODE.get(code)
    if isinstance(error, ExchangeUnreachable):
        words = cause_of(str(error))
        return words if words is Cause.NAME_UNRESOLVED else Cause.EXCHANGE_AWAY
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
