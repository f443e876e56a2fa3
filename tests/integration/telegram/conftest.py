from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alpha.ledger.connection import Connection, connect
from alpha.live.connection import RedisAddress
from telegram_manager.command import Command
from telegram_manager.command_table import COMMANDS
from telegram_manager.notifier.delivering import Pace
from tests.bot_api import Account, BotApi, Person
from tests.integration.telegram.centre import QUICK, Centre
from tests.support import Database

ALICE, BOB, VERA, CAROL, MALLORY, GROUP = 1001, 1002, 1003, 1004, 6666, -5


@pytest.fixture(scope="module")
def api() -> Iterator[BotApi]:
    with BotApi() as server:
        yield server


@pytest.fixture
def bot(api: BotApi) -> Account:
    api.comes_back()
    return api.bot()


@pytest.fixture
def alice(api: BotApi) -> Person:
    """An admin."""
    return api.person(ALICE, "Alice")


@pytest.fixture
def centre_of(
    api: BotApi, bot: Account, database: Database, redis_address: RedisAddress, tmp_path: Path
) -> Callable[..., Centre]:
    """Makes command centres of this test's own, to be entered: `with centre_of(C2_TELEGRAM_GROUP_IDS="-5"): ...`."""

    def make(commands: tuple[Command, ...] = (), *, pace: Pace = QUICK, **environ: str) -> Centre:
        people = {"C2_TELEGRAM_ADMIN_IDS": f"{ALICE},{BOB}:operator,{VERA}:viewer"}
        return Centre(
            api,
            bot,
            database.dsn("commander"),
            redis_address,
            tmp_path,
            environ={**people, **environ},
            pace=pace,
            commands=COMMANDS + commands,
        )

    return make


@pytest.fixture
def ledger(database: Database) -> Iterator[Connection]:
    connection = connect(database.owner, "tests")
    yield connection
    connection.close()
