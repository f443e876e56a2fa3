"""What people are told without asking: everything once, nothing lost, what is critical until somebody has seen it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from alpha.domain.fill import Fill
from alpha.domain.ids import AccountName, BotId, OrderId
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.ledger.alerts import Alert, Severity, add_alert
from alpha.ledger.connection import Connection, connect, transaction
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import take_account
from alpha.ledger.notifications import (
    News,
    Recipient,
    begin_message,
    cursor_of,
    doubtful_messages,
    queue_news,
    unacknowledged,
    waiting_for,
)
from alpha.live.connection import BUS_DB, RedisAddress, open_redis
from alpha.service.alerts import AlertWriter
from tests.bot_api import Account, BotApi, Fault, Person
from tests.bot_api.faults import Loss
from tests.integration.ledger.heard import heard
from tests.integration.telegram.centre import QUICK, Centre, without_logins
from tests.integration.telegram.conftest import BOB, VERA
from tests.support import Database, eventually
from tests.unit.domain.fills import a_fill

Centres = Callable[..., AbstractContextManager[Centre]]
CANARY = BotId("canary_001")


@pytest.fixture
def tell(database: Database) -> Iterator[Callable[..., int]]:
    """Writes an alert as a service does."""
    with closing(connect(database.owner, "tests")) as connection:

        def write(
            text: str, severity: Severity = Severity.WARNING, kind: str = "something", bot: BotId | None = None
        ) -> int:
            alert = Alert(kind=kind, text=text, severity=severity, service="listener", at=datetime.now(UTC), bot=bot)
            return add_alert(connection, alert)

        yield write


def queued(ledger: Connection, where: str = "true") -> int:
    with transaction(ledger) as cursor:
        cursor.execute(f"SELECT count(*) FROM trading.notifications WHERE {where}")
        (count,) = cursor.fetchone() or (0,)
    return int(count)


def begun(ledger: Connection) -> int:
    """How many messages were ever begun, those that never arrived included."""
    with transaction(ledger) as cursor:
        cursor.execute("SELECT coalesce(pg_sequence_last_value('trading.telegram_messages_id_seq'), 0)")
        (count,) = cursor.fetchone() or (0,)
    return int(count)


def test_everybody_is_told_of_an_alert_once(
    centre_of: Centres, api: BotApi, alice: Person, ledger: Connection, tell: Callable[..., int]
) -> None:
    others = [api.person(BOB), api.person(VERA)]
    with centre_of():
        tell("account <canary> & co is stale", bot=CANARY)
        for person in (alice, *others):
            assert "Warning canary_001: account <canary> & co is stale" in person.hears("stale").text
        tell("the end")
        alice.hears("the end")
    assert len([text for text in alice.texts if "stale" in text]) == 1
    assert queued(ledger, "times > 1") == 0


def test_the_same_alert_is_counted_in_its_message(centre_of: Centres, alice: Person, tell: Callable[..., int]) -> None:
    with centre_of():
        tell("canary_001 lost 3 frames in 1.5 s")
        message = alice.hears("lost 3 frames")
        for number in range(4, 9):
            tell(f"canary_001 lost {number} frames in 2.5 s")
        eventually(lambda: "6 times since" in message.text)
        assert "lost 8 frames" in message.text
        tell("canary_002 lost 3 frames in 1.5 s")  # another bot: not the same
        alice.hears("canary_002", after=message)
    assert len(alice.received) == 2


def test_alerts_that_were_committed_late_are_told_too(
    centre_of: Centres, alice: Person, database: Database, tell: Callable[..., int]
) -> None:
    with centre_of(), closing(connect(database.owner, "tests")) as slow:
        with transaction(slow):
            add_alert(
                slow,
                Alert(
                    kind="k",
                    text="committed late",
                    severity=Severity.INFO,
                    service="listener",
                    at=datetime.now(UTC),
                ),
            )
            tell("committed early")
            alice.hears("committed early")
        alice.hears("committed late")


def test_what_is_critical_comes_again_until_somebody_has_seen_it(
    centre_of: Centres, api: BotApi, bot: Account, alice: Person, ledger: Connection, tell: Callable[..., int]
) -> None:
    vera = api.person(VERA)
    hurried = replace(QUICK, repeat=timedelta(milliseconds=300), repeat_at_most=timedelta(milliseconds=300))
    with centre_of(pace=hurried):
        tell("position without a stop", Severity.CRITICAL)
        first = alice.hears("without a stop")
        again = alice.hears("not acknowledged yet", after=first)
        assert again.labels == ["Acknowledge"]
        assert len(unacknowledged(ledger)) == 1

        alice.presses(bot, again, "Acknowledge")
        eventually(lambda: alice.pressed)
        assert alice.pressed[-1]["text"] == "Acknowledged."
        # It is over for everybody.
        assert unacknowledged(ledger) == []
        assert queued(ledger, "repeat_at IS NOT NULL") == 0
        # Only what was on its way when the button was pressed may still arrive.
        eventually(
            lambda: not any(doubtful_messages(ledger, Recipient("c2", str(person.id))) for person in (alice, vera))
        )
        told = (len(alice.received), len(vera.received))
        tell("the end")
        alice.hears("the end")
        vera.hears("the end")
        assert (len(alice.received) - 1, len(vera.received) - 1) == told

        tell("position without a stop", Severity.CRITICAL)
        tell("liquidation near", Severity.CRITICAL)
        alice.hears("liquidation")
        alice.says(bot, "/ack")
        alice.hears("Acknowledged 2")


def test_telegram_being_down_loses_nothing_and_a_backlog_is_summarised(
    centre_of: Centres, api: BotApi, alice: Person, ledger: Connection, tell: Callable[..., int]
) -> None:
    with centre_of(C2_TELEGRAM_ADMIN_IDS="1001"):
        api.goes_down()
        for number in range(40):
            tell(f"bot number_{number} is silent", kind="silent")
        tell("the account is in danger", Severity.CRITICAL)
        eventually(lambda: queued(ledger, "chat = '1001'") == 41, 30)
        # The attempt after the next one surely has all of them: what waits is read before each.
        tried = begun(ledger)
        eventually(lambda: begun(ledger) >= tried + 2)
        assert alice.received == []
        api.comes_back()
        assert alice.hears("the account is in danger", within_s=30).labels == ["Acknowledge"]
        summary = alice.hears("40 notifications", within_s=30)
        assert "40 silent; last: bot number_39 is silent" in summary.text
        eventually(lambda: queued(ledger, "sent_at IS NULL") == 0)
    assert len(alice.received) == 2


def test_a_lost_answer_is_told_again_with_the_doubt(
    centre_of: Centres, api: BotApi, alice: Person, tell: Callable[..., int]
) -> None:
    with centre_of():
        api.fails(Fault("sendMessage", chat="1001", lost=Loss.ANSWER))
        tell("did it arrive?")
        again = alice.hears("Perhaps told before")
    assert "did it arrive?" in again.text
    assert len(alice.received) == 2


def test_a_refusal_is_no_doubt(centre_of: Centres, api: BotApi, alice: Person, tell: Callable[..., int]) -> None:
    with centre_of():
        api.fails(Fault("sendMessage", 403, "Forbidden: bot was blocked by the user", chat="1001"))
        tell("here it is")
        assert "Perhaps" not in alice.hears("here it is").text
    assert len(alice.received) == 1


def test_one_who_cannot_be_reached_holds_up_nobody(
    centre_of: Centres, api: BotApi, alice: Person, tell: Callable[..., int]
) -> None:
    with centre_of(C2_TELEGRAM_ADMIN_IDS=f"1001,{BOB}"):
        bob = api.person(BOB)
        bob.blocked = True
        for number in range(3):
            tell(f"news_{number}")
        alice.hears("news_2")
        assert bob.received == []
        bob.blocked = False
        bob.hears("news_0")
        eventually(lambda: "news_2" in " ".join(bob.texts))


def test_what_waits_is_told_by_the_next_process(
    centre_of: Centres, api: BotApi, alice: Person, ledger: Connection, tell: Callable[..., int]
) -> None:
    with centre_of():
        api.goes_down()
        tell("while nobody could hear it")
        eventually(lambda: queued(ledger, "chat = '1001'") == 1)
    api.comes_back()
    tell("while nobody was there")
    with centre_of():
        alice.hears("while nobody could hear it")
        alice.hears("while nobody was there")
        tell("the end")
        alice.hears("the end")
    said = "\n".join(alice.texts)
    assert [said.count(words) for words in ("nobody could hear", "nobody was there")] == [1, 1]


def test_what_a_killed_process_was_sending_is_told_with_the_doubt(
    centre_of: Centres, alice: Person, ledger: Connection
) -> None:
    to = Recipient("c2", "1001")
    news = News(kind="k", severity=Severity.WARNING, text="sent or not", at=datetime.now(UTC))
    queue_news(ledger, [news], [to])
    begin_message(ledger, to, [waiting_for(ledger, to)[0].number])
    with centre_of():
        assert "Perhaps told before" in alice.hears("sent or not").text
        eventually(lambda: queued(ledger, "sent_at IS NULL") == 0)
        eventually(lambda: doubtful_messages(ledger, to) == [])
    assert len(alice.received) == 1


def test_a_second_command_centre_tells_nothing_twice(
    centre_of: Centres, api: BotApi, alice: Person, tell: Callable[..., int]
) -> None:
    with centre_of() as first:
        other = replace(first, bot=api.bot("Second"), environ={"C2_TELEGRAM_ADMIN_IDS": "1001"})
        with other:
            tell("once")
            alice.hears("once")
            eventually(lambda: "another command centre" in str(other.health()[1]["degraded"]), 30)
            tell("the end")
            alice.hears("the end")
        assert [alice.texts.count(text) for text in alice.texts] == [1] * len(alice.texts)


def test_a_bot_s_own_news_go_to_its_own_channel_with_its_own_token(
    centre_of: Centres, api: BotApi, bot: Account, alice: Person, tell: Callable[..., int]
) -> None:
    own, channel = api.bot("CanaryBot"), api.channel(-100777)
    with centre_of(CANARY_TELEGRAM_BOT_TOKEN=own.token, CANARY_TELEGRAM_CHANNEL_ID="-100777"):
        tell("report: flat", Severity.INFO, kind="report", bot=CANARY)
        tell("report: flat", Severity.INFO, kind="report", bot=CANARY)
        tell("halted", Severity.ERROR, kind="halt", bot=CANARY)
        heard = channel.hears("report: flat")
        alice.hears("halted")
        # Both: a report is never folded.
        eventually(lambda: "\n".join(channel.texts).count("report: flat") == 2)
    assert heard.bot == "CanaryBot"
    assert "halted" not in "\n".join(channel.texts)
    assert "report" not in "\n".join(alice.texts)
    assert all(method != "sendMessage" or str(given["chat_id"]) != "-100777" for method, given in bot.calls)


def follows_the_bus(redis: RedisAddress) -> bool:
    """Whether somebody waits for what is said there."""
    with open_redis(redis, BUS_DB) as client:
        return any(each["cmd"] == "xread" for each in client.client_list())


def test_that_the_ledger_is_down_is_told_without_it(
    centre_of: Centres, alice: Person, database: Database, redis_address: RedisAddress
) -> None:
    writer = AlertWriter(database.dsn("ledger_writer"), redis_address, "listener")
    with closing(writer), centre_of():
        eventually(lambda: follows_the_bus(redis_address))
        with without_logins(database):
            writer.alert("ledger_away", "PostgreSQL does not answer", severity="error")
            alice.hears("PostgreSQL does not answer", within_s=20)
        writer.alert("the_end", "the end", severity="info", account=AccountName("canary"))
        alice.hears("the end", within_s=20)
    assert len([text for text in alice.texts if "PostgreSQL does not answer" in text]) == 1


def test_one_who_was_not_reached_without_the_ledger_is_told_by_it(
    centre_of: Centres, api: BotApi, alice: Person, database: Database, redis_address: RedisAddress
) -> None:
    bob = api.person(BOB)
    bob.received.clear()
    writer = AlertWriter(database.dsn("ledger_writer"), redis_address, "listener")
    with closing(writer), centre_of():
        eventually(lambda: follows_the_bus(redis_address))
        with without_logins(database):
            refusal = api.fails(Fault("sendMessage", 502, "Bad Gateway", chat=str(BOB)))
            writer.alert("ledger_away", "PostgreSQL is away", severity="error")
            alice.hears("PostgreSQL is away", within_s=20)
            eventually(lambda: refusal.times == 0)
            assert not [text for text in bob.texts if "is away" in text]
        bob.hears("PostgreSQL is away", within_s=20)
        writer.alert("the_end", "the end", severity="info")
        alice.hears("the end", within_s=20)
    for person in (alice, bob):
        assert len([text for text in person.texts if "PostgreSQL is away" in text]) == 1


def test_fills_and_closed_trades_are_told_once_and_those_of_before_are_not(
    centre_of: Centres, alice: Person, database: Database
) -> None:
    account = AccountName("canary")
    with closing(connect(database.dsn("ledger_writer"), "tests")) as writer:
        recorder = FillRecorder(writer, {account: take_account(writer, account, "tests")})

        def record(*fills: Fill, reason: Reason) -> None:
            recorder.record([heard(each, CANARY, account=account, reason=reason) for each in fills])

        record(a_fill(Side.BUY, "1", at="50", n=1), reason=Reason.ENTRY)
        with capture_logs() as lines, centre_of() as centre:
            eventually(lambda: told_of_fills(centre, "1"))
            record(replace(a_fill(Side.BUY, "1", at="100", n=2), order_link_id="cn1-en-entry"), reason=Reason.ENTRY)
            entry = alice.hears("buy 1 BTCUSDT at 100.00")
            eventually(lambda: ["cn1-en-entry"] in [line.get("correlation_ids") for line in lines])
            # 2 bought at 75 on average, sold at 120 and 121 by one order: (120 - 75) + (121 - 75) = 91
            record(
                replace(a_fill(Side.SELL, "1", at="120", n=3, leaves="1"), order_id=OrderId("exit")),
                replace(a_fill(Side.SELL, "1", at="121", n=4), order_id=OrderId("exit")),
                reason=Reason.TAKE_PROFIT,
            )
            alice.hears("sell 2 BTCUSDT at 120.00 to 121.00 in 2 fills", after=entry)
            closed = alice.hears("closed long 2 BTCUSDT by take_profit", after=entry)
            assert "price +91.00" in closed.text
        with centre_of():
            record(a_fill(Side.BUY, "1", at="130", n=5), reason=Reason.ENTRY)
            alice.hears("at 130")
    said = "\n".join(alice.texts)
    assert [said.count(words) for words in ("at 50", "at 100", "at 120", "closed", "at 130")] == [0, 1, 1, 1, 1]


def told_of_fills(centre: Centre, position: str) -> bool:
    with closing(connect(centre.dsn, "tests")) as connection:
        return cursor_of(connection, f"fills:{CANARY}") == position
