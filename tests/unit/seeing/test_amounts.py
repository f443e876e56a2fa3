from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from telegram_manager.rendering import amounts


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("1234.5", "+1,234.50"),
        ("-0.456", "-0.46"),
        ("0", "0.00"),
        ("-0.0", "0.00"),
        # Not nothing, so it is not shown as nothing.
        ("-0.0029", "-0.0029"),
        ("0.00001", "0.00"),
        ("9999999999.99", "+9,999,999,999.99"),
    ],
)
def test_results_have_a_sign_and_cents(amount: str, shown: str) -> None:
    assert amounts.signed(Decimal(amount)) == shown


@pytest.mark.parametrize(
    ("figures", "shown"),
    [
        ("-0.30154 -0.2141 -0.09744 0.01", "-0.3015 -0.2141 -0.0974 +0.0100"),
        ("0.9489 1.0463 -0.0974 0", "+0.95 +1.05 -0.10 0.00"),
        ("0.00001 0.0125 -0.01249 0", "0.00 +0.0125 -0.0125 0.00"),
    ],
)
def test_results_that_add_up_have_their_digits_alike(figures: str, shown: str) -> None:
    assert " ".join(amounts.parts(*map(Decimal, figures.split()))) == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0.04866065", "0.0487"),
        ("1234.5", "1,234.5000"),
        ("0.00000012", "0.00000012"),
        ("1.2E-7", "0.00000012"),
        ("0E-8", "0"),
        ("-0.00210", "-0.0021"),
    ],
)
def test_fees_are_shown_in_whatever_coin(amount: str, shown: str) -> None:
    assert amounts.fee(Decimal(amount)) == shown


def test_what_is_received_has_a_sign() -> None:
    shown = [amounts.received(Decimal(amount)) for amount in ("0.00003", "-0.4512", "0")]
    assert shown == ["+0.00003", "-0.4512", "0"]


def test_what_is_not_known_is_not_nothing() -> None:
    assert amounts.usdt(None) == amounts.held(None) == "?"
    assert amounts.usdt(Decimal(0)) == "0.00 USDT"


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("64012.5", "64,012.50"),
        ("3.14159", "3.1416"),
        ("0.4321", "0.4321"),
        ("0.00001234", "0.00001234"),
        ("2", "2.00"),
    ],
)
def test_prices_keep_the_digits_that_matter(amount: str, shown: str) -> None:
    assert amounts.price(Decimal(amount)) == shown


@pytest.mark.parametrize(
    ("amount", "shown"), [("0.012000", "+0.012"), ("-1500", "-1,500"), ("-0.10", "-0.1"), ("1E+3", "+1,000")]
)
def test_positions_have_a_sign_and_no_empty_digits(amount: str, shown: str) -> None:
    assert amounts.position(Decimal(amount)) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.44, "0.4 s"),
        (59.9, "59 s"),
        (61, "1 min 1 s"),
        (3 * 3600 + 12 * 60 + 50, "3 h 12 min"),
        (3 * 86_400 + 4 * 3600, "3 d 4 h"),
        (-1, "0.0 s"),
    ],
)
def test_durations_have_two_units(seconds: float, shown: str) -> None:
    assert amounts.duration(timedelta(seconds=seconds)) == shown


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB"), (3 << 40, "3.0 TiB")]
)
def test_sizes_have_a_unit(number: int, shown: str) -> None:
    assert amounts.size(number) == shown


def test_one_is_not_several() -> None:
    assert [amounts.count(number, "fill") for number in (0, 1, 1200)] == ["0 fills", "1 fill", "1,200 fills"]
