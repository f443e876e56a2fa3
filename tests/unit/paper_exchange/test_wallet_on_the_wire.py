from __future__ import annotations

from decimal import Decimal

import pytest

from paper_exchange.engine import Wallet
from paper_exchange.server.render_account import wallet_account
from tests.unit.engine.scene import START, UID


@pytest.mark.parametrize(("balance", "borrowed"), [("-102.6", "102.6"), ("0", "0"), ("296.8", "0")])
def test_a_balance_below_0_is_shown_as_it_is_and_as_what_is_borrowed(balance: str, borrowed: str):
    nothing = Decimal(0)
    wallet = Wallet(UID, Decimal(300), Decimal(balance), Decimal(400), nothing, nothing, nothing, False, START)
    (coin,) = wallet_account(wallet)["coin"]
    assert (coin["walletBalance"], coin["borrowAmount"]) == (balance, borrowed)
