from __future__ import annotations

from datetime import UTC, datetime, timedelta

from telegram_manager.command import Arguments
from telegram_manager.command_table import COMMANDS
from telegram_manager.door.confirmation import LIFETIME, Confirmations, Pending, Refusal
from telegram_manager.parsing import Call

KILL = Call(next(command for command in COMMANDS if command.name == "kill"), Arguments(everything=True))
START = datetime(2026, 11, 21, 3, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def asked(confirmations: Confirmations) -> Pending:
    """Alice (1) asked in chat 10, and message 100 shows the code."""
    pending = confirmations.ask(KILL, "/kill all", user=1, chat=10, times=1)
    confirmations.bind(pending, 100)
    return pending


def test_a_code_gives_its_command_once() -> None:
    confirmations = Confirmations(Clock())
    code = asked(confirmations).code
    taken = confirmations.take(code, user=1, chat=10, message=100)
    assert isinstance(taken, Pending)
    assert (taken.call, taken.spoken) == (KILL, "/kill all")
    assert confirmations.take(code, user=1, chat=10, message=100) is Refusal.UNKNOWN


def test_the_wrong_person_or_message_neither_gets_nor_spends_it() -> None:
    confirmations = Confirmations(Clock())
    code = asked(confirmations).code
    assert confirmations.take(code, user=2, chat=10, message=100) is Refusal.NOT_YOURS
    assert confirmations.take(code, user=1, chat=11, message=100) is Refusal.OTHER_MESSAGE
    assert confirmations.take(code, user=1, chat=10, message=101) is Refusal.OTHER_MESSAGE
    assert confirmations.take("made-up", user=1, chat=10, message=100) is Refusal.UNKNOWN
    assert isinstance(confirmations.take(code, user=1, chat=10, message=100), Pending)


def test_a_code_whose_message_is_not_known_yet_opens_nothing() -> None:
    confirmations = Confirmations(Clock())
    pending = confirmations.ask(KILL, "/kill all", user=1, chat=10, times=1)
    assert confirmations.is_unbound(pending.code)
    assert confirmations.take(pending.code, user=1, chat=10, message=100) is Refusal.OTHER_MESSAGE
    confirmations.bind(pending, 100)
    assert not confirmations.is_unbound(pending.code)


def test_it_expires_at_its_time() -> None:
    clock = Clock()
    confirmations = Confirmations(clock)
    early, late = asked(confirmations), asked(confirmations)
    clock.now = START + LIFETIME - timedelta(milliseconds=1)
    assert isinstance(confirmations.take(early.code, user=1, chat=10, message=100), Pending)
    clock.now = START + LIFETIME
    assert confirmations.take(late.code, user=1, chat=10, message=100) is Refusal.EXPIRED


def test_codes_that_nobody_uses_do_not_pile_up() -> None:
    clock = Clock()
    confirmations = Confirmations(clock)
    first = asked(confirmations)
    clock.now += LIFETIME
    for _ in range(300):
        newest = asked(confirmations)
    assert confirmations.take(first.code, user=1, chat=10, message=100) is Refusal.UNKNOWN
    assert isinstance(confirmations.take(newest.code, user=1, chat=10, message=100), Pending)
