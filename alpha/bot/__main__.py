"""`python -m alpha.bot BOT_ID`: one bot on its own, as `alpha bot BOT_ID` starts it."""

from __future__ import annotations

import sys

from alpha.bot.runner import run_bot
from alpha.service.exit_codes import MISCONFIGURED
from alpha.service.process import run_service


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("python -m alpha.bot BOT_ID: name one bot of bots.yaml\n")
        return MISCONFIGURED
    bot_id = arguments[0]
    return run_service(bot_id, lambda settings, registry: run_bot(settings, registry, bot_id))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
