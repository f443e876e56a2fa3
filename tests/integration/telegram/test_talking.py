"""Whole conversations with python-telegram-bot against a server that speaks the Bot API."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from datetime import timedelta

import pytest
import requests
from telegram import Update

from alpha.config.settings import Settings
from alpha.config.telegram import Role
from alpha.ledger.connection import Connection, connect
from alpha.ledger.controls import PLATFORM, load_controls, set_control
from alpha.local.postgres import EmbeddedPostgres
from alpha.local.valkey import EmbeddedValkey
from alpha.service.logging import configure_logging
from telegram_manager.command import Argument, Arguments, Command, Danger, Group, Run, Takes
from telegram_manager.command_table import COMMANDS
from telegram_manager.context import Context
from telegram_manager.door.door import Door
from telegram_manager.door.secrecy import hide_tokens
from telegram_manager.rendering.answer import Answer, Button, Lines, saying
from tests.bot_api import Account, BotApi, Fault, Person
from tests.bot_api.faults import Loss
from tests.conftest import own_database
from tests.integration.telegram.centre import Centre, without_logins
from tests.integration.telegram.conftest import ALICE, BOB, CAROL, GROUP, MALLORY, VERA
from tests.support import Database, eventually

Centres = Callable[..., AbstractContextManager[Centre]]


class Deeds:
    """Commands that only note that they were run, so that a test sees what the door let through."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.go_on = threading.Event()
        self.commands = (
            _command("look", Role.VIEWER, self.run),
            _command("deed", Role.OPERATOR, self.run),
            _command("dare", Role.ADMIN, self.run, Danger.ASK),
            _command("dare2", Role.ADMIN, self.run, Danger.ASK_TWICE),
            _command("long", Role.VIEWER, self.long),
            _command("fails", Role.OPERATOR, self.fails),
            _command("slow", Role.OPERATOR, self.slow, in_order=True),
            _command("start2", Role.OPERATOR, self.start2, in_order=True),
            _command("quick", Role.OPERATOR, self.quick, in_order=True),
        )

    def run(self, context: Context, arguments: Arguments) -> Answer:
        self.done.append(f"{context.actor.name} {arguments.bot or 'all'}")
        context.progress("at work")
        return saying(f"done for {context.actor.name}")

    def long(self, context: Context, arguments: Arguments) -> Answer:  # noqa: ARG002
        return Answer(
            (Lines(tuple(f"line {number} <b> & {'x' * 40}" for number in range(300))),),
            ((Button("Again", "/long"), Button("Do it", "/deed canary_001")),),
        )

    def slow(self, context: Context, arguments: Arguments) -> Answer:  # noqa: ARG002
        self._until_told()
        self.done.append(f"slow {arguments.bot}")
        return saying("slow at last")

    def start2(self, context: Context, arguments: Arguments) -> Answer:
        """In effect at once; what follows is only waiting."""
        self.done.append(f"start2 {arguments.bot}")
        context.in_effect()
        self._until_told()
        return saying("alive at last")

    def quick(self, context: Context, arguments: Arguments) -> Answer:  # noqa: ARG002
        self.done.append(f"quick {arguments.bot}")
        return saying("quick")

    def _until_told(self) -> None:
        assert self.go_on.wait(20)
        self.go_on.clear()

    def fails(self, context: Context, arguments: Arguments) -> Answer:  # noqa: ARG002
        raise RuntimeError("a fault of the code")


class Talk:
    """One command centre for all tests of this module, and what a test needs of it."""

    def __init__(self, api: BotApi, bot: Account, database: Database, deeds: Deeds) -> None:
        self.api, self.bot, self.database, self.deeds = api, bot, database, deeds
        self.alice, self.bob, self.vera = api.person(ALICE, "Alice"), api.person(BOB, "Bob"), api.person(VERA, "Vera")
        self.mallory, self.group = api.person(MALLORY, "Mallory"), api.group(GROUP)
        deeds.done.clear()
        with closing(connect(database.owner, "tests")) as ledger:
            self._before = len(trail(ledger))

    def commanded(self) -> list[tuple[str, str, str]]:
        """(actor, command, outcome) of this test."""
        with closing(connect(self.database.owner, "tests")) as ledger:
            return trail(ledger)[self._before :]


