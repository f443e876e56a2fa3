"""What a bot with `symbols: all` trades, asked of an exchange."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from pydantic import SecretStr

from alpha.config.registry import Registry, load_registry
from alpha.config.settings import Settings
from alpha.domain.ids import AccountName, Symbol
from alpha.exchange.endpoints import paper_endpoints
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.connection import connect
from alpha.ledger.registry import AccountKind, RegisteredAccount, RegisteredBot, sync_registry
from alpha.live.connection import RedisAddress
from alpha.service import listed_symbols
from alpha.service.causes import Cause, cause_of
from alpha.service.listed_symbols import (
    ListingWatch,
    known_when_answered,
    listed,
    listed_or_recorded,
    listed_when_answered,
)
from alpha.service.shutdown import StopSignal
from paper_exchange.market.instruments import load_listings
from tests.exchange_process import PROJECT_ROOT, ExchangeProcess
from tests.support import Database, eventually, free_port

pytestmark = pytest.mark.slow

BTC, ETH, OLD = Symbol("BTCUSDT"), Symbol("ETHUSDT"), Symbol("OLDUSDT")
LISTED = tuple(sorted(load_listings()))


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange that lists its whole table."""
    process = ExchangeProcess(tmp_path_factory.mktemp("listing"), symbols=LISTED)
    process.start()
    yield process
    process.stop()


def registry_at(folder: Path, port: int, symbols: str = "all") -> Registry:
    url, stream = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}/v5"
    path = folder / "bots.yaml"
    path.write_text(
        f"""
accounts:
  whole: {{key_env: A_KEY, secret_env: A_SECRET, rest_url: "{url}", private_url: "{stream}/private",
          public_url: "{stream}/public/linear"}}
bots:
  - {{id: whole_001, code: wh, account: whole, strategy: "strategies.lxalgo:LXAlgo", redis_db: 3, symbols: {symbols}}}
"""
    )
    return load_registry(path)


def test_the_exchange_says_what_there_is(everything: ExchangeProcess, tmp_path: Path) -> None:
    found = listed(Settings(), registry_at(tmp_path, everything.port))
    assert found.bot("whole_001").symbols == LISTED
    named = registry_at(tmp_path, everything.port, "[BTCUSDT]")
    assert listed(Settings(), named) is named


def test_many_symbols_are_asked_for_together_and_few_one_by_one(everything: ExchangeProcess) -> None:
    where = paper_endpoints(everything.rest_url)
    with closing(ExchangeClient(AccountName("market"), where)) as client:
        many = client.instruments(map(Symbol, LISTED))
        assert many == {symbol: client.instruments([symbol])[symbol] for symbol in many}
        assert many == {symbol: listing.instrument for symbol, listing in load_listings().items()}


def test_a_process_begins_anew_when_a_symbol_is_listed_that_it_does_not_know(
    everything: ExchangeProcess, tmp_path: Path
) -> None:
    registry = registry_at(tmp_path, everything.port)
    stop = StopSignal()
    ListingWatch(Settings(), registry.listing(map(Symbol, LISTED)), stop).look()
    # One that is listed no more changes nothing.
    ListingWatch(Settings(), registry.listing([*map(Symbol, LISTED), OLD]), stop).look()
    assert not stop.is_set()
    ListingWatch(Settings(), registry.listing(map(Symbol, LISTED[1:])), stop).look()
    assert stop.is_set()


@pytest.fixture
def not_back_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ExchangeProcess]:
    """An exchange of two symbols that is not started. It is asked again at once."""
    monkeypatch.setattr(listed_symbols, "_AGAIN_AFTER_S", 0.05)
    monkeypatch.setattr(listed_symbols, "_AGAIN_AT_MOST_S", 0.2)
    process = ExchangeProcess(tmp_path / "exchange", symbols=(BTC, ETH))
    yield process
    with suppress(AssertionError):
        process.stop()


def test_after_everything_was_killed_at_once_a_listener_begins_when_it_is_known_what_the_bots_trade(
    not_back_yet: ExchangeProcess, database: Database, tmp_path: Path
) -> None:
    # given neither the exchange nor the ledger
    settings = settings_of(database).model_copy(update={"postgres_port": free_port()})
    registry, stop, port = registry_at(tmp_path, not_back_yet.port), StopSignal(), free_port()
    with ThreadPoolExecutor() as pool:
        begun = pool.submit(known_when_answered, settings, registry, stop, port=port)
        said = eventually(lambda: health_of(port), what="/healthz of a process that waits")
        assert (said["ok"], said["state"]) == (False, "waiting_for_listing")
        assert cause_of(said["trouble"]) is Cause.LEDGER_AWAY
        assert not begun.done()
        not_back_yet.start()
        assert begun.result(60).bot("whole_001").symbols == (BTC, ETH)
    # The port is free again for what the process says of itself once it runs.
    assert health_of(port) == {}


