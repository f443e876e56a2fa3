"""What a route is: a method, a path, who may call it, and the function that answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paper_exchange.accounts import ExchangeAccount
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.params import Params

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The answer of a batch: what is in `result.list`, and `[{"code", "msg"}, ...]` in the same order."""

    rows: list[dict[str, Any]]
    outcomes: list[dict[str, Any]]


PublicHandler = Callable[[Exchange, Params], Result]
PrivateHandler = Callable[[Exchange, ExchangeAccount, Params], Result | BatchResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicRoute:
    """Answers anybody. The handler gives the `result` of the envelope and raises Refused."""

    path: str
    handler: PublicHandler
    method: str = "GET"
    message: str = "OK"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateRoute:
    """Answers the account whose key signed the request. `message` is the retMsg of success.

    `items` is the parameter whose entries the rate limit counts one by one; "" when a request counts as one.
    """

    path: str
    handler: PrivateHandler
    method: str = "GET"
    message: str = "OK"
    items: str = ""


Route = PublicRoute | PrivateRoute
