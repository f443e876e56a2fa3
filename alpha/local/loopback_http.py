"""Asking our own processes over HTTP on this machine."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

# The addresses are on this machine; a proxy of the environment has no business in between.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def status_of(url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> int | None:
    """The HTTP status of the answer, None when nothing answers."""
    request = urllib.request.Request(url, method=method, headers=dict(headers or {}))
    try:
        with _open(request, timeout=1.0) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return None


def json_of(url: str) -> dict[str, Any] | None:
    """The JSON object of the answer, whatever its status; None when nothing answers or it is none."""
    try:
        with _open(url, timeout=1.0) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            body = error.read()
    except OSError:
        return None
    try:
        content = json.loads(body)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None
