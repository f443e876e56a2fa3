from __future__ import annotations

import pytest

from telegram_manager.door.secrecy import HIDDEN, Hiding

OURS = "1234567890:AAfakefakefakefakefakefakefakefakefa"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            f"POST https://api.telegram.org/bot{OURS}/sendMessage",
            f"POST https://api.telegram.org/bot{HIDDEN}/sendMessage",
        ),
        (f"bot{OURS.replace(':', '%3A')}/getMe", f"bot{HIDDEN}/getMe"),
        (f"the token `{OURS}` was rejected", f"the token `{HIDDEN}` was rejected"),
        ("987654321:BBotherotherotherotherotherother was once ours", f"{HIDDEN} was once ours"),
        ("at 12:30:15, 5 of 10: fine", "at 12:30:15, 5 of 10: fine"),
    ],
)
def test_tokens_and_what_looks_like_one_are_hidden(text: str, shown: str) -> None:
    assert Hiding([OURS])(text) == shown


def test_a_token_of_another_form_is_hidden_because_it_is_known() -> None:
    assert Hiding(["7:short"])("bot7:short/getMe") == f"bot{HIDDEN}/getMe"
