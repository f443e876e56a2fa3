"""From /status to a kill that proves flat, as a person with a phone does it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from alpha.domain.ids import AccountName
from alpha.domain.side import Side
from alpha.exchange.errors import ExchangeError
from alpha.ledger.connection import Connection, transaction
from alpha.live.connection import RedisAddress
from tests.bot_api import Account, BotApi, Person
from tests.exchange_process import ExchangeProcess
from tests.integration.commanding.scene import AT_ONCE, BTC, CANARY, ETH, SHORTSELLER, SOL, Scene
from tests.integration.telegram.centre import Centre
from tests.integration.telegram.conftest import ALICE
from tests.support import Database, eventually

pytestmark = pytest.mark.slow  # an exchange of its own, and a kill that waits for proof


@pytest.fixture
def scene(tmp_path: Path, database: Database, redis_address: RedisAddress) -> Iterator[Scene]:
    """Both directions open, entries and an exit at rest."""
    with ExchangeProcess(tmp_path / "exchange", options=AT_ONCE) as exchange:
        made = Scene(exchange, tmp_path, database.dsn("commander"), redis_address)
        made.holds(SHORTSELLER, BTC, "-0.02")
        made.holds(SHORTSELLER, ETH, "0.5")
        made.holds(CANARY, SOL, "-3", stop=False)
        made.rests(SHORTSELLER, BTC, Side.SELL, "0.01", "ss")
        made.rests(CANARY, ETH, Side.BUY, "0.1", "cn2")
        yield made
        made.close()


def test_from_status_to_a_kill_that_proves_flat(
    api: BotApi, bot: Account, alice: Person, scene: Scene, ledger: Connection
) -> None:
    environ = {**scene.environ, "C2_TELEGRAM_ADMIN_IDS": str(ALICE)}
    with Centre(
        api,
        bot,
        scene.dsn,
        scene.redis,
        scene.folder,
        environ=environ,
        registry=scene.registry,
        paper_url=scene.exchange.rest_url,
    ):
        alice.says(bot, "/start")
        alice.hears("/help")
        alice.says(bot, "/status")
        alice.hears("shortseller_001")

        # Some requests are answered with an error of the exchange's own, half of them after they took effect.
        scene.exchange.admin.arm({"kind": "rest_error", "for_s": 60, "answer": 10016, "probability": 0.15}, seed=7)
        alice.says(bot, "/kill all")
        question = alice.hears("works for 60 seconds")
        late = threading.Thread(target=_fill_after_the_cancel, args=(scene,))
        late.start()
        alice.presses(bot, question, "Yes, kill")
        report = alice.hears("flat, proven after", after=question, within_s=60)
        late.join(30)
        # What is filled even after the proof is closed as well.
        scene.exchange.admin.end_faults()
        eventually(lambda: scene.is_flat(SHORTSELLER) and scene.is_flat(CANARY), 30)
    assert "shortseller" in report.text

    with transaction(ledger) as cursor:
        cursor.execute(
            "SELECT actor, detail->>'outcome' FROM trading.audit_events"
            " WHERE action = 'command' AND subject = '/kill all'"
        )
        assert cursor.fetchall() == [(f"telegram:{ALICE}", "done")]


def _fill_after_the_cancel(scene: Scene) -> None:
    """An order of the bot that was on its way when everything was cancelled."""
    eventually(lambda: ETH not in _orders(scene, CANARY), 30)
    scene.exchange.admin.trade(
        [{"account": CANARY, "symbol": ETH, "side": "Buy", "qty": "0.1", "orderLinkId": "cn2-en-bbbbbbbbbbbbbbbbbbbb"}]
    )


def _orders(scene: Scene, account: AccountName) -> list[str]:
    """Symbols of open orders; while the exchange answers with an error, as if there were some."""
    try:
        return [order.symbol for order in scene.open_orders(account)]
    except ExchangeError:
        return [ETH]


def test_unkill_asks_twice(api: BotApi, bot: Account, alice: Person, scene: Scene) -> None:
    environ = {**scene.environ, "C2_TELEGRAM_ADMIN_IDS": str(ALICE)}
    with Centre(
        api,
        bot,
        scene.dsn,
        scene.redis,
        scene.folder,
        environ=environ,
        registry=scene.registry,
        paper_url=scene.exchange.rest_url,
    ):
        alice.says(bot, "/kill canary_001")
        question = alice.hears("works for 60 seconds")
        alice.presses(bot, question, "Yes, kill")
        done = alice.hears("flat, proven after", after=question, within_s=60)
        alice.says(bot, "/unkill canary_001")
        first = alice.hears("works for", after=done)
        alice.presses(bot, first, "Yes, unkill")
        second = alice.hears("Once more", after=first)
        alice.presses(bot, second, "Yes, unkill")
        eventually(lambda: second.text.endswith("confirmed."))
        alice.hears("The kill of canary_001 is lifted", after=second)