class Handling:
    """Counts the updates that the command centre is at work on, until what it says to them is said."""

    def __init__(self) -> None:
        self.now = 0
        self._handle = Door.on_update

    async def on_update(self, door: Door, update: Update, context: object = None) -> None:
        self.now += 1
        try:
            await self._handle(door, update, context)
        finally:
            self.now -= 1


@pytest.fixture(scope="module")
def handling() -> Iterator[Handling]:
    counted = Handling()

    async def on_update(door: Door, update: Update, context: object = None) -> None:
        await counted.on_update(door, update, context)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Door, "on_update", on_update)
        yield counted


@pytest.fixture(scope="module")
def running(
    api: BotApi,
    postgres_server: EmbeddedPostgres,
    migrated_template: Database,
    valkey_server: EmbeddedValkey,
    tmp_path_factory: pytest.TempPathFactory,
    handling: Handling,  # noqa: ARG001  before the command centre begins
) -> Iterator[tuple[Account, Database, Deeds]]:
    bot, deeds = api.bot(), Deeds()
    api.person(ALICE)
    environ = {
        "C2_TELEGRAM_ADMIN_IDS": f"{ALICE},{BOB}:operator,{VERA}:viewer,{CAROL}",
        "C2_TELEGRAM_GROUP_IDS": str(GROUP),
    }
    with own_database(postgres_server, migrated_template) as database:
        redis, folder = valkey_server.address(), tmp_path_factory.mktemp("c2")
        with Centre(
            api, bot, database.dsn("commander"), redis, folder, environ=environ, commands=COMMANDS + deeds.commands
        ):
            yield bot, database, deeds


@pytest.fixture
def talk(api: BotApi, running: tuple[Account, Database, Deeds], handling: Handling) -> Iterator[Talk]:
    api.comes_back()
    yield Talk(api, *running)
    # What one test has begun is no part of the next one.
    bot, _, _ = running
    eventually(lambda: api.taken(bot) and handling.now == 0, what="the end of what was asked")


@pytest.fixture
def deeds() -> Deeds:
    return Deeds()


def _command(name: str, role: Role, run: Run, danger: Danger = Danger.NONE, *, in_order: bool = False) -> Command:
    bot = (Argument(Takes.BOT),)
    return Command(
        name=name,
        group=Group.ABOUT,
        role=role,
        help=f"{name}.",
        run=run,
        arguments=bot,
        danger=danger,
        in_order=in_order,
    )


def trail(ledger: Connection) -> list[tuple[str, str, str]]:
    """Actor, command and outcome of everything commanded."""
    with ledger, ledger.cursor() as cursor:
        cursor.execute(
            "SELECT actor, subject, detail->>'outcome' FROM trading.audit_events WHERE action = 'command' ORDER BY id"
        )
        return cursor.fetchall()


def test_a_command_is_answered_in_the_chat_it_came_from(talk: Talk) -> None:
    talk.alice.says(talk.bot, "/help@AlphaBot")
    assert "/status" in talk.alice.hears("/status").text


def test_what_is_not_understood_is_said_with_what_would_be(talk: Talk) -> None:
    talk.alice.says(talk.bot, "/statsu <b>&")
    assert "/statsu" in talk.alice.hears("no command").text


def test_everything_commanded_is_in_the_trail(talk: Talk) -> None:
    talk.alice.says(talk.bot, "/deed canary_001")
    talk.alice.hears("done for telegram:1001")
    talk.alice.says(talk.bot, "/fails")
    last = talk.alice.hears("failed by a fault")
    talk.alice.says(talk.bot, "/look")
    talk.alice.hears("done", after=last)

    # Looking changes nothing and is not in it.
    eventually(lambda: len(talk.commanded()) == 2)
    assert talk.commanded() == [
        ("telegram:1001", "/deed canary_001", "done"),
        ("telegram:1001", "/fails", "failed"),
    ]
    assert talk.deeds.done == ["telegram:1001 canary_001", "telegram:1001 all"]


