"""docs/paper-exchange.md and paper_exchange/README.md say what the server does: routes, topics, administration."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from paper_exchange import pointing
from paper_exchange.fields import load_fields
from paper_exchange.server import private_stream, public_stream, trade_stream
from paper_exchange.server.admin import Admin
from paper_exchange.server.admin_clock import AdminClock
from paper_exchange.server.rest import ROUTES

_ROOT = Path(__file__).parents[3]
PAGE = (_ROOT / "docs" / "paper-exchange.md").read_text(encoding="utf-8")
README = (_ROOT / "paper_exchange" / "README.md").read_text(encoding="utf-8")
_ENDPOINT = re.compile(r"^\| `(GET|POST) (/v5/\S+)` \| yes \|", re.MULTILINE)
_TOPIC = re.compile(r"^\| `(/v5/\S+)` \| `(\S+)` \| yes \|", re.MULTILINE)
_ADMIN = re.compile(r"^\| `(GET|POST|DELETE) (/admin/\S+)`", re.MULTILINE)

SOCKETS = {
    "/v5/public/linear": public_stream.TOPICS,
    "/v5/private": private_stream.TOPICS,
    "/v5/trade": tuple(trade_stream.OPERATIONS),
}


def test_the_endpoints_of_the_page_are_the_routes_of_the_server() -> None:
    routes = [(route.method, route.path) for route in ROUTES]
    assert sorted(_ENDPOINT.findall(PAGE)) == sorted(routes)


def test_the_topics_of_the_page_are_those_of_the_sockets() -> None:
    topics = [(path, topic) for path, topics in SOCKETS.items() for topic in topics]
    assert sorted(_TOPIC.findall(PAGE)) == sorted(topics)


def test_every_route_and_topic_has_its_fields() -> None:
    table = load_fields()
    assert {(route.method, route.path) for route in ROUTES} == table.answers
    for path in ("/v5/public/linear", "/v5/private"):
        assert all(table.knows_topic(path, topic) for topic in SOCKETS[path])


def test_clients_are_pointed_as_the_help_says() -> None:
    for text in (pointing.PYBIT, pointing.CCXT, pointing.ANYTHING_ELSE):
        assert text.strip() in PAGE


def test_the_readme_names_what_the_administration_does() -> None:
    # No request is made, so what the administration would act on may be missing.
    nothing: Any = None
    clock = AdminClock(nothing, nothing, nothing, nothing, is_live=False)
    app = Admin(nothing, nothing, nothing, nothing, clock, nothing, token="").app()
    routes = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource is not None}
    assert set(_ADMIN.findall(README)) == {(method, path) for method, path in routes if method != "HEAD"}
