"""Makes conversation.md and the pictures beside it: a person talks to the platform over a local Bot API server.

Everything is the real thing but Telegram itself: `alpha up` with its bots on the paper exchange, the command centre
with python-telegram-bot, and what it answers. From the root of the project: `.venv/bin/python docs/telegram/record.py`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from alpha.config import load_registry, load_settings  # noqa: E402
from alpha.domain.ids import BotId  # noqa: E402
from alpha.live import positions  # noqa: E402
from alpha.live.connection import open_redis  # noqa: E402
from alpha.local.run_file import attach  # noqa: E402
from tests.bot_api import Account, BotApi, Heard, Person  # noqa: E402
from tests.support import eventually  # noqa: E402

SPEED = 300
"""Market seconds per second."""
ALICE = 123456789
_TRADED_FOR_S = 75.0
_SUMMARY_AFTER = timedelta(minutes=6)
"""Longer than all the rest takes."""
_BEGINNING = """# A conversation

What a person sees who commands the platform from a phone. `record.py` beside this page made it: everything below was
asked and answered by the real command centre, with bots that traded on the paper exchange at {speed} times the speed of
the market, and a local server in Telegram's place.

`>` is what the person wrote or pressed; in brackets stand the buttons below an answer.
"""


@dataclass
class Recorder:
    """Talks, and writes down what was said."""

    api: BotApi
    bot: Account
    person: Person
    parts: list[str] = field(default_factory=list)
    _pictures: int = 0

    def title(self, text: str) -> None:
        self.parts.append(f"## {text}\n")

    def asks(self, text: str, answer: str, *, within_s: float = 30.0) -> Heard:
        """Sends a message and writes down all that comes until one with `answer`."""
        after = self._newest()
        self.parts.append(f"> {text}\n")
        self.person.says(self.bot, text)
        return self._until(answer, after, within_s)

    def presses(self, message: Heard, label: str, answer: str, *, within_s: float = 60.0) -> Heard:
        """Presses a button and writes down all that comes until a message with `answer`."""
        after = self._newest()
        self.parts.append(f"> [{label}]\n")
        self.person.presses(self.bot, message, label)
        return self._until(answer, after, within_s)

    def hears(self, text: str, *, within_s: float = 60.0) -> Heard:
        """Writes down a message that nobody asked for."""
        message = self.person.hears(text, after=self._newest(), within_s=within_s)
        self._write(message)
        return message

    def hears_with_picture(self, text: str, *, within_s: float) -> None:
        """Writes down a message that nobody asked for and the picture that was sent right before it."""
        after = self._newest()
        message = self.person.hears(text, after=after, within_s=within_s)
        pictures = [each for each in self.person.received if after < each.message_id < message.message_id]
        self._write(next(each for each in reversed(pictures) if each.photo is not None))
        self._write(message)

    def page(self) -> str:
        return "\n".join([_BEGINNING.format(speed=SPEED), *self.parts]).rstrip() + "\n"

    def _until(self, answer: str, after: int, within_s: float) -> Heard:
        last = eventually(lambda: self._answer(answer, after), within_s, f"an answer with {answer!r}")
        for message in list(self.person.received):
            if after < message.message_id <= last.message_id and not message.is_silent:
                self._write(message)
        return last

    def _answer(self, text: str, after: int) -> Heard | None:
        """The newest message with the text that is no news: those make no sound."""
        found = [each for each in self.person.received if each.message_id > after and text in each.text]
        return next((each for each in reversed(found) if not each.is_silent), None)

    def _write(self, message: Heard) -> None:
        if message.photo is not None:
            self._pictures += 1
            name = f"picture-{self._pictures}.png"
            (HERE / name).write_bytes(message.photo)
            self.parts.append(f"![{message.text.splitlines()[0] if message.text else 'chart'}]({name})\n")
            return
        self.parts.append(f"```text\n{message.text}\n```\n")
        if message.labels:
            self.parts.append(f"{' '.join(f'[{label}]' for label in message.labels)}\n")

    def _newest(self) -> int:
        return max((message.message_id for message in self.person.received), default=0)


def main() -> None:
    with BotApi() as api, tempfile.TemporaryDirectory(prefix="alpha-telegram-") as home:
        bot, person = api.bot(), api.person(ALICE, "Alice")
        environ = os.environ | {
            "ALPHA_HOME": home,
            "ALPHA_ENV_FILE": "",
            "C2_TELEGRAM_BOT_TOKEN": bot.token,
            "C2_TELEGRAM_ADMIN_IDS": str(ALICE),
            "C2_TELEGRAM_API_URL": api.url,
            "C2_TELEGRAM_DAILY_AT": f"{datetime.now(UTC) + _SUMMARY_AFTER:%H:%M}",
            "LOG_FORMAT": "json",
        }
        command = [sys.executable, "-m", "alpha.cli", "up", "--speed", str(SPEED)]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, env=environ, cwd=ROOT, stdout=quiet, stderr=quiet) as up:
            try:
                page = _talk(Recorder(api, bot, person), Path(home))
                (HERE / "conversation.md").write_text(page, encoding="utf-8")
            finally:
                up.terminate()
                up.wait(60)


def _talk(talk: Recorder, home: Path) -> str:
    eventually(lambda: talk.bot.poller is not None, 120, "the command centre")
    talk.person.hears("canary_001", within_s=120)  # the first fill
    time.sleep(_TRADED_FOR_S)

    talk.title("Hello")
    talk.asks("/start", "/help")
    talk.asks("/help", "/status")

    talk.title("What is")
    talk.asks("/status", "shortseller_001")
    talk.asks("/status canary_001", "canary_001")
    talk.asks("/positions", "")
    talk.asks("/orders", "")
    talk.asks("/fills canary_001 5", "BTCUSDT")
    talk.asks("/trades canary_001 3", "BTCUSDT")
    talk.asks("/daily canary_001 3", "canary_001")
    talk.asks("/balance", "")
    talk.asks("/analytics all 7", "profit factor")

    talk.title("Whether it is true")
    talk.asks("/proof", "Proof")
    talk.asks("/drift", "agree")
    talk.asks("/health", "Services")
    talk.asks("/logs canary_001 3", "last 3 lines")
    talk.asks("/version", "Python")

    talk.title("What nobody asked for")
    talk.hears(" fee ")
    talk.hears("closed ", within_s=120)
    talk.parts.append("Somebody ends the process of a bot:\n")
    os.kill(json.loads((home / "run.json").read_text())["pids"]["canary_002"], signal.SIGKILL)
    talk.hears("was ended by")

    talk.title("Pausing and stopping")
    talk.asks("/pause canary_001 news at 14:00", "no new position")
    talk.asks("/resume canary_001 the news is out", "again")
    _until_holding(home, "canary_002")
    talk.asks("/stop canary_002", "is stopped", within_s=60)
    talk.asks("/start canary_002", "heartbeat is fresh", within_s=60)

    talk.title("The kill switch")
    talk.asks("/rehearse", "Rehearsal", within_s=90)
    _until_holding(home, "canary_001")
    question = talk.asks("/kill canary_001", "works for 60 seconds")
    talk.presses(question, "Yes, kill", "proven after")
    talk.asks("/alerts", "")
    first = talk.asks("/unkill canary_001", "works for 60 seconds")
    second = talk.presses(first, "Yes, unkill", "Once more")
    talk.presses(second, "Yes, unkill", "is lifted")
    talk.asks("/unkill canary_001 now", "not understood")

    talk.title("Once a day")
    talk.hears_with_picture("Summary of", within_s=_SUMMARY_AFTER.total_seconds() + 60)
    return talk.page()


def _until_holding(home: Path, bot: str) -> None:
    """Waits for the next position of a bot, so that there is something to close."""
    settings = load_settings(attach(home).env["reader"])
    config = load_registry(settings.alpha_bots_file).bot(BotId(bot))
    with open_redis(settings.redis(), config.redis_db) as client:

        def holds() -> bool:
            held = (positions.read(client, config.id, symbol) for symbol in config.symbols)
            return any(each is not None and not each.position.is_flat for each in held)

        eventually(lambda: not holds(), 60)
        eventually(holds, 60)


if __name__ == "__main__":
    main()
