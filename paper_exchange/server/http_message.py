"""A request as the front has read it, and the answer that it is to write."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Request(msgspec.Struct, kw_only=True, gc=False):
    """One HTTP request, whole.

    `target` is what stood in its first line; `path` and `query` are the parts of it, the path decoded, the query as it
    was sent, without "?". The names of `headers` are lower case; of a repeated one the first counts. `peer` is the
    address of the client. `asks_for_socket` says that it wants to become a WebSocket. `limit_headers` go out with the
    answer, whatever that is.
    """

    method: str
    target: bytes
    path: str
    query: bytes
    headers: Mapping[str, str]
    body: bytes
    peer: str
    keeps_alive: bool
    asks_for_socket: bool
    limit_headers: Mapping[str, str] = {}


class Answer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is answered: `late_s` seconds after the request, and as the last of its connection when it `closes`."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = {}
    late_s: float = 0.0
    closes: bool = False
