"""What can go wrong in a drill, by the name that plan, report and tests use."""

from __future__ import annotations

from enum import Enum, StrEnum, auto, unique


@unique
class Lane(Enum):
    """Faults of one lane happen one after the other, those of different lanes at the same time."""

    EXCHANGE = auto()
    NETWORK = auto()
    PROCESSES = auto()


@unique
class Kind(StrEnum):
    """A kind of fault. The first two groups bear the names that the paper exchange gives them."""

    DROP = "drop"
    FREEZE = "freeze"
    HALF_CLOSE = "half_close"
    DEAF = "deaf"
    DELAY = "delay"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    WITHHOLD = "withhold"

    REST_LATE = "rest_late"
    REST_EMPTY = "rest_empty"
    REST_ERROR = "rest_error"
    REST_CUT_BEFORE = "rest_cut_before"
    REST_CUT_AFTER = "rest_cut_after"
    REST_CUT_LAST_PAGE = "rest_cut_last_page"
    REST_LAG = "rest_lag"
    RATE_LIMIT = "rate_limit"
    CLOCK_SKEW = "clock_skew"
    MAINTENANCE = "maintenance"

    KILL_LEADER = "kill_leader"
    KILL_STANDBY = "kill_standby"
    KILL_LISTENERS = "kill_listeners"
    STOP_LEADER = "stop_leader"
    STOP_STANDBY = "stop_standby"
    KILL_EVERYTHING = "kill_everything"

    POSTGRES_RESTART = "postgres_restart"
    POSTGRES_CRASH = "postgres_crash"
    POSTGRES_SESSIONS = "postgres_sessions"
    REDIS_FLUSH = "redis_flush"
    REDIS_RESTART = "redis_restart"

    POSTGRES_CUT = "postgres_cut"
    POSTGRES_SILENT = "postgres_silent"
    REDIS_CUT = "redis_cut"
    REDIS_SILENT = "redis_silent"
    EXCHANGE_CUT = "exchange_cut"
    EXCHANGE_SILENT = "exchange_silent"

    @property
    def lane(self) -> Lane:
        """The paper exchange does those of its lane itself, on request; processes are the servers' and ours."""
        if self in STREAM_KINDS or self in REST_KINDS:
            return Lane.EXCHANGE
        return Lane.NETWORK if self in NETWORK_KINDS else Lane.PROCESSES

    @property
    def meaning(self) -> str:
        """What is done, for a person."""
        return _MEANINGS[self]

    @property
    def hits(self) -> str:
        """The unit in which is counted what it hit."""
        if self in (Kind.RATE_LIMIT, Kind.CLOCK_SKEW):
            return "refused requests"
        if self in STREAM_KINDS:
            return "private messages"
        if self in REST_KINDS:
            return "requests"
        return {Kind.REDIS_FLUSH: "keys", Kind.POSTGRES_SESSIONS: "sessions"}.get(self, "fills meanwhile")


STREAM_KINDS = frozenset(
    {
        Kind.DROP,
        Kind.FREEZE,
        Kind.HALF_CLOSE,
        Kind.DEAF,
        Kind.DELAY,
        Kind.DUPLICATE,
        Kind.REORDER,
        Kind.WITHHOLD,
    }
)
REST_KINDS = frozenset(
    {
        Kind.REST_LATE,
        Kind.REST_EMPTY,
        Kind.REST_ERROR,
        Kind.REST_CUT_BEFORE,
        Kind.REST_CUT_AFTER,
        Kind.REST_CUT_LAST_PAGE,
        Kind.REST_LAG,
        Kind.RATE_LIMIT,
        Kind.CLOCK_SKEW,
        Kind.MAINTENANCE,
    }
)
NETWORK_KINDS = frozenset(
    {
        Kind.POSTGRES_CUT,
        Kind.POSTGRES_SILENT,
        Kind.REDIS_CUT,
        Kind.REDIS_SILENT,
        Kind.EXCHANGE_CUT,
        Kind.EXCHANGE_SILENT,
    }
)

_MEANINGS = {
    Kind.DROP: "private sockets aborted",
    Kind.FREEZE: "private sockets silent, then aborted",
    Kind.HALF_CLOSE: "private sockets closed on one side",
    Kind.DEAF: "subscriptions forgotten",
    Kind.DELAY: "private messages late",
    Kind.DUPLICATE: "private messages twice",
    Kind.REORDER: "private messages out of order",
    Kind.WITHHOLD: "private messages never sent",
    Kind.REST_LATE: "REST answers late",
    Kind.REST_EMPTY: "REST lists empty",
    Kind.REST_ERROR: "REST answers with errors",
    Kind.REST_CUT_BEFORE: "REST cut before it took effect",
    Kind.REST_CUT_AFTER: "REST cut after it took effect",
    Kind.REST_CUT_LAST_PAGE: "REST cut before the last page",
    Kind.REST_LAG: "executions late in REST",
    Kind.RATE_LIMIT: "rate limits enforced",
    Kind.CLOCK_SKEW: "the exchange's clock off",
    Kind.MAINTENANCE: "exchange in maintenance",
    Kind.KILL_LEADER: "kill -9 of the listener that writes",
    Kind.KILL_STANDBY: "kill -9 of the listener that stands by",
    Kind.KILL_LISTENERS: "kill -9 of both listeners",
    Kind.STOP_LEADER: "SIGSTOP of the listener that writes, then SIGCONT",
    Kind.STOP_STANDBY: "SIGSTOP of the listener that stands by, then SIGCONT",
    Kind.KILL_EVERYTHING: "kill -9 of everything at once",
    Kind.POSTGRES_RESTART: "PostgreSQL restarted (fast)",
    Kind.POSTGRES_CRASH: "PostgreSQL restarted (immediate)",
    Kind.POSTGRES_SESSIONS: "sessions of PostgreSQL ended",
    Kind.REDIS_FLUSH: "Redis flushed",
    Kind.REDIS_RESTART: "Redis killed and restarted empty",
    Kind.POSTGRES_CUT: "network to PostgreSQL cut",
    Kind.POSTGRES_SILENT: "network to PostgreSQL silent, then delivered",
    Kind.REDIS_CUT: "network to Redis cut",
    Kind.REDIS_SILENT: "network to Redis silent, then delivered",
    Kind.EXCHANGE_CUT: "network to the exchange cut",
    Kind.EXCHANGE_SILENT: "network to the exchange silent, then delivered",
}