def test_a_process_that_began_without_an_answer_asks_until_it_has_one_and_begins_anew(
    not_back_yet: ExchangeProcess, database: Database, tmp_path: Path
) -> None:
    # given an exchange that is away, and a ledger that has never seen the bot
    stop, settings = StopSignal(), settings_of(database)
    registry = known_when_answered(settings, registry_at(tmp_path, not_back_yet.port), stop)
    assert registry.unlisted == ("whole_001",)
    ListingWatch(settings, registry, stop).start()
    not_back_yet.start()
    assert stop.wait(60)


def test_a_process_ends_only_when_it_may(
    everything: ExchangeProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed_symbols, "_ASKED_TO_END_EVERY_S", 0.0)
    registry, stop = registry_at(tmp_path, everything.port), StopSignal()
    answers, before = [True, False, False], []

    def may_end() -> bool:
        before.append(stop.is_set())
        return answers.pop()

    watch = ListingWatch(Settings(), registry.listing(map(Symbol, LISTED[1:])), stop, may_end=may_end)
    watch.look()
    assert (stop.is_set(), before) == (True, [False] * 3)


@pytest.mark.parametrize("module", ["alpha.metrics.exporter", "telegram_manager"])
def test_exporter_and_command_centre_begin_anew_too(
    not_back_yet: ExchangeProcess, database: Database, redis_address: RedisAddress, tmp_path: Path, module: str
) -> None:
    # given processes that began while nobody could say what is traded
    registry_at(tmp_path, not_back_yet.port)
    postgres, port = database.dsn("commander"), free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "ALPHA_HOME": str(tmp_path / "home"),
        "ALPHA_BOTS_FILE": str(tmp_path / "bots.yaml"),
        **{f"A_{part}": f"{part.lower()}-0123456789" for part in ("KEY", "SECRET")},
        "POSTGRES_HOST": postgres.host,
        "POSTGRES_PORT": str(postgres.port),
        "POSTGRES_DB": postgres.dbname,
        "POSTGRES_USER": postgres.user,
        "POSTGRES_PASSWORD": postgres.password,
        "REDIS_HOST": redis_address.host,
        "REDIS_PORT": str(redis_address.port),
        "REDIS_PASSWORD": redis_address.password,
        "EXPORTER_PORT": str(port),
        "TELEGRAM_PORT": str(port),
    }
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", module], env=environment, cwd=PROJECT_ROOT, stdout=out, stderr=out
        )
    try:
        eventually(lambda: health_of(port).get("ok"), 60, "a process at work")
        # when the exchange is there and lists two
        not_back_yet.start()
        assert process.wait(60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
    assert "symbols_listed" in log.read_text()


def test_while_the_exchange_is_away_the_ledger_says_what_was_traded(database: Database, tmp_path: Path) -> None:
    registry = registry_at(tmp_path, free_port())
    account = AccountName("whole")
    with closing(connect(database.dsn("ledger_writer"), "tests")) as ledger:
        sync_registry(
            ledger,
            [RegisteredAccount(account=account, kind=AccountKind.PAPER)],
            [
                RegisteredBot(
                    bot=registry.bot("whole_001").id,
                    code="wh",
                    account=account,
                    strategy="s:S",
                    symbols=[ETH, BTC],
                    redis_db=3,
                )
            ],
        )
    settings = settings_of(database)
    assert listed_or_recorded(settings, registry).bot("whole_001").symbols == (BTC, ETH)
    # Whoever cannot do without waits, and ends when it is told to.
    stop = StopSignal()
    stop.set()
    assert listed_when_answered(settings, registry, stop) is registry


def test_a_listener_that_does_not_know_what_a_bot_trades_does_not_forget_what_it_traded(
    database: Database, tmp_path: Path
) -> None:
    registry = registry_at(tmp_path, free_port())
    with closing(connect(database.dsn("ledger_writer"), "tests")) as ledger:
        for known in (registry.listing([BTC, ETH]), registry):
            sync_registry(
                ledger,
                [RegisteredAccount(account=AccountName("whole"), kind=AccountKind.PAPER)],
                [
                    RegisteredBot(
                        bot=bot.id,
                        code=bot.code,
                        account=bot.account,
                        strategy=bot.strategy,
                        symbols=bot.symbols,
                        redis_db=bot.redis_db,
                    )
                    for bot in known.bots.values()
                ],
            )
    assert listed_or_recorded(settings_of(database), registry).bot("whole_001").symbols == (BTC, ETH)


def health_of(port: int) -> dict[str, Any]:
    """What /healthz answers; nothing when nobody does."""
    try:
        return dict(requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).json())
    except requests.ConnectionError:
        return {}


def settings_of(database: Database) -> Settings:
    dsn = database.dsn("reader")
    return Settings(
        postgres_host=dsn.host,
        postgres_port=dsn.port,
        postgres_db=dsn.dbname,
        postgres_user=dsn.user,
        postgres_password=SecretStr(dsn.password),
    )
