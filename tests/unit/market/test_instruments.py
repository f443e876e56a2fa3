from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from alpha.domain.ids import Symbol
from paper_exchange.accounts import AccountsInvalid, load_accounts
from paper_exchange.market.instruments import INSTRUMENTS_FILE, InstrumentsInvalid, load_listings


def test_the_table_lists_the_major_perpetuals() -> None:
    listings = load_listings()
    assert len(listings) >= 25
    assert len({listing.symbol_id for listing in listings.values()}) == len(listings)
    for symbol, listing in listings.items():
        instrument = listing.instrument
        assert (instrument.symbol, f"{instrument.base}USDT") == (symbol, symbol)
        assert instrument.min_notional == 5
        assert (listing.taker_fee, listing.maker_fee) == (Decimal("0.00055"), Decimal("0.0002"))
        assert instrument.is_on_tick(instrument.max_price)
        assert instrument.is_on_step(instrument.max_limit_quantity)
        assert instrument.max_market_quantity <= instrument.max_limit_quantity


def test_symbols_come_in_the_order_asked_for_and_once() -> None:
    asked = [Symbol("SOLUSDT"), Symbol("BTCUSDT"), Symbol("SOLUSDT")]
    assert list(load_listings(asked)) == ["SOLUSDT", "BTCUSDT"]


def test_an_unknown_symbol_is_named() -> None:
    with pytest.raises(InstrumentsInvalid, match="NOPEUSDT is not in the table"):
        load_listings([Symbol("NOPEUSDT")])


def test_a_broken_entry_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "instruments.yaml"
    broken.write_text(INSTRUMENTS_FILE.read_text().replace('tick_size: "0.10"', 'tick_size: "none"', 1))
    with pytest.raises(InstrumentsInvalid, match="the entry of BTCUSDT is wrong"):
        load_listings(path=broken)


GOOD = '{"name": "a", "uid": 1, "api_key": "k", "api_secret": "hidden", "balance_usdt": "10"}'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read"),
        ("{}", "must hold a list"),
        ("[]", "is empty"),
        ('[{"name": "a"}]', "entry 1: uid is missing"),
        (f"[{GOOD}, {GOOD}]", "two accounts have the same api_key"),
        (f"[{GOOD.replace('10', 'much')}]", "entry 1: not an account"),
        (f"[{GOOD.replace('10', '-1')}]", "a balance_usdt of at least 0"),
        ("[3]", "entry 1: not an account"),
    ],
)
def test_an_accounts_file_that_cannot_be_says_where(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "accounts.json"
    path.write_text(text)
    with pytest.raises(AccountsInvalid, match=says) as refused:
        load_accounts(path)
    assert "hidden" not in str(refused.value)


def test_a_secret_is_not_in_the_representation(tmp_path: Path) -> None:
    path = tmp_path / "accounts.json"
    path.write_text(f"[{GOOD}]")
    assert "hidden" not in repr(load_accounts(path).all)
