from __future__ import annotations

import pytest

from alpha.config.placeholders import is_placeholder


@pytest.mark.parametrize(
    "value",
    [
        "...",
        "<key>",
        "${REDIS_PASSWORD}",
        "xxx",
        "your_secure_password",
        "your-api-key-1",
        "YOUR_SECRET",
        "Your key",
        "my secret",
        "Your_Bybit_API_Key",
        "My Secret Password",
        "BOT2_TOKEN_HERE",
        "paste_key_1_here",
        "paste_it_here",
        "Insert your key here",
        "changeme",
        "Change-me-please",
        "placeholder",
        "example_token",
        "password",
        "API_KEY",
        " todo ",
    ],
)
def test_what_a_template_says_is_no_value(value: str) -> None:
    assert is_placeholder(value)


@pytest.mark.parametrize(
    "value",
    [
        "my-4hQpZr0vYy3dN1kXo9sTgLw2bEa7JcFi5UmRq8HtVnK",
        "MY_b7Rk0uQx2nVtYz5sLpEw9cHd3fGjA1mKo",
        "YOUR-x1c9Qe0Zr8vTn4sW2mB6kLpYq7Jd",
        "q8V0kd2Lr5Xy7tN3bM9wZc4RfGh6s_here",
        "passwords-of-my-own",
        "a",
    ],
)
def test_what_was_drawn_or_thought_up_is_one_whatever_it_begins_with(value: str) -> None:
    assert not is_placeholder(value)
