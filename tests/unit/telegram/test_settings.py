from __future__ import annotations

import re
from datetime import time
from pathlib import Path

import pytest

from alpha.config.errors import ConfigError
from alpha.config.registry import load_registry
from alpha.config.telegram import Role, TelegramSettings, load_telegram, own_prefixes
from alpha.domain.ids import BotId

REGISTRY = load_registry(Path(__file__).parents[3] / "bots.yaml")
TOKEN = "1234567890:AAfakefakefakefakefakefakefakefakefa"
NEEDED = {"C2_TELEGRAM_BOT_TOKEN": TOKEN, "C2_TELEGRAM_ADMIN_IDS": "11, 22:viewer,33:Operator"}


def load(**environ: str) -> TelegramSettings:
    settings = load_telegram({**NEEDED, **environ}, REGISTRY)
    assert settings is not None
    return settings


def test_without_a_token_there_is_no_command_centre() -> None:
    assert load_telegram({"C2_TELEGRAM_ADMIN_IDS": "1"}, REGISTRY) is None
    assert load_telegram({"C2_TELEGRAM_BOT_TOKEN": " "}, REGISTRY) is None


def test_people_have_roles_and_a_plain_id_is_an_admin() -> None:
    assert load().people == {11: Role.ADMIN, 22: Role.VIEWER, 33: Role.OPERATOR}
    assert load().recipients == ("11", "22", "33")
    assert load(C2_TELEGRAM_CHANNEL_ID="-100123").recipients == ("-100123",)
    assert load(C2_TELEGRAM_GROUP_IDS="-5,-6").groups == {-5, -6}
    assert load(C2_TELEGRAM_DAILY_AT="22:30").daily_at == time(22, 30)


def test_a_bot_s_own_channel_is_found_by_its_name() -> None:
    assert own_prefixes(BotId("canary_001")) == ("CANARY_001", "CANARY")
    found = load(
        CANARY_TELEGRAM_CHANNEL_ID="-100", CANARY_002_TELEGRAM_CHANNEL_ID="@second", CANARY_002_TELEGRAM_BOT_TOKEN=TOKEN
    ).own
    assert {bot: (own.chat, own.token) for bot, own in found.items()} == {
        "canary_001": ("-100", ""),
        "canary_002": ("@second", TOKEN),
    }


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"C2_TELEGRAM_BOT_TOKEN": "..."}, "C2_TELEGRAM_BOT_TOKEN is the placeholder"),
        ({"C2_TELEGRAM_BOT_TOKEN": "secret-words-that-are-no-token"}, "C2_TELEGRAM_BOT_TOKEN is no token"),
        ({"C2_TELEGRAM_ADMIN_IDS": ""}, "C2_TELEGRAM_ADMIN_IDS is not set"),
        ({"C2_TELEGRAM_ADMIN_IDS": "@alice"}, "C2_TELEGRAM_ADMIN_IDS must be numeric"),
        ({"C2_TELEGRAM_ADMIN_IDS": "1:king"}, "the role king: the roles are viewer, operator, admin"),
        ({"C2_TELEGRAM_ADMIN_IDS": "1,1:viewer"}, "names 1 twice"),
        ({"C2_TELEGRAM_ADMIN_IDS": "-100"}, "groups belong into C2_TELEGRAM_GROUP_IDS"),
        ({"CANARY_TELEGRAM_BOT_TOKEN": TOKEN}, "CANARY_TELEGRAM_CHANNEL_ID is not set although"),
        ({"C2_TELEGRAM_CHANNEL_ID": "my channel"}, "C2_TELEGRAM_CHANNEL_ID must be a numeric chat id"),
        ({"C2_TELEGRAM_DAILY_AT": "noon"}, "C2_TELEGRAM_DAILY_AT must be a time"),
        ({"C2_TELEGRAM_API_URL": "api.telegram.org"}, "C2_TELEGRAM_API_URL must start with http"),
    ],
)
def test_what_is_wrong_is_named_and_no_secret_shown(environ: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)) as refused:
        load(**environ)
    assert "secret-words" not in str(refused.value)


def test_a_token_is_in_no_repr() -> None:
    assert TOKEN not in repr(load(CANARY_TELEGRAM_CHANNEL_ID="-100", CANARY_TELEGRAM_BOT_TOKEN=TOKEN))
