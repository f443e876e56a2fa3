"""What a fault is: its kind, its window, whom it meets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique

from alpha.domain.ids import AccountName


@unique
class FaultKind(StrEnum):
    """Everything that can be done to a client. The kinds table of paper_exchange/README.md says what each does."""

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


SOCKET_KINDS = frozenset({FaultKind.DROP, FaultKind.FREEZE, FaultKind.HALF_CLOSE, FaultKind.DEAF})
"""Those that take a socket away from its client, in whole or in part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of a script. Seconds are wall seconds; `from_s` counts from the moment the script was armed.

    `account` None means all accounts, empty `paths` and `topics` all of them. `probability` is that of one socket,
    message, request or execution within the window. `by_s`, `answer`, `took_effect`, `limit` and `ip_limit` belong to
    some kinds only and are None elsewhere.
    """

    kind: FaultKind
    from_s: float
    for_s: float
    account: AccountName | None = None
    probability: float = 1.0
    by_s: float | None = None
    answer: str | None = None
    took_effect: bool | None = None
    paths: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    limit: int | None = None
    ip_limit: int | None = None

    def meets(self, account: AccountName | None) -> bool:
        """Whether it may happen to this account; None for a request or socket that is nobody's yet."""
        return self.account is None or self.account == account
