"""Which exchange the platform talks to, and everything that must agree before it does.

| ALPHA_MODE | BYBIT_DEMO     | BYBIT_TESTNET  | `mode` of the account | further                             |
|------------|----------------|----------------|-----------------------|-------------------------------------|
| paper      | unset or false | unset or false | omitted or paper      |                                     |
| demo       | unset or true  | unset or false | omitted or demo       |                                     |
| testnet    | unset or false | unset or true  | omitted or testnet    |                                     |
| live       | unset or false | unset or false | live, written out     | its UID listed in ALPHA_LIVE_ACCOUNTS |

Everything else is refused before anything starts: one wrong line must not be enough to trade real money.
"""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import urlsplit

from alpha.config.errors import ConfigError
from alpha.domain.ids import AccountName

_BYBIT_NAMES = ("bybit", "bytick")


class Mode(StrEnum):
    """The kind of exchange: ours on this machine, or one of Bybit's."""

    PAPER = "paper"
    DEMO = "demo"
    TESTNET = "testnet"
    LIVE = "live"


def check_flags(mode: Mode, bybit_demo: bool | None, bybit_testnet: bool | None) -> None:
    """Raises ConfigError naming the two settings that disagree."""
    for variable, value, its_mode in (
        ("BYBIT_DEMO", bybit_demo, Mode.DEMO),
        ("BYBIT_TESTNET", bybit_testnet, Mode.TESTNET),
    ):
        if value is None or value == (mode is its_mode):
            continue
        fix = f"set ALPHA_MODE={its_mode} or {variable}=false" if value else f"remove {variable} or set it to true"
        raise ConfigError(f"ALPHA_MODE={mode} and {variable}={str(value).lower()} disagree: {fix}")


def account_mode(account: AccountName, written: Mode | None, mode: Mode, live_uids: tuple[str, ...]) -> Mode:
    """The mode of one account, from what bots.yaml says (`written`) and ALPHA_MODE.

    Raises ConfigError naming what disagrees. That the UID really is one of `live_uids` is known only after asking the
    exchange; see `check_uid`.
    """
    if written is None:
        if mode is Mode.LIVE:
            raise ConfigError(
                f"ALPHA_MODE=live and account {account} in bots.yaml without a mode disagree: "
                f"write `mode: live` on account {account} if it shall trade real money"
            )
        return mode
    if written is not mode:
        raise ConfigError(
            f"ALPHA_MODE={mode} and `mode: {written}` on account {account} in bots.yaml disagree: make them the same"
        )
    if mode is Mode.LIVE and not live_uids:
        raise ConfigError(
            f"`mode: live` on account {account} and an empty ALPHA_LIVE_ACCOUNTS disagree: put its UID there"
        )
    return mode


def check_uid(account: AccountName, uid: int | str, mode: Mode, live_uids: tuple[str, ...]) -> None:
    """Raises ConfigError when a live account's UID, as the exchange gave it, is not listed in ALPHA_LIVE_ACCOUNTS."""
    if mode is Mode.LIVE and str(uid) not in live_uids:
        raise ConfigError(
            f"account {account} has UID {uid} and ALPHA_LIVE_ACCOUNTS={','.join(live_uids)} disagree: "
            f"add {uid} if this account shall trade real money"
        )


def check_trading_url(account: AccountName, key: str, url: str, mode: Mode) -> None:
    """Raises ConfigError when a URL on which an account trades belongs to another of Bybit's environments.

    An address can be set for a proxy or a regional host; it must not turn paper or demo into live.
    """
    found = _mode_of_host(urlsplit(url).hostname or "")
    if found is not None and found is not mode:
        raise ConfigError(
            f"{key} of account {account} is {url}, which is {found}, and mode {mode} disagree: change one of them"
        )


def _mode_of_host(host: str) -> Mode | None:
    """The environment that one of Bybit's hosts stands for, None for other hosts."""
    if not any(name in host.lower() for name in _BYBIT_NAMES):
        return None
    first_label = host.lower().split(".")[0]
    if first_label.endswith("-demo"):
        return Mode.DEMO
    if first_label.endswith("-testnet"):
        return Mode.TESTNET
    return Mode.LIVE
