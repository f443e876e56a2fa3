from __future__ import annotations

import asyncio
import contextlib
import time

from telegram.error import TelegramError

from telegram_manager.door.speaking import Speaker

_AT_MOST_EVERY_S = 1.0


class Progress:
    """One message that shows the latest line of a command at work; it stays as the last thing that was told.

    `tell` may be called from any thread. What Telegram does with the lines never matters to the command.
    """

    def __init__(self, speaker: Speaker, chat: int) -> None:
        self._speaker, self._chat = speaker, chat
        self._loop = asyncio.get_running_loop()
        self._latest: str | None = None
        self._changed = asyncio.Event()
        self._ended = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Progress:
        self._task = asyncio.create_task(self._show())
        return self

    async def __aexit__(self, *error: object) -> None:
        self._ended = True
        self._changed.set()
        if self._task is not None:
            await self._task

    def tell(self, text: str) -> None:
        """The next line."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever looks on
            self._loop.call_soon_threadsafe(self._take, text)

    def _take(self, text: str) -> None:
        self._latest = text
        self._changed.set()

    async def _show(self) -> None:
        message: int | None = None
        shown_s = -_AT_MOST_EVERY_S
        while True:
            await self._changed.wait()
            if not self._ended:
                pause = shown_s + _AT_MOST_EVERY_S - time.monotonic()
                if pause > 0:
                    await asyncio.sleep(pause)
            self._changed.clear()
            text, self._latest = self._latest, None
            if text is not None:
                with contextlib.suppress(TelegramError):
                    if message is None:
                        message = (await self._speaker.say(self._chat, text)).message_id
                    else:
                        await self._speaker.replace(self._chat, message, text)
                shown_s = time.monotonic()
            if self._ended:
                return
