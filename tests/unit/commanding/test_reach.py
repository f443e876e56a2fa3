"""What a bot, an account or all of it means at the exchange."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpha.config.registry import Registry, load_registry
from alpha.domain.errors import InvalidValue
from alpha.domain.ids import AccountName, Symbol
from alpha.ledger.controls import PLATFORM, name_of
from telegram_manager.commanding.reach import NoSuchScope, Reach, bots_under, reaches, scope_of

BOTS_FILE = """
accounts:
  shared: {key_env: A_KEY, secret_env: A_SECRET, position_mode: hedge}
  own: {key_env: B_KEY, secret_env: B_SECRET}
  whole: {key_env: D_KEY, secret_env: D_SECRET}
  twin: {key_env: C_KEY, secret_env: C_SECRET}
bots:
  - {id: long_001, code: lo, account: shared, strategy: "a:B", redis_db: 3, symbols: [BTCUSDT],
     capital_usdt: 1, side: long}
  - {id: short_001, code: sh, account: shared, strategy: "a:B", redis_db: 4, symbols: [BTCUSDT, ETHUSDT],
     capital_usdt: 1, side: short}
  - {id: alone_001, code: al, account: own, strategy: "a:B", redis_db: 5, symbols: [BTCUSDT]}
  - {id: whole_001, code: wh, account: whole, strategy: "a:B", redis_db: 7, symbols: all}
  - {id: twin, code: tw, account: twin, strategy: "a:B", redis_db: 6, symbols: [BTCUSDT]}
"""
BTC, ETH = Symbol("BTCUSDT"), Symbol("ETHUSDT")
SHARED = AccountName("shared")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    path = tmp_path / "bots.yaml"
    path.write_text(BOTS_FILE)
    return load_registry(path)


def test_scopes_are_named_by_bot_by_account_or_as_all(registry: Registry) -> None:
    names = ("all", "own", "long_001")
    scopes = [scope_of(registry, name) for name in names]
    assert scopes == [PLATFORM, "account:own", "bot:long_001"]
    assert tuple(name_of(scope) for scope in scopes) == names
    assert [bot.id for bot in bots_under(registry, "account:shared")] == ["long_001", "short_001"]
    assert len(bots_under(registry, PLATFORM)) == 5


def test_a_name_that_means_nothing_or_two_things_is_refused(registry: Registry) -> None:
    with pytest.raises(NoSuchScope, match="there is no typo"):
        scope_of(registry, "typo")
    with pytest.raises(NoSuchScope, match="a bot and an account"):
        scope_of(registry, "twin")


def test_an_account_is_meant_as_a_whole_and_of_a_bot_its_symbols_and_side_alone(registry: Registry) -> None:
    assert reaches(registry, "account:own") == (Reach(AccountName("own")),)
    assert {reach.account for reach in reaches(registry, PLATFORM)} == {"shared", "own", "twin", "whole"}
    assert reaches(registry, "bot:long_001") == (Reach(SHARED, frozenset({BTC}), 1),)
    assert reaches(registry, "bot:short_001", (ETH,)) == (Reach(SHARED, frozenset({ETH}), 2),)
    with pytest.raises(InvalidValue, match="long_001 does not trade ETHUSDT"):
        reaches(registry, "bot:long_001", (ETH,))


def test_a_reach_covers_its_symbols_on_its_side() -> None:
    everything, one_side = Reach(SHARED), Reach(SHARED, frozenset({BTC}), 2)
    assert everything.covers(ETH, 1)
    assert one_side.covers(BTC, 2)
    assert not one_side.covers(BTC, 1)
    assert not one_side.covers(ETH, 2)


def test_of_a_bot_that_trades_all_symbols_everything_on_its_account_is_meant(registry: Registry) -> None:
    assert reaches(registry, "bot:whole_001") == (Reach(AccountName("whole")),)
    assert reaches(registry, "bot:whole_001", (ETH,)) == (Reach(AccountName("whole"), frozenset({ETH})),)
