"""bots.yaml: what is accepted, and that every refusal names the file, the key and the fix."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from alpha.config import ConfigError, Mode, load_registry
from alpha.domain.ids import AccountName, Symbol

ROOT = Path(__file__).parents[3]
Change = Callable[[dict[str, Any]], object]


def good() -> dict[str, Any]:
    """Two bots share `shared`, one has `alone`."""
    return {
        "accounts": {
            "alone": {"key_env": "ALONE_KEY", "secret_env": "ALONE_SECRET"},
            "shared": {"key_env": "SHARED_KEY", "secret_env": "SHARED_SECRET", "mode": "demo"},
        },
        "bots": [
            bot("ss_001", "ss", "alone", 0, ["BTCUSDT", "ETHUSDT"]),
            bot("cn_001", "cn1", "shared", 3, ["BTCUSDT"], capital_usdt=1000),
            bot("cn_002", "cn2", "shared", 4, ["ETHUSDT"], capital_usdt="250.50"),
        ],
    }


def bot(bot_id: str, code: str, account: str, redis_db: int, symbols: list[str], **more: Any) -> dict[str, Any]:
    strategy = "strategies.canary:Canary"
    return {
        "id": bot_id,
        "code": code,
        "account": account,
        "strategy": strategy,
        "redis_db": redis_db,
        "symbols": symbols,
    } | more


def written(folder: Path, content: dict[str, Any] | str) -> Path:
    path = folder / "bots.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_a_good_file_is_read(tmp_path: Path) -> None:
    registry = load_registry(written(tmp_path, good()))
    assert list(registry.bots) == ["ss_001", "cn_001", "cn_002"]
    assert [found.id for found in registry.bots_on(registry.account("shared").name)] == ["cn_001", "cn_002"]
    assert registry.account("shared").mode is Mode.DEMO
    assert registry.account("alone").mode is None
    assert registry.bot("cn_002").capital_usdt == Decimal("250.50")
    assert registry.symbols == ("BTCUSDT", "ETHUSDT")
    found = registry.by_code("cn1")
    assert found is not None
    assert found.id == "cn_001"
    assert registry.by_code("zz") is None


def test_a_bot_that_trades_all_symbols_gets_them_from_whoever_asked_the_exchange(tmp_path: Path) -> None:
    content = good()
    content["bots"][0]["symbols"] = "all"
    registry = load_registry(written(tmp_path, content))
    everything = registry.bot("ss_001")
    assert registry.trades_all
    assert everything.symbols == ()
    # Nobody may take that for a bot without symbols: what it holds is its business whoever has asked.
    assert everything.trades(Symbol("NEWUSDT"))
    assert registry.traded_on(everything.account) is None
    assert registry.traded_on(AccountName("shared")) == {"BTCUSDT", "ETHUSDT"}
    listed = registry.listing([Symbol("SOLUSDT"), Symbol("ADAUSDT"), Symbol("SOLUSDT")])
    assert listed.bot("ss_001").symbols == ("ADAUSDT", "SOLUSDT")
    assert listed.bot("cn_001").symbols == ("BTCUSDT",)
    assert listed.symbols == ("ADAUSDT", "BTCUSDT", "ETHUSDT", "SOLUSDT")
    assert not listed.bot("cn_001").trades(Symbol("ETHUSDT"))


def test_the_shipped_file_is_good() -> None:
    registry = load_registry(ROOT / "bots.yaml")
    assert [(found.id, found.code, found.redis_db) for found in registry.bots.values()] == [
        ("shortseller_001", "ss", 0),
        ("lxalgo_001", "lx", 1),
        ("momentum_001", "mo", 2),
        ("canary_001", "cn1", 3),
        ("canary_002", "cn2", 4),
    ]


def change_bot(index: int, **fields: Any) -> Change:
    return lambda content: content["bots"][index].update(fields)


def change_account(name: str, **fields: Any) -> Change:
    return lambda content: content["accounts"][name].update(fields)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (change_bot(1, id="ss_001"), "id ss_001 is used by two bots"),
        (change_bot(1, code="ss"), "code ss is used by bots ss_001 and cn_001: give each its own"),
        (change_bot(1, code="S"), r"bots\[cn_001\]\.code must be 2 to 6 of a-z and 0-9"),
        (change_bot(1, code="toolong"), r"bots\[cn_001\]\.code must be 2 to 6"),
        (change_bot(1, redis_db=0), "redis_db 0 is used by bots ss_001 and cn_001"),
        (change_bot(1, redis_db=10), "redis_db 10 of bot cn_001 is the platform's own .* take another"),
        (change_bot(1, redis_db=11), "redis_db 11 of bot cn_001"),
        (change_bot(1, redis_db=12), "redis_db 12 of bot cn_001"),
        (change_bot(1, redis_db=64), r"bots\[cn_001\]\.redis_db must be less than or equal to 63"),
        (change_bot(1, redis_db="3"), r"bots\[cn_001\]\.redis_db must be a valid integer"),
        (change_bot(1, account="nobody"), "account nobody of bot cn_001 is not under accounts: .* alone, shared"),
        (change_bot(1, symbols=["ETHUSDT"]), "bots cn_001 and cn_002 both have ETHUSDT on account shared"),
        (change_bot(1, symbols=[]), r"bots\[cn_001\]\.symbols is empty"),
        (change_bot(1, symbols="BTCUSDT"), r"bots\[cn_001\]\.symbols must be a list like \[BTCUSDT, ETHUSDT\], or all"),
        (change_bot(1, symbols="all"), "symbols of bot cn_001 are all, and cn_002 trades on the same account shared"),
        (change_bot(1, symbols=["BTCUSDT", "BTCUSDT"]), r"bots\[cn_001\]\.symbols names a symbol twice"),
        (
            change_bot(1, symbols=["btcusdt"]),
            r"bots\[cn_001\]\.symbols\[0\] must be the exchange's symbol in upper case",
        ),
        (change_bot(1, capital_usdt=None), "capital_usdt of bot cn_001 is missing: account shared is shared"),
        (change_bot(1, capital_usdt=0), r"bots\[cn_001\]\.capital_usdt must be greater than 0"),
        (change_bot(1, side="short"), "side of bot cn_001 needs an account in hedge mode"),
        (change_bot(1, strategy="canary"), r"bots\[cn_001\]\.strategy must be package\.module:Class"),
        (change_bot(1, category="spot"), r"bots\[cn_001\]\.category must be 'linear'"),
        (change_bot(1, id="Bot 1"), r"bots\[Bot 1\]\.id must be lower-case"),
        (change_bot(1, capital=5), r"bots\[cn_001\]\.capital is not a key: did you mean capital_usdt\?"),
        (
            change_account("alone", key_env="your_key_variable"),
            r"accounts\.alone\.key_env must be the name of an environment variable",
        ),
        (change_account("alone", key_env="SHARED_KEY"), "accounts alone and shared both read SHARED_KEY"),
        (change_account("alone", mode="real"), r"accounts\.alone\.mode must be 'paper', 'demo', 'testnet' or 'live'"),
        (change_account("alone", rest_url="<url>"), r"accounts\.alone\.rest_url must be a URL that starts with http"),
        (
            change_account("alone", private_url="https://x"),
            r"accounts\.alone\.private_url must be a URL that starts with ws",
        ),
        (change_account("alone", position_mode="both"), r"accounts\.alone\.position_mode must be 'one_way' or 'hedge'"),
        (change_account("alone", modus="demo"), r"accounts\.alone\.modus is not a key: did you mean mode\?"),
        (lambda content: content["bots"][0].pop("code"), r"bots\[ss_001\]\.code is missing: add it"),
        (lambda content: content["accounts"]["alone"].pop("secret_env"), r"accounts\.alone\.secret_env is missing"),
        (lambda content: content.pop("bots"), "bots is missing: add it"),
        (lambda content: content.update(robots=[]), "robots is not a key: did you mean bots"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, change: Change, says: str) -> None:
    content = good()
    change(content)
    path = written(tmp_path, content)
    with pytest.raises(ConfigError, match=says) as refused:
        load_registry(path)
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


def test_a_key_pasted_in_place_of_a_variables_name_is_not_repeated(tmp_path: Path) -> None:
    content = good()
    content["accounts"]["alone"]["secret_env"] = "aB3secretsecret"
    with pytest.raises(ConfigError) as refused:
        load_registry(written(tmp_path, content))
    assert "aB3secretsecret" not in str(refused.value)


def test_in_hedge_mode_two_bots_may_hold_the_two_sides_of_a_symbol(tmp_path: Path) -> None:
    content = good()
    content["accounts"]["shared"]["position_mode"] = "hedge"
    for index, side in ((1, "long"), (2, "short")):
        content["bots"][index] |= {"symbols": ["BTCUSDT"], "side": side}
    assert len(load_registry(written(tmp_path, content)).bots) == 3
    content["bots"][2]["side"] = "long"
    with pytest.raises(ConfigError, match=r"both have BTCUSDT on account shared.*or a side of its own for each"):
        load_registry(written(tmp_path, content))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("accounts: [", "line 1"),
        ("- a\n- b\n", "must have the keys accounts and bots"),
        ("", "must have the keys accounts and bots"),
        ("accounts: {}\nbots: []\naccounts: {}\n", "line 3: key accounts is there twice"),
        ("accounts: !!python/name:os.system\nbots: []\n", "could not determine a constructor"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as refused:
        load_registry(written(tmp_path, text))
    assert "\n" not in str(refused.value)


def test_a_missing_file_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist: run in the project's directory or set ALPHA_BOTS_FILE"):
        load_registry(tmp_path / "bots.yaml")


def test_an_unknown_bot_is_answered_with_those_there_are(tmp_path: Path) -> None:
    registry = load_registry(written(tmp_path, good()))
    with pytest.raises(ConfigError, match=r"no bot nobody in bots\.yaml; there are: ss_001, cn_001, cn_002"):
        registry.bot("nobody")
