"""Real servers for tests: PostgreSQL, Valkey and the paper exchange. Each pytest worker has its own."""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.support import Database

# Imported where they are used, so that tests of pure code do not wait for drivers.
if TYPE_CHECKING:
    from alpha.live.connection import RedisAddress
    from alpha.local.postgres import EmbeddedPostgres
    from alpha.local.valkey import EmbeddedValkey
    from tests.exchange_process import ExchangeProcess

# The laws are tried on fewer examples than by default, for the suite to stay fast; HYPOTHESIS_PROFILE=thorough tries
# more.
settings.register_profile("fast", max_examples=40, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

GROUPS = ("ledger_writer", "sync_writer", "bot", "reader", "commander", "backup")
TEMPLATE = "template_migrated"

# Folders whose modules start processes or wait for clocks; `make test-fast` leaves them out.
SLOW_FOLDERS = (
    "chaos",
    "integration/bot_control",
    "integration/client",
    "integration/commanding",
    "integration/exchange",
    "integration/listener",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what lies in a slow folder as slow."""
    here = Path(__file__).parent
    slow = tuple(here / folder for folder in SLOW_FOLDERS)
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in slow):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def server_home() -> Iterator[Path]:
    """A directory for the servers of this worker, outside pytest's own, which other users cannot enter."""
    home = Path(tempfile.mkdtemp(prefix="alpha-tests-"))
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(server_home: Path) -> Iterator[EmbeddedPostgres]:
    """An embedded PostgreSQL 16, the oldest version that we support, without waiting for the disk."""
    from alpha.local.postgres import EmbeddedPostgres

    server = EmbeddedPostgres(server_home, major=16, durable=False)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def migrated_template(postgres_server: EmbeddedPostgres) -> Database:
    """A migrated database that nobody connects to, from which each test's own is copied, and the logins."""
    from alpha.ledger.connection import connect
    from database.migrate import migrate
    from database.roles import ensure_login

    postgres_server.create_database(TEMPLATE)
    owner = postgres_server.dsn(dbname=TEMPLATE)
    migrate(owner)
    template = Database(owner)
    connection = connect(owner, "tests")
    try:
        for group in GROUPS:
            login, password = f"test_{group}", secrets.token_urlsafe(12)
            ensure_login(connection, login, password, group)
            template.passwords[group] = (login, password)
    finally:
        connection.close()
    return template


_numbers = itertools.count(1)


@pytest.fixture
def database(postgres_server: EmbeddedPostgres, migrated_template: Database) -> Iterator[Database]:
    """A migrated database of the test's own."""
    with own_database(postgres_server, migrated_template) as own:
        yield own


@contextmanager
def own_database(server: EmbeddedPostgres, template: Database) -> Iterator[Database]:
    """A copy of the template, for fixtures of a wider scope too."""
    name = f"test_{next(_numbers)}"
    _administer(server, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    yield Database(server.dsn(dbname=name), dict(template.passwords))
    if server.running:
        _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


def _administer(server: EmbeddedPostgres, statement: str) -> None:
    """A statement that runs in no transaction. Over a connection: a program for each would cost a minute in all."""
    from contextlib import closing

    from alpha.ledger.connection import connect

    with closing(connect(server.dsn(dbname="postgres"), "tests")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)


@pytest.fixture(scope="session")
def valkey_server(server_home: Path) -> Iterator[EmbeddedValkey]:
    """An embedded Valkey."""
    from alpha.local.valkey import EmbeddedValkey

    server = EmbeddedValkey(server_home)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def redis_address(valkey_server: EmbeddedValkey) -> RedisAddress:
    """The address of an empty Valkey."""
    from alpha.live.connection import open_redis

    address = valkey_server.address()
    with open_redis(address, 0) as client:
        client.flushall()
    return address


@pytest.fixture(autouse=True)
def _every_message_has_its_fields() -> Iterator[None]:
    """Fails a test whose exchange sent a field that is missing, of another type, or not Bybit's."""
    yield
    exchanges = sys.modules.get("tests.exchange_process")
    if exchanges is not None:
        problems = exchanges.new_field_problems()
        assert not problems, "not as the field table says:\n" + "\n".join(problems)


@pytest.fixture
def paper_exchange(tmp_path: Path) -> Iterator[ExchangeProcess]:
    """The paper exchange as a process of its own, with two accounts on a synthetic market."""
    from tests.exchange_process import ExchangeProcess

    with ExchangeProcess(tmp_path) as exchange:
        yield exchange
