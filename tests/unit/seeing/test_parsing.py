from __future__ import annotations

from pathlib import Path

import pytest

from alpha.config.registry import Registry, load_registry
from telegram_manager.actor import Role
from telegram_manager.command import Argument, Arguments, Command, Group, Takes
from telegram_manager.context import Context
from telegram_manager.parsing import NotUnderstood, parse
from telegram_manager.rendering.answer import Answer, saying

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry(ROOT / "bots.yaml")


def nothing(context: Context, arguments: Arguments) -> Answer:  # noqa: ARG001
    return saying("")


def command(name: str, *arguments: Argument) -> Command:
    return Command(name=name, group=Group.SEEING, role=Role.VIEWER, help="", run=nothing, arguments=arguments)


COMMANDS = (
    command("status", Argument(Takes.BOT)),
    command("fills", Argument(Takes.BOT), Argument(Takes.COUNT)),
    command("analytics", Argument(Takes.BOT_OR_ALL), Argument(Takes.DAYS)),
    command("flatten", Argument(Takes.BOT, required=True), Argument(Takes.SYMBOL)),
    command("kill", Argument(Takes.SCOPE)),
    command("pause", Argument(Takes.BOT_OR_ALL, required=True), Argument(Takes.TEXT, name="REASON")),
    command("help"),
)


@pytest.mark.parametrize(
    ("text", "name", "given"),
    [
        ("/status", "status", Arguments()),
        ("status", "status", Arguments()),
        ("/STATUS@AlphaBot  canary_001", "status", Arguments(bot="canary_001")),
        ("/status lx", "status", Arguments(bot="lxalgo_001")),
        ("/fills 20", "fills", Arguments(count=20)),
        ("/fills canary_002 20", "fills", Arguments(bot="canary_002", count=20)),
        ("/analytics all 7", "analytics", Arguments(everything=True, days=7)),
        ("/analytics 7", "analytics", Arguments(days=7)),
        ("/flatten canary_001 btcusdt", "flatten", Arguments(bot="canary_001", symbol="BTCUSDT")),
        # An account's own name is the account, although a bot's begins so.
        ("/kill shortseller", "kill", Arguments(account="shortseller")),
        ("/kill Shortseller", "kill", Arguments(account="shortseller")),
        ("/kill Canary", "kill", Arguments(account="canary")),
        ("/kill CANARY_001", "kill", Arguments(bot="canary_001")),
        ("/kill shortseller_001", "kill", Arguments(bot="shortseller_001")),
        ("/kill ALL", "kill", Arguments(everything=True)),
        ("/pause all news at  14:00", "pause", Arguments(everything=True, text="news at 14:00")),
        ("/pause momentum 7", "pause", Arguments(bot="momentum_001", text="7")),
    ],
)
def test_words_find_their_arguments(registry: Registry, text: str, name: str, given: Arguments) -> None:
    call = parse(text, registry, COMMANDS)
    assert (call.command.name, call.arguments) == (name, given)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("   ", "/help"),
        ("/stauts", "did you mean /status?"),
        ("/sell everything", "there is no command /sell"),
        ("/status canary", "'canary' may be several bots: canary_001, canary_002"),
        ("/status nobody", "'nobody' is not understood here"),
        ("/kill short", "'short' may be several things: account shortseller, bot shortseller_001"),
        ("/kill canary_", "'canary_' may be several things: bot canary_001, bot canary_002"),
        ("/fills 0", "'0' is not understood here"),
        ("/fills 10001", "from 1 to 10000"),
        ("/fills -5", "'-5' is not understood here"),
        ("/fills ٣", "is not understood here"),
        ("/fills canary_001 5 5", "'5' is not understood here"),
        ("/flatten", "BOT is missing; there are shortseller_001"),
        ("/flatten XRPUSDT", "'XRPUSDT' is no BOT"),
        ("/flatten canary_001 XRPUSDT", "'XRPUSDT' is not understood here"),
        ("/pause", "BOT|all is missing"),
        ("/help me", "/help takes nothing"),
    ],
)
def test_what_is_not_understood_says_what_would_be(registry: Registry, text: str, said: str) -> None:
    with pytest.raises(NotUnderstood) as refused:
        parse(text, registry, COMMANDS)
    assert said in str(refused.value)