def test_each_role_may_what_it_may(talk: Talk) -> None:
    talk.vera.says(talk.bot, "/look")
    talk.vera.hears("done")
    talk.vera.says(talk.bot, "/deed")
    talk.vera.hears("needs the role operator")
    talk.bob.says(talk.bot, "/deed")
    talk.bob.hears("done")
    talk.bob.says(talk.bot, "/dare")
    talk.bob.hears("needs the role admin")

    assert talk.deeds.done == [f"telegram:{VERA} all", f"telegram:{BOB} all"]
    eventually(lambda: len(talk.commanded()) == 3)
    assert sorted(outcome for _, _, outcome in talk.commanded()) == ["done", "refused", "refused"]


def test_strangers_hear_nothing_and_are_told_of_when_they_keep_trying(talk: Talk) -> None:
    unlisted = talk.api.group(-77)
    for _ in range(4):
        talk.mallory.says(talk.bot, "/dare")
    talk.alice.says(talk.bot, "/deed", to=unlisted)  # an admin, but in a group that is not listed
    told = talk.alice.hears("tried to command")

    assert str(MALLORY) in told.text
    talk.alice.says(talk.bot, "/look")
    talk.alice.hears("done")
    assert (talk.mallory.received, unlisted.received, talk.deeds.done) == ([], [], ["telegram:1001 all"])
    assert len([text for text in talk.alice.texts if "tried to command" in text]) == 1


def test_a_listed_group_is_heard_and_answered_there(talk: Talk) -> None:
    talk.mallory.says(talk.bot, "/look", to=talk.group)
    talk.alice.says(talk.bot, "people talk to one another here", to=talk.group)
    talk.alice.says(talk.bot, "/look", to=talk.group)
    talk.group.hears("done for telegram:1001")
    assert talk.deeds.done == ["telegram:1001 all"]
    assert [text.split()[0] for text in talk.group.texts] == ["at", "done"]


def test_what_is_dangerous_is_done_after_the_button_and_once(talk: Talk) -> None:
    talk.alice.says(talk.bot, "/dare canary_001")
    question = talk.alice.hears("works for 60 seconds")
    assert talk.deeds.done == []

    press = talk.alice.presses(talk.bot, question, "Yes, dare")
    talk.alice.hears("done for")
    eventually(lambda: question.text.endswith("confirmed.") and not question.buttons)
    assert talk.deeds.done == ["telegram:1001 canary_001"]
    eventually(lambda: [answer["callback_query_id"] for answer in talk.alice.pressed] == [press])


def test_a_code_works_for_one_person_in_one_message_once(talk: Talk) -> None:
    carol = talk.api.person(CAROL, "Carol")
    talk.alice.says(talk.bot, "/dare", to=talk.group)
    question = talk.group.hears("works for 60 seconds")
    data = question.buttons[0][0]["callback_data"]

    # Another admin, the same code from another message, a made up code:
    carol.presses(talk.bot, question, "Yes", where=talk.group)
    eventually(lambda: carol.pressed)
    assert "Somebody else asked" in carol.pressed[-1]["text"]
    talk.alice.says(talk.bot, "/look")
    other = talk.alice.hears("done")
    talk.api.press(talk.bot, talk.alice, talk.alice, other, data)
    eventually(lambda: talk.alice.pressed)
    assert "another message" in talk.alice.pressed[-1]["text"]
    talk.api.press(talk.bot, talk.alice, talk.group, question, "yes:0123456789abcdef")
    eventually(lambda: len(talk.alice.pressed) == 2)
    assert "used already" in talk.alice.pressed[-1]["text"]
    assert len(talk.deeds.done) == 1

    # The right one, twice:
    talk.api.press(talk.bot, talk.alice, talk.group, question, data)
    talk.api.press(talk.bot, talk.alice, talk.group, question, data)
    eventually(lambda: len(talk.alice.pressed) == 4 and len(talk.deeds.done) == 2)
    assert [bool(answer.get("text")) for answer in talk.alice.pressed].count(False) == 1


