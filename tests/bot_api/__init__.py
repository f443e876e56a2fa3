"""A server on this machine that speaks Telegram's Bot API over HTTP, with people who talk to the bots on it.

    with BotApi() as api:
        bot = api.bot()                      # bot.token, api.url
        alice = api.person(1001, "Alice")
        alice.says(bot, "/status")
        reply = alice.hears(bot, "running")  # waits for it
        alice.presses(bot, reply, "2 of 3")

Written from https://core.telegram.org/bots/api (Bot API 9): names and types of fields, limits, error texts.
"""

from tests.bot_api.chats import Channel, GroupChat, Heard, Person
from tests.bot_api.faults import Fault
from tests.bot_api.server import Account, BotApi

__all__ = ["Account", "BotApi", "Channel", "Fault", "GroupChat", "Heard", "Person"]
