"""The HTTP server: methods, updates with long polling, limits and errors."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeVar

from aiohttp import web

from tests.bot_api.chats import Channel, Conversation, GroupChat, Heard, Person
from tests.bot_api.faults import Fault, Loss
from tests.bot_api.markup import MarkupError, read_html, utf16_length

Chat = TypeVar("Chat", bound=Conversation)

MOST_TEXT, MOST_CAPTION, MOST_CALLBACK_DATA, MOST_PRESS_ANSWER = 4096, 1024, 64, 200
MOST_PHOTO_BYTES = 10 * 1024 * 1024
_PNG = b"\x89PNG\r\n\x1a\n"


class Refused(Exception):
    """An error answer."""

    def __init__(self, status: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.status, self.description, self.parameters = status, description, parameters


@dataclass
class Account:
    """A bot that the server knows."""

    token: str = field(repr=False)
    username: str
    updates: deque[dict[str, Any]] = field(default_factory=deque)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    poller: asyncio.Task[Any] | None = None
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Every request that was understood, oldest first: method and parameters."""

    @property
    def id(self) -> int:
        return int(self.token.split(":")[0])

    def as_user(self) -> dict[str, Any]:
        return {"id": self.id, "is_bot": True, "first_name": self.username, "username": self.username}


class BotApi:
    """Runs in a thread of its own. What tests call is thread-safe."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="bot-api", daemon=True)
        self._accounts: dict[str, Account] = {}
        self._chats: dict[int, Conversation] = {}
        self._faults: list[Fault] = []
        self._numbers = iter(range(1, 10**9))
        self._message_ids = iter(range(100, 10**9))
        self._presses: dict[str, Person] = {}
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._port = 0
        self._open: set[asyncio.Transport] = set()
        self.heard: list[tuple[Conversation, Heard]] = []
        """Every message sent by any bot, oldest first."""
        self.url = ""

    def __enter__(self) -> BotApi:
        self._thread.start()
        self._do(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # Who is there

    def bot(self, username: str = "AlphaBot") -> Account:
        """A new bot with a token of its own."""
        account = Account(f"{secrets.randbelow(10**9) + 10**9}:{secrets.token_urlsafe(26)}", username)
        self._accounts[account.token] = account
        return account

    def person(self, number: int, name: str = "Alice") -> Person:
        return self._add(Person(self, number, name))

    def group(self, number: int, title: str = "Traders") -> GroupChat:
        return self._add(GroupChat(self, number, title))

    def channel(self, number: int, title: str = "Fills") -> Channel:
        return self._add(Channel(self, number, title))

    # What goes wrong

    def fails(self, fault: Fault) -> Fault:
        """From now on, until it has happened as often as it says."""
        self._faults.append(fault)
        return fault

    def goes_down(self) -> None:
        """Every connection is cut, and every new one refused, until `comes_back`."""
        self._do(self._close_port())

    def comes_back(self) -> None:
        """Everything works again, faults included."""
        self._faults.clear()
        if self._site is None:
            self._do(self._open_port())

    # What people do

    def post(self, bot: Account, person: Person, chat: Conversation, text: str, *, date: int | None = None) -> int:
        message_id = next(self._message_ids)
        message = self._message(message_id, person, chat, text, int(time.time()) if date is None else date)
        self.deliver(bot, {"message": message})
        return message_id

    def post_edit(self, bot: Account, person: Person, message_id: int, text: str) -> None:
        now = int(time.time())
        message = self._message(message_id, person, person, text, now) | {"edit_date": now}
        self.deliver(bot, {"edited_message": message})

    def press(self, bot: Account, person: Person, chat: Conversation, heard: Heard, data: str) -> str:
        press = str(secrets.randbits(60))
        self._presses[press] = person
        message = self._sent(bot, chat, heard)
        query = {"id": press, "from": person.as_user(), "message": message, "chat_instance": "1", "data": data}
        self.deliver(bot, {"callback_query": query})
        return press

    def deliver(self, bot: Account, content: dict[str, Any]) -> dict[str, Any]:
        """An update of any content. Returns it, for delivering it again."""
        update = {"update_id": next(self._numbers) + 1000, **content}
        self._call(lambda: self._queue(bot, update))
        return update

    def deliver_again(self, bot: Account, update: dict[str, Any], *, same_id: bool = True) -> None:
        """The same update once more, as after an answer of getUpdates that got lost on the way."""
        again = update if same_id else update | {"update_id": next(self._numbers) + 1000}
        self._call(lambda: self._queue(bot, again))

    def taken(self, bot: Account) -> bool:
        """Whether the bot has confirmed everything that was delivered."""
        return not bot.updates

    # The server

    async def _start(self) -> None:
        application = web.Application(client_max_size=MOST_PHOTO_BYTES + 10**6)
        application.router.add_route("*", "/bot{token}/{method}", self._handle)
        self._runner = web.AppRunner(application, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._open_port()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"

    async def _open_port(self) -> None:
        assert self._runner is not None
        self._site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await self._site.start()

    async def _close_port(self) -> None:
        assert self._runner is not None
        if self._site is not None:
            await self._site.stop()
            self._site = None
        self._end_polls()
        for transport in list(self._open):
            transport.abort()
        self._open.clear()

    async def _stop(self) -> None:
        self._end_polls()
        assert self._runner is not None
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            self._open.add(request.transport)
        method = request.match_info["method"]
        try:
            account = self._accounts.get(request.match_info["token"])
            if account is None:
                raise Refused(401, "Unauthorized")
            given = await _parameters(request)
            fault = next((each for each in self._faults if each.meets(method, given)), None)
            if fault is not None:
                fault.times -= 1
                if fault.lost is Loss.REQUEST:
                    return self._cut(request)
                if fault.lost is None:
                    after = {} if fault.retry_after is None else {"retry_after": fault.retry_after}
                    raise Refused(fault.status, fault.description, **after)
            answer = getattr(self, f"_on_{method.lower()}", None)
            if answer is None:
                raise Refused(404, "Not Found: method not found")
            if method != "getUpdates":
                account.calls.append((method, given))
            result = await answer(account, given)
            if fault is not None:
                return self._cut(request)
        except Refused as error:
            body: dict[str, Any] = {"ok": False, "error_code": error.status, "description": error.description}
            if error.parameters:
                body["parameters"] = error.parameters
            return web.json_response(body, status=error.status)
        return web.json_response({"ok": True, "result": result})

    def _cut(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)

    # Methods of the Bot API

    async def _on_getme(self, account: Account, given: dict[str, Any]) -> Any:  # noqa: ARG002
        return account.as_user() | {
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
        }

    async def _on_deletewebhook(self, account: Account, given: dict[str, Any]) -> Any:
        if str(given.get("drop_pending_updates", "")).lower() == "true":
            account.updates.clear()
        return True

    async def _on_setmycommands(self, account: Account, given: dict[str, Any]) -> Any:  # noqa: ARG002
        return True

    async def _on_getupdates(self, account: Account, given: dict[str, Any]) -> Any:
        if account.poller is not None and not account.poller.done():
            account.poller.cancel("conflict")
        poll = asyncio.ensure_future(self._poll(account, given))
        account.poller = poll
        try:
            return await poll
        except asyncio.CancelledError:
            raise Refused(
                409,
                "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
            ) from None

    async def _poll(self, account: Account, given: dict[str, Any]) -> list[dict[str, Any]]:
        offset, limit = int(given.get("offset", 0)), int(given.get("limit", 100))
        give_up = time.monotonic() + min(float(given.get("timeout", 0)), 50.0)
        # An update is confirmed by asking for a later one.
        while account.updates and account.updates[0]["update_id"] < offset:
            account.updates.popleft()
        while not account.updates:
            account.arrived.clear()
            left = give_up - time.monotonic()
            if left <= 0:
                return []
            with suppress(TimeoutError):
                await asyncio.wait_for(account.arrived.wait(), left)
        return list(account.updates)[:limit]

    async def _on_sendmessage(self, account: Account, given: dict[str, Any]) -> Any:
        chat = self._chat(given)
        text, html = self._text(given, given.get("text", ""), MOST_TEXT)
        if not text:
            raise Refused(400, "Bad Request: message text is empty")
        heard = Heard(next(self._message_ids), account.username, text, html, _buttons(given))
        heard.is_silent = str(given.get("disable_notification", "")).lower() == "true"
        return self._deliver_to(account, chat, heard)

    async def _on_sendphoto(self, account: Account, given: dict[str, Any]) -> Any:
        chat = self._chat(given)
        text, html = self._text(given, given.get("caption", ""), MOST_CAPTION)
        photo = given.get("photo")
        if isinstance(photo, str) and photo.startswith("attach://"):
            photo = given.get(photo.removeprefix("attach://"))
        if not isinstance(photo, bytes) or not photo.startswith(_PNG) or len(photo) > MOST_PHOTO_BYTES:
            raise Refused(400, "Bad Request: IMAGE_PROCESS_FAILED")
        heard = Heard(next(self._message_ids), account.username, text, html, _buttons(given), photo)
        return self._deliver_to(account, chat, heard)

    async def _on_editmessagetext(self, account: Account, given: dict[str, Any]) -> Any:
        chat, heard = self._existing(account, given)
        text, html = self._text(given, given.get("text", ""), MOST_TEXT)
        buttons = _buttons(given)
        if heard.photo is not None:
            raise Refused(400, "Bad Request: there is no text in the message to edit")
        if not text:
            raise Refused(400, "Bad Request: message text is empty")
        if (heard.html, heard.buttons) == (html, buttons):
            raise Refused(
                400,
                "Bad Request: message is not modified: specified new message content and reply markup are exactly "
                "the same as a current content and reply markup of the message",
            )
        heard.text, heard.html, heard.buttons = text, html, buttons
        heard.edits += 1
        return self._sent(account, chat, heard)

    async def _on_deletemessage(self, account: Account, given: dict[str, Any]) -> Any:
        chat, heard = self._existing(account, given)
        heard.deleted = True
        chat.received.remove(heard)
        return True

    async def _on_answercallbackquery(self, account: Account, given: dict[str, Any]) -> Any:  # noqa: ARG002
        person = self._presses.pop(str(given.get("callback_query_id")), None)
        if person is None:
            raise Refused(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        if utf16_length(str(given.get("text", ""))) > MOST_PRESS_ANSWER:
            raise Refused(400, "Bad Request: MESSAGE_TOO_LONG")
        person.pressed.append(given)
        return True

    # Parts

    def _add(self, chat: Chat) -> Chat:
        self._chats[chat.id] = chat
        return chat

    def _chat(self, given: dict[str, Any]) -> Conversation:
        try:
            chat = self._chats.get(int(given["chat_id"]))
        except (KeyError, ValueError):
            chat = None
        if chat is None:
            raise Refused(400, "Bad Request: chat not found")
        if isinstance(chat, Person) and chat.blocked:
            raise Refused(403, "Forbidden: bot was blocked by the user")
        return chat

    def _existing(self, account: Account, given: dict[str, Any]) -> tuple[Conversation, Heard]:
        chat = self._chat(given)
        wanted = int(given.get("message_id", 0))
        found = next((each for each in chat.received if each.message_id == wanted), None)
        if found is None or found.bot != account.username:
            raise Refused(400, "Bad Request: message to edit not found")
        return chat, found

    def _text(self, given: dict[str, Any], source: str, most: int) -> tuple[str, str]:
        mode = given.get("parse_mode", "")
        try:
            shown = read_html(source).text if mode == "HTML" else source
        except MarkupError as error:
            raise Refused(400, f"Bad Request: can't parse entities: {error}") from None
        if utf16_length(shown) > most:
            what = "message is too long" if most == MOST_TEXT else "message caption is too long"
            raise Refused(400, f"Bad Request: {what}")
        return shown.strip(), source

    def _deliver_to(self, account: Account, chat: Conversation, heard: Heard) -> dict[str, Any]:
        chat.received.append(heard)
        self.heard.append((chat, heard))
        return self._sent(account, chat, heard)

    def _sent(self, account: Account, chat: Conversation, heard: Heard) -> dict[str, Any]:
        message: dict[str, Any] = {
            "message_id": heard.message_id,
            "from": account.as_user(),
            "chat": chat.as_json(),
            "date": int(time.time()),
        }
        if heard.photo is not None:
            size = {"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1, "file_size": len(heard.photo)}
            return message | {"photo": [size], "caption": heard.text}
        return message | {"text": heard.text}

    def _message(self, number: int, person: Person, chat: Conversation, text: str, date: int) -> dict[str, Any]:
        message: dict[str, Any] = {
            "message_id": number,
            "from": person.as_user(),
            "chat": chat.as_json(),
            "date": date,
            "text": text,
        }
        if text.startswith("/"):
            length = utf16_length(text.split()[0])
            message["entities"] = [{"type": "bot_command", "offset": 0, "length": length}]
        return message

    def _queue(self, bot: Account, update: dict[str, Any]) -> None:
        bot.updates.append(update)
        bot.arrived.set()

    def _end_polls(self) -> None:
        for account in self._accounts.values():
            if account.poller is not None:
                account.poller.cancel()

    def _call(self, function: Callable[[], None]) -> None:
        done = threading.Event()

        def run() -> None:
            function()
            done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait(5)

    def _do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)


async def _parameters(request: web.Request) -> dict[str, Any]:
    if request.content_type == "multipart/form-data":
        given: dict[str, Any] = {}
        async for part in await request.multipart():
            name = getattr(part, "name", None) or ""
            content = await part.read(decode=True)  # type: ignore[union-attr]
            given[name] = bytes(content) if getattr(part, "filename", None) else content.decode()
        return given
    return dict(await request.post()) | dict(request.query)


def _buttons(given: dict[str, Any]) -> list[list[dict[str, Any]]]:
    markup = given.get("reply_markup")
    if not markup:
        return []
    rows: Iterable[list[dict[str, Any]]] = json.loads(markup).get("inline_keyboard", [])
    found = [list(row) for row in rows]
    for row in found:
        for button in row:
            if not 1 <= len(button.get("callback_data", "").encode()) <= MOST_CALLBACK_DATA:
                raise Refused(400, "Bad Request: BUTTON_DATA_INVALID")
            if not button.get("text"):
                raise Refused(400, "Bad Request: text buttons are unallowed in the inline keyboard")
    return found
