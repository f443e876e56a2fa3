"""The truth table of modes: which combinations start, and what the others are told."""

from __future__ import annotations

from itertools import product

import pytest

from alpha.config import AccountConfig, ConfigError, Mode, check_uid, endpoints, load_settings
from alpha.domain.ids import AccountName

FLAGS: tuple[bool | None, ...] = (None, False, True)

# ALPHA_MODE -> the values of BYBIT_DEMO and of BYBIT_TESTNET it agrees with.
AGREES: dict[Mode, tuple[tuple[bool | None, ...], tuple[bool | None, ...]]] = {
    Mode.PAPER: ((None, False), (None, False)),
    Mode.DEMO: ((None, True), (None, False)),
    Mode.TESTNET: ((None, False), (None, True)),
    Mode.LIVE: ((None, False), (None, False)),
}


def account(**fields: object) -> AccountConfig:
    return AccountConfig(name=AccountName("main"), key_env="KEY", secret_env="SECRET", **fields)  # type: ignore[arg-type]


def environ(mode: Mode | None, demo: bool | None = None, testnet: bool | None = None, **more: str) -> dict[str, str]:
    values = {"ALPHA_MODE": mode, "BYBIT_DEMO": demo, "BYBIT_TESTNET": testnet}
    return {name: str(value).lower() for name, value in values.items() if value is not None} | more


@pytest.mark.parametrize(("mode", "demo", "testnet"), list(product(Mode, FLAGS, FLAGS)))
def test_flags_agree_with_the_mode_or_nothing_starts(mode: Mode, demo: bool | None, testnet: bool | None) -> None:
    agreeing_demo, agreeing_testnet = AGREES[mode]
    given = environ(mode, demo, testnet)
    if demo in agreeing_demo and testnet in agreeing_testnet:
        assert load_settings(given).alpha_mode is mode
        return
    with pytest.raises(ConfigError) as refused:
        load_settings(given)
    wrong = "BYBIT_DEMO" if demo not in agreeing_demo else "BYBIT_TESTNET"
    assert f"ALPHA_MODE={mode}" in str(refused.value)
    assert f"{wrong}=" in str(refused.value)
    assert "disagree" in str(refused.value)


def test_without_a_mode_it_is_paper_and_a_demo_flag_disagrees() -> None:
    assert load_settings({}).alpha_mode is Mode.PAPER
    with pytest.raises(ConfigError, match="ALPHA_MODE=paper and BYBIT_DEMO=true disagree: set ALPHA_MODE=demo"):
        load_settings({"BYBIT_DEMO": "true"})


@pytest.mark.parametrize(("mode", "written"), list(product(Mode, (None, *Mode))))
def test_an_account_trades_in_the_platforms_mode_and_live_must_be_written(mode: Mode, written: Mode | None) -> None:
    settings = load_settings(environ(mode, ALPHA_LIVE_ACCOUNTS="123"))
    if written is mode or (written is None and mode is not Mode.LIVE):
        assert endpoints(account(mode=written), settings).environment == mode
        return
    with pytest.raises(ConfigError, match=f"ALPHA_MODE={mode} and .* main .* disagree"):
        endpoints(account(mode=written), settings)


def test_live_needs_a_uid_that_is_listed() -> None:
    with pytest.raises(ConfigError, match="`mode: live` on account main and an empty ALPHA_LIVE_ACCOUNTS disagree"):
        endpoints(account(mode=Mode.LIVE), load_settings(environ(Mode.LIVE)))
    listed = load_settings(environ(Mode.LIVE, ALPHA_LIVE_ACCOUNTS="123, 456")).alpha_live_accounts
    check_uid(AccountName("main"), 456, Mode.LIVE, listed)
    with pytest.raises(ConfigError, match="account main has UID 789 and ALPHA_LIVE_ACCOUNTS=123,456 disagree"):
        check_uid(AccountName("main"), 789, Mode.LIVE, listed)
    check_uid(AccountName("main"), 789, Mode.DEMO, listed)


@pytest.mark.parametrize(
    ("mode", "url"),
    [
        (Mode.PAPER, "https://api.bybit.com"),
        (Mode.PAPER, "https://api-demo.bybit.com"),
        (Mode.DEMO, "https://api.bybit.com"),
        (Mode.DEMO, "https://api.bytick.com"),
        (Mode.TESTNET, "https://api.bybit.nl"),
        (Mode.LIVE, "https://api-testnet.bybit.com"),
    ],
)
def test_an_address_cannot_lead_to_another_environment_than_the_mode(mode: Mode, url: str) -> None:
    settings = load_settings(environ(mode, ALPHA_LIVE_ACCOUNTS="123"))
    with pytest.raises(ConfigError, match=f"rest_url of account main is {url}, .* mode {mode} disagree"):
        endpoints(account(mode=mode, rest_url=url), settings)


def test_an_address_of_the_same_environment_or_of_a_proxy_is_used() -> None:
    live = load_settings(environ(Mode.LIVE, ALPHA_LIVE_ACCOUNTS="123"))
    chosen = endpoints(account(mode=Mode.LIVE, rest_url="https://api.bybit.nl"), live)
    assert (chosen.rest_url, chosen.private_url) == ("https://api.bybit.nl", "wss://stream.bybit.com/v5/private")
    proxied = endpoints(account(private_url="ws://proxy.internal/v5/private"), load_settings({}))
    assert proxied.private_url == "ws://proxy.internal/v5/private"


def test_the_paper_exchange_is_where_alpha_paper_url_says() -> None:
    chosen = endpoints(account(), load_settings({"ALPHA_PAPER_URL": "http://127.0.0.1:9000/"}))
    assert chosen.rest_url == "http://127.0.0.1:9000"
    assert chosen.private_url == "ws://127.0.0.1:9000/v5/private"
    with pytest.raises(ConfigError, match=r"https://api\.bybit\.com, which is live, and mode paper disagree"):
        endpoints(account(), load_settings({"ALPHA_PAPER_URL": "https://api.bybit.com"}))