def test_no_is_no(talk: Talk) -> None:
    talk.alice.says(talk.bot, "/dare")
    question = talk.alice.hears("works for")
    talk.alice.presses(talk.bot, question, "No")
    eventually(lambda: question.text == "/dare: not done.")
    assert talk.deeds.done == []


def test_some_things_are_asked_twice(talk: Talk) -> None:
    talk.alice.says(talk.bot, "/dare2")
    first = talk.alice.hears("works for")
    talk.alice.presses(talk.bot, first, "Yes")
    second = talk.alice.hears("Once more", after=first)
    assert talk.deeds.done == []
    talk.alice.presses(talk.bot, second, "Yes")
    talk.alice.hears("done for")
    assert talk.deeds.done == ["telegram:1001 all"]


def test_an_update_that_is_delivered_twice_acts_once(talk: Talk) -> None:
    message = {"from": talk.alice.as_user(), "chat": talk.alice.as_json(), "date": int(time.time()) + 1}
    update = talk.api.deliver(talk.bot, {"message": {**message, "message_id": 7, "text": "/deed canary_001"}})
    talk.alice.hears("done")
    talk.api.deliver_again(talk.bot, update)
    talk.api.deliver_again(talk.bot, update, same_id=False)
    talk.alice.edits(talk.bot, 7, "/deed canary_002")
    talk.alice.says(talk.bot, "/look")
    eventually(lambda: len(talk.deeds.done) == 2)
    assert talk.deeds.done == ["telegram:1001 canary_001", "telegram:1001 all"]


def test_an_old_date_is_not_executed(talk: Talk) -> None:
    talk.alice.says(talk.bot, "/deed", date=int(time.time()) - 3600)
    assert "/deed was sent before I started" in talk.alice.hears("not executed").text
    assert talk.deeds.done == []


