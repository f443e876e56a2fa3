"""What can go wrong between us and an exchange, told apart by what is known afterwards.

refused      the exchange answered no: nothing was done
unknown      the request went out and no answer tells what became of it: ask, never guess
unreachable  nothing was sent: trying again is safe
"""

from __future__ import annotations

from typing import Any

from alpha.domain.errors import AlphaError, Unreachable

RATE_LIMIT_CODE = 10006
_ADDRESS_LIMIT_STATUS = 403


class ExchangeError(AlphaError):
    """Root of the errors of an exchange. `operation` names the call, for example `POST /v5/order/create`."""

    def __init__(self, message: str, *, operation: str) -> None:
        super().__init__(message)
        self.operation = operation


class ExchangeRefused(ExchangeError):
    """The exchange said no. `code` and `text` are its own (retCode and retMsg, or the HTTP status)."""

    def __init__(self, message: str, *, operation: str, code: int, text: str) -> None:
        super().__init__(message, operation=operation)
        self.code = code
        self.text = text

    @property
    def is_duplicate_order(self) -> bool:
        """The orderLinkId is taken: the order we meant to place is already there."""
        return self.code in (110072, 170141)

    @property
    def is_order_gone(self) -> bool:
        """There is nothing left to cancel or amend: the order is filled, cancelled or was never there."""
        return self.code in (110001, 110008, 110010, 170213, 170139, 170142)

    @property
    def is_nothing_to_reduce(self) -> bool:
        """An order that may only reduce finds no position, or less than it could be rounded to."""
        return self.code == 110017


class ExchangeAuthError(ExchangeRefused):
    """The key is wrong, expired, bound to another address or lacks a right. Names account and environment."""

    def __init__(self, message: str, *, operation: str, code: int, text: str, account: str, environment: str) -> None:
        super().__init__(message, operation=operation, code=code, text=text)
        self.account = account
        self.environment = environment


class ExchangeRateLimited(ExchangeRefused):
    """Too many requests; nothing was done. `retry_after_s` is how long the exchange asks us to wait."""

    def __init__(self, message: str, *, operation: str, code: int, text: str, retry_after_s: float) -> None:
        super().__init__(message, operation=operation, code=code, text=text)
        self.retry_after_s = retry_after_s

    @property
    def is_of_address(self) -> bool:
        """Everything this machine sends is refused, not one path only."""
        return self.code == _ADDRESS_LIMIT_STATUS


class ExchangeUnknown(ExchangeError, Unreachable):
    """The outcome is not known: a time-out or a lost connection after sending, or the exchange's own time-out.

    `code` is the retCode or HTTP status where there was an answer at all.
    """

    def __init__(self, message: str, *, operation: str, code: int | None = None) -> None:
        super().__init__(message, operation=operation)
        self.code = code


class ExchangeUnreachable(ExchangeError, Unreachable):
    """Nothing was sent: connection refused, name not found, no route, TLS handshake failed."""


class UnknownMessage(ExchangeError):
    """A message that cannot be read. `raw` is what came, verbatim, and must be kept; `reason` says what is wrong."""

    def __init__(self, reason: str, raw: Any) -> None:
        super().__init__(f"cannot read the exchange's message: {reason}", operation="parse")
        self.reason = reason
        self.raw = raw
