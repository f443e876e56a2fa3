from __future__ import annotations

from typing import Any

import pytest

from alpha.config.errors import ConfigError
from alpha.config.key_rights import check_key
from alpha.config.modes import Mode
from alpha.domain.ids import AccountName
from alpha.exchange.account_books import KeyInformation
from alpha.exchange.parse import parse_key_information

MAIN = AccountName("main")


def wire(**said: Any) -> dict[str, Any]:
    """An answer of user/query-api: a key that may trade, bound to one address."""
    return {
        "userID": 7,
        "readOnly": 0,
        "permissions": {"ContractTrade": ["Order", "Position"], "Wallet": []},
        "ips": ["203.0.113.7"],
        "expiredAt": "1970-01-01T00:00:00Z",
    } | said


def key(**said: Any) -> KeyInformation:
    return parse_key_information(wire(**said))


def test_a_bound_key_that_may_trade_and_no_more_is_fine() -> None:
    assert check_key(MAIN, key(), Mode.LIVE, (), trades=True) == []


def test_a_key_that_may_withdraw_is_refused_unless_its_account_is_named() -> None:
    rights = key(permissions={"Wallet": ["AccountTransfer", "Withdraw"]})
    with pytest.raises(ConfigError, match=r"account main may withdraw.*ALPHA_ALLOW_WITHDRAWAL_KEYS"):
        check_key(MAIN, rights, Mode.LIVE, ("other",))
    assert check_key(MAIN, rights, Mode.LIVE, ("main",)) == []


@pytest.mark.parametrize("ips", [["*"], []])
def test_a_key_bound_to_no_address_is_warned_of_but_not_on_paper(ips: list[str]) -> None:
    (warning,) = check_key(MAIN, key(ips=ips), Mode.DEMO, ())
    assert "works from any address" in warning
    assert check_key(MAIN, key(ips=ips), Mode.PAPER, ()) == []


def test_reading_is_enough_for_whoever_does_not_trade() -> None:
    assert check_key(MAIN, key(readOnly=1), Mode.LIVE, ()) == []
    with pytest.raises(ConfigError, match="is read-only: a bot trades with it"):
        check_key(MAIN, key(readOnly=1), Mode.LIVE, (), trades=True)