def test_what_was_long_under_way_is_not_executed(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telegram_manager.door.door.OLD_AFTER", timedelta(seconds=-60))
    talk.alice.says(talk.bot, "/deed canary_001")
    assert "/deed canary_001 reached me" in talk.alice.hears("was not executed").text
    # Looking harms nobody, and what is asked first is meant when it is confirmed.
    talk.alice.says(talk.bot, "/look")
    talk.alice.hears("done for")
    talk.alice.says(talk.bot, "/dare")
    talk.alice.hears("works for 60 seconds")
    talk.alice.says(talk.bot, "/deed", date=int(time.time()) + 120)  # as old as the limit allows
    eventually(lambda: len(talk.deeds.done) == 2)
    assert talk.deeds.done == ["telegram:1001 all", "telegram:1001 all"]
    eventually(lambda: len(talk.commanded()) == 2)
    assert [outcome for _, _, outcome in talk.commanded()] == ["refused", "done"]


def test_a_button_that_was_pressed_long_ago_only_looks(talk: Talk) -> None:
    talk.alice.says(talk.bot, "/long")
    page = talk.alice.hears("line 0 <b> &")
    talk.api.fails(Fault("answerCallbackQuery", 400, "Bad Request: query is too old and response timeout expired"))
    talk.alice.presses(talk.bot, page, "Do it")
    talk.alice.hears("/deed canary_001 reached me")
    assert talk.deeds.done == []
    talk.alice.presses(talk.bot, page, "Do it")
    talk.alice.hears("done for")


def test_what_is_passed_on_commands_nothing(talk: Talk) -> None:
    origin = {"type": "hidden_user", "date": int(time.time()), "sender_user_name": "Mallory"}
    message = {"from": talk.alice.as_user(), "chat": talk.alice.as_json(), "date": int(time.time()) + 1}
    talk.api.deliver(
        talk.bot, {"message": {**message, "message_id": 8, "text": "/deed canary_001", "forward_origin": origin}}
    )
    talk.alice.says(talk.bot, "/look")
    talk.alice.hears("done for")
    assert talk.deeds.done == ["telegram:1001 all"]


def test_commands_of_one_line_take_effect_as_they_came(talk: Talk) -> None:
    talk.alice.says(talk.bot, "/slow canary_001")
    talk.alice.says(talk.bot, "/quick canary_002")
    talk.alice.says(talk.bot, "/deed")  # stands in no line
    talk.alice.hears("/quick canary_002 waits for /slow canary_001")
    eventually(lambda: talk.deeds.done)
    assert talk.deeds.done == ["telegram:1001 all"]
    talk.deeds.go_on.set()
    talk.alice.hears("quick")
    eventually(lambda: len(talk.deeds.done) == 3)
    assert talk.deeds.done == ["telegram:1001 all", "slow canary_001", "quick canary_002"]


def test_nobody_waits_for_what_is_in_effect(talk: Talk) -> None:
    talk.alice.says(talk.bot, "/start2 canary_001")
    talk.alice.says(talk.bot, "/quick canary_002")
    eventually(lambda: len(talk.deeds.done) == 2)
    talk.deeds.go_on.set()
    talk.alice.hears("alive at last")
    assert talk.deeds.done == ["start2 canary_001", "quick canary_002"]


def test_a_pause_that_is_sent_after_a_resume_is_what_holds(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telegram_manager.commanding.pausing.MIRRORED_WITHIN_S", 0.0)
    for times in range(1, 7):
        talk.alice.says(talk.bot, "/resume all")
        talk.alice.says(talk.bot, "/pause all")
        eventually(lambda times=times: len(talk.commanded()) == 2 * times)  # type: ignore[misc]
    assert [command for _, command, _ in talk.commanded()] == ["/resume all", "/pause all"] * 6
    with closing(connect(talk.database.owner, "tests")) as ledger:
        assert not load_controls(ledger)[PLATFORM].entries_allowed
        set_control(ledger, PLATFORM, by="tests", why="as it was", entries_allowed=True)


def test_a_long_answer_is_turned_page_by_page(talk: Talk) -> None:
    talk.alice.says(talk.bot, "/long")
    page = talk.alice.hears("line 0 <b> &")
    seen = [page.text]
    while ">" in page.labels:
        before = page.edits
        talk.alice.presses(talk.bot, page, ">")
        eventually(lambda before=before: page.edits > before)  # type: ignore[misc]
        seen.append(page.text)
    numbers = [int(line.split()[1]) for text in seen for line in text.splitlines() if line.startswith("line ")]
    assert numbers == list(range(300))
    assert len(seen) > 2

    talk.alice.presses(talk.bot, page, "<")
    eventually(lambda: page.text == seen[-2])
    talk.alice.presses(talk.bot, page, "Do it")
    talk.alice.hears("done for")
    assert talk.deeds.done == ["telegram:1001 canary_001"]


def test_telegram_may_refuse_for_a_while(talk: Talk) -> None:
    talk.api.fails(Fault("sendMessage", 429, "Too Many Requests: retry after 1", retry_after=1))
    talk.api.fails(Fault("sendMessage", 502, "Bad Gateway"))
    talk.api.fails(Fault("sendMessage", lost=Loss.REQUEST))
    talk.alice.says(talk.bot, "/look")
    talk.alice.hears("done", within_s=20)
    assert talk.deeds.done == ["telegram:1001 all"]


def test_an_answer_that_cannot_be_said_is_said_later(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telegram_manager.door.door._REPLY_PAUSE_S", 0.01)
    talk.api.fails(Fault("sendMessage", 502, "Bad Gateway", times=7))
    talk.alice.says(talk.bot, "/deed")
    talk.alice.hears("done for", within_s=20)
    assert talk.deeds.done == ["telegram:1001 all"]


def test_a_second_poller_is_told_of(talk: Talk) -> None:
    with requests.Session() as session:
        session.trust_env = False

        def asks_as_well() -> bool:
            # Until it meets the other one, which for a moment may not be asking.
            session.post(f"{talk.api.url}/bot{talk.bot.token}/getUpdates", data={"timeout": 0}, timeout=20)
            return any("another process" in text for text in talk.alice.texts)

        eventually(asks_as_well, 30, every_s=0.5)
    told = talk.alice.hears("another process asks Telegram")
    assert told.labels == ["Acknowledge"]
    talk.vera.presses(talk.bot, talk.vera.hears("another process"), "Acknowledge")
    eventually(lambda: talk.vera.pressed)
    assert "needs the role operator" in talk.vera.pressed[-1]["text"]
    talk.bob.presses(talk.bot, talk.bob.hears("another process"), "Acknowledge")
    eventually(lambda: talk.bob.pressed)
    assert talk.bob.pressed[-1]["text"] == "Acknowledged."


def test_commands_go_on_without_the_ledger(talk: Talk) -> None:
    with without_logins(talk.database):
        talk.alice.says(talk.bot, "/deed canary_001")
        talk.alice.hears("done for")
        talk.alice.says(talk.bot, "/dare")
        talk.alice.presses(talk.bot, talk.alice.hears("works for"), "Yes")
        eventually(lambda: len(talk.deeds.done) == 2)
        assert talk.commanded() == []
    eventually(lambda: len(talk.commanded()) == 2, 20)


def test_nothing_acts_again_after_a_restart(
    api: BotApi, bot: Account, alice: Person, centre_of: Centres, deeds: Deeds
) -> None:
    message = {"from": alice.as_user(), "chat": alice.as_json(), "date": int(time.time()) + 60, "message_id": 7}
    with centre_of(deeds.commands):
        update = api.deliver(bot, {"message": {**message, "text": "/deed canary_001"}})
        alice.hears("done")
        alice.says(bot, "/dare")
        question = alice.hears("works for")
    # Telegram keeps what is said meanwhile.
    alice.says(bot, "/deed canary_002")
    api.person(MALLORY).says(bot, "/deed canary_002")
    with centre_of(deeds.commands):
        assert "/deed canary_002 was sent before I started" in alice.hears("not executed").text
        api.deliver_again(bot, update, same_id=False)
        alice.presses(bot, question, "Yes")
        eventually(lambda: "before the last start" in str(alice.pressed[-1:]))
        alice.says(bot, "/look")
        eventually(lambda: len(deeds.done) > 1)
        assert deeds.done == ["telegram:1001 canary_001", "telegram:1001 all"]


def test_no_token_is_ever_in_the_log(
    api: BotApi, bot: Account, alice: Person, centre_of: Centres, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logging("telegram_manager", Settings(log_format="json", log_level="debug"))
    hide_tokens([bot.token])
    logging.getLogger("telegram").setLevel(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.DEBUG)
    api.fails(Fault("getMe", lost=Loss.REQUEST))
    said = ""
    with centre_of(()):
        api.goes_down()

        def not_polled() -> bool:
            nonlocal said
            said += capfd.readouterr().err
            return "telegram_not_polled" in said

        eventually(not_polled, 30)
        api.comes_back()
        alice.says(bot, "/look")
        alice.hears("no command", within_s=30)
        try:
            raise RuntimeError(f"the token {bot.token} was rejected")
        except RuntimeError:
            logging.getLogger("somebody").exception("https://api.telegram.org/bot%s/getMe", bot.token)
    last = capfd.readouterr()
    said += last.err + last.out
    assert "/bot(hidden)/getMe" in said
    assert "(hidden) was rejected" in said
    assert bot.token.split(":")[1] not in said
