"""Those who are on the other side of a bot: people, groups and channels, and what they were sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support import NotInTime, eventually

if TYPE_CHECKING:
    from tests.bot_api.server import Account, BotApi


@dataclass
class Heard:
    """A message of a bot, as its reader sees it now: edits change it."""

    message_id: int
    bot: str
    """Username of the sender."""
    text: str
    """As shown, without markup; the caption of a picture."""
    html: str
    """As sent."""
    buttons: list[list[dict[str, Any]]] = field(default_factory=list)
    photo: bytes | None = None
    is_silent: bool = False
    edits: int = 0
    deleted: bool = False

    @property
    def labels(self) -> list[str]:
        return [button["text"] for row in self.buttons for button in row]


@dataclass
class Conversation:
    """A chat of any kind, as the server keeps it."""

    api: BotApi = field(repr=False)
    id: int
    title: str = ""
    received: list[Heard] = field(default_factory=list)

    kind = "private"

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "type": self.kind, "title": self.title}

    def hears(self, text: str = "", *, after: Heard | int | None = None, within_s: float = 30.0) -> Heard:
        """Waits for a message whose text contains `text`, the newest of them. `after`: only later ones than that."""
        floor = after.message_id if isinstance(after, Heard) else after or 0

        def newest() -> Heard | None:
            found = [each for each in self.received if text in each.text and each.message_id > floor]
            return found[-1] if found else None

        try:
            return eventually(newest, within_s, f"a message with {text!r} in {self.title}")
        except NotInTime as error:
            raise NotInTime(f"{error}; the last messages: {self.texts[-3:]}") from None

    @property
    def texts(self) -> list[str]:
        return [each.text for each in self.received]


@dataclass
class Channel(Conversation):
    kind = "channel"


@dataclass
class GroupChat(Conversation):
    kind = "supergroup"


@dataclass
class Person(Conversation):
    """A user and the private chat with them. Bots may write once the person has begun, which all here have."""

    pressed: list[dict[str, Any]] = field(default_factory=list)
    """Answers to pressed buttons, as answerCallbackQuery gave them."""
    blocked: bool = False

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "type": self.kind, "first_name": self.title}

    def as_user(self) -> dict[str, Any]:
        return {"id": self.id, "is_bot": False, "first_name": self.title, "language_code": "en"}

    def says(self, bot: Account, text: str, *, to: Conversation | None = None, date: int | None = None) -> int:
        """Sends a message to the bot, in private or to a group. Returns its message id."""
        return self.api.post(bot, self, to or self, text, date=date)

    def edits(self, bot: Account, message_id: int, text: str) -> None:
        """Changes a message that was sent before."""
        self.api.post_edit(bot, self, message_id, text)

    def presses(self, bot: Account, heard: Heard, label: str, *, where: Conversation | None = None) -> str:
        """Presses the button with this label, or one that contains it. Returns the id of the press."""
        buttons = [button for row in heard.buttons for button in row]
        exact = [each for each in buttons if each["text"] == label]
        found = exact or [each for each in buttons if label in each["text"]]
        assert found, f"no button {label!r} under {heard.text!r}; there are {heard.labels}"
        return self.api.press(bot, self, where or self, heard, found[0]["callback_data"])
