"""What stands in Redis and in the ledger decides what a bot does: real servers, a scripted exchange."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from alpha.bot.checkpoint import Checkpoint
from alpha.bot.decision import Decision
from alpha.bot.environment import Environment
from alpha.bot.gate import Gate
from alpha.bot.gated_broker import GatedBroker
from alpha.bot.host import StrategyHost
from alpha.bot.journal import LedgerJournal
from alpha.bot.ledger_link import LedgerLink
from alpha.bot.limits import Limits
from alpha.bot.live_state import LiveState
from alpha.bot.loading import load_params
from alpha.bot.market_clock import MarketClock
from alpha.bot.progress import Progress
from alpha.bot.saving import StateSaver
from alpha.bot.testing import an_instrument
from alpha.config.registry import BotConfig
from alpha.domain.ids import AccountName, BotId
from alpha.domain.position import FLAT, Position
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.ledger.connection import connect
from alpha.ledger.controls import PLATFORM, DesiredState, bot_scope, load_controls, set_control
from alpha.ledger.intents import IntentOutcome, load_intent
from alpha.live import market
from alpha.live.bot_database import BotStep, claim, take_step
from alpha.live.bot_keys import position_key
from alpha.live.connection import STATE_DB, RedisAddress, open_redis
from alpha.live.controls import write_controls
from alpha.live.health import FeedHealth, ListenerHealth, write_feed_health, write_listener_health
from alpha.live.market import Ticker
from alpha.live.positions import LivePosition, fields_of
from alpha.live.wallet import LiveWallet, write_wallet
from alpha.live.wire import now
from alpha.service.causes import Cause, cause_of
from strategies.canary import Canary
from strategies.canary.strategy import CanaryState
from tests.support import Database
from tests.unit.bot.parts import BTC, ScriptedExchange, Told, a_bar, a_fill

BOT = BotConfig(
    id=BotId("canary_001"),
    code="cn1",
    account=AccountName("canary"),
    strategy="strategies.canary:Canary",
    params={},
    redis_db=3,
    symbols=(BTC,),
    capital_usdt=Decimal(1000),
)


class World:
    """A canary over real Redis and PostgreSQL, and the pens of the listener, the feed and a trader."""

    def __init__(self, redis_address: RedisAddress, database: Database) -> None:
        self.database = database
        self.own = open_redis(redis_address, BOT.redis_db)
        self.state = open_redis(redis_address, STATE_DB)
        self.link = LedgerLink(database.dsn("bot"), "test", pooled=False)
        self.exchange = ScriptedExchange()
        self.progress = Progress(Checkpoint(), 0)
        self.progress.catching_up = False
        self.clock = MarketClock(is_paper=True)
        self.lease_held = True
        self.live = LiveState(
            bot=BOT,
            own=self.own,
            state=self.state,
            ticker_fresh_for=timedelta(seconds=60),
            instruments={BTC: an_instrument()},
            progress=self.progress,
            lease_held=lambda: self.lease_held,
            is_stopping=lambda: False,
            ask_equity=lambda: None,
        )
        self.broker = GatedBroker(
            bot=BOT.id,
            code=BOT.code,
            run="run",
            gate=Gate(Limits(), self.live),
            orders=self.progress.orders,
            port=self.exchange,
            journal=LedgerJournal(self.link, BOT.id, BOT.account),
            view=self.live,
            alerts=Told(),
            entry_sent=self.progress.entry_sent,
            pause=lambda _: None,
        )
        strategy = Canary(
            params=load_params(Canary, {}),  # type: ignore[arg-type]
            state=CanaryState(),
            symbols=BOT.symbols,
            broker=self.broker,
            environment=Environment.PAPER,
        )
        self.host = StrategyHost(strategy=strategy, broker=self.broker, progress=self.progress)
        self.refresh()

    def refresh(self) -> None:
        """Listener and feed alive, the position flat, every control as the ledger has it: an entry may pass."""
        self.position(FLAT)
        self.listener("live")
        self.feed("live")
        self.ticker()
        self.controls()

    def position(self, position: Position, *, age: timedelta = timedelta(0), drifted: bool = False) -> None:
        row = LivePosition(
            bot=BOT.id,
            symbol=BTC,
            position=position,
            drifted=drifted,
            changed_at=now(),
            updated_at=now() - age,
        )
        claim(self.own, BOT.id, row.epoch)
        take_step(self.own, BotStep(bot=BOT.id, epoch=row.epoch, positions=[row]))

    def listener(self, state: str, *, age: timedelta = timedelta(0)) -> None:
        at = now() - age
        health = ListenerHealth(
            account=BOT.account,
            state=state,
            since=at,
            epoch=1,
            last_frame_at=at,
            proven_until=None,
            backlog=0,
            drifted=False,
            updated_at=at,
        )
        write_listener_health(self.state, health)

    def feed(self, state: str) -> None:
        write_feed_health(self.state, FeedHealth(state=state, last_frame_at=now(), last_bar_at=None, updated_at=now()))

    def ticker(self, mark: str = "100", *, age: timedelta = timedelta(0)) -> None:
        ticker = Ticker(
            symbol=BTC,
            last_price=Decimal(mark),
            mark_price=Decimal(mark),
            bid=None,
            ask=None,
            funding_rate=None,
            at=a_bar("100", n=1).end,
            updated_at=now() - age,
        )
        market.write_ticker(self.state, ticker)

    def controls(self, *, age: timedelta = timedelta(0)) -> None:
        """What the listener does three times a second."""
        connection = connect(self.database.dsn("reader"), "test")
        try:
            write_controls(self.state, load_controls(connection), at=now() - age)
        finally:
            connection.close()

    def control(self, scope: str, *, entries: bool | None = None, state: DesiredState | None = None) -> None:
        connection = connect(self.database.dsn("commander"), "test")
        try:
            set_control(connection, scope, by="trader", why="test", entries_allowed=entries, desired_state=state)
        finally:
            connection.close()
        self.controls()

    def bar(self, n: int = 1) -> list[tuple[Side, Reason]]:
        """Decide the n-th bar; answers what was sent to the exchange for it."""
        before = len(self.exchange.placed)
        bar = a_bar("100", n=n)
        self.clock.saw_bar(bar.end)
        self.host.round([bar], trade=True)
        return [
            (order.side, Reason.TIME_EXIT if order.reduce_only else Reason.ENTRY)
            for order in self.exchange.placed[before:]
        ]

    @property
    def denials(self) -> list[str]:
        return sorted(self.broker.denials.counts)

    def close(self) -> None:
        self.own.close()
        self.state.close()
        self.link.close()


@pytest.fixture
def world(redis_address: RedisAddress, database: Database) -> Iterator[World]:
    made = World(redis_address, database)
    yield made
    made.close()


ENTERED = [(Side.BUY, Reason.ENTRY)]
LONG = Position(Decimal("0.05"), Decimal(100))


def test_with_everything_in_order_it_enters_and_the_intent_is_in_the_ledger(world: World):
    assert world.bar() == ENTERED
    connection = connect(world.database.dsn("reader"), "test")
    try:
        stored = load_intent(connection, world.exchange.placed[0].order_link_id)
    finally:
        connection.close()
    assert stored is not None
    assert (stored.intent.quantity, stored.intent.reason, stored.outcome) == (
        Decimal("0.05"),
        Reason.ENTRY,
        IntentOutcome.ACCEPTED,
    )


def test_another_position_in_redis_changes_the_decision(world: World):
    # given a position that only Redis tells of
    world.position(LONG)
    # then the canary does not enter, and closes it three bars after it saw it first
    assert [world.bar(n) for n in (1, 2, 3, 4)] == [[], [], [], [(Side.SELL, Reason.TIME_EXIT)]]


def test_a_stale_position_blocks_the_entry(world: World):
    world.position(FLAT, age=timedelta(seconds=6))
    assert (world.bar(), world.denials) == ([], ["position_stale"])


def test_a_stale_position_does_not_block_the_exit(world: World):
    world.position(LONG)
    world.bar(1)
    world.position(LONG, age=timedelta(minutes=10))
    assert world.bar(4) == [(Side.SELL, Reason.TIME_EXIT)]


def test_a_position_that_vanished_from_redis_can_still_be_closed(world: World):
    world.position(LONG)
    world.bar(1)
    world.own.flushdb()
    world.state.flushdb()
    assert world.bar(4) == [(Side.SELL, Reason.TIME_EXIT)]


@pytest.mark.parametrize("garbage", ["", "x", "NaN", "1e"])
def test_what_nobody_can_read_in_redis_blocks_the_entry_and_not_the_exit(world: World, garbage: str):
    world.position(LONG)
    world.bar(1)
    for key in ("ticker:BTCUSDT", "feed", "listener:canary", "controls"):
        for field in world.state.hkeys(key):
            world.state.hset(key, field, garbage)
    world.own.hset("canary_001:position:BTCUSDT", mapping={"size": garbage, "seq": garbage})
    with world.broker.deciding(Decision.on_bar(start=a_bar("100", n=2).start, end=a_bar("100", n=2).end)):
        assert not world.broker.market(BTC, Side.BUY, Decimal("0.05")).accepted
    assert world.bar(4) == [(Side.SELL, Reason.TIME_EXIT)]


def test_a_missing_position_is_unknown_and_not_flat(world: World):
    world.own.flushdb()
    assert world.bar() == []


def _stop(scope: str) -> Callable[[World], None]:
    return lambda world: world.control(scope, entries=False)


@pytest.mark.parametrize(
    ("spoil", "denial"),
    [
        (lambda world: setattr(world, "lease_held", False), "no_lease"),
        (_stop(PLATFORM), "entries_stopped"),
        (_stop(bot_scope(BOT.id)), "entries_stopped"),
        (_stop("account:canary"), "entries_stopped"),
        (lambda world: world.control(bot_scope(BOT.id), state=DesiredState.STOPPED), "stopped"),
        (lambda world: world.controls(age=timedelta(seconds=6)), "controls_unknown"),
        (lambda world: world.state.delete("controls"), "controls_unknown"),
        (lambda world: world.listener("recovering"), "listener_not_live"),
        (lambda world: world.listener("live", age=timedelta(seconds=6)), "listener_not_live"),
        (lambda world: world.state.delete("listener:canary"), "listener_not_live"),
        (lambda world: world.position(FLAT, drifted=True), "drift"),
        (lambda world: world.progress.held.update({BTC: Decimal("0.01")}), "fills_missing"),
        (lambda world: world.feed("stale"), "feed_not_live"),
        (lambda world: world.state.delete(f"ticker:{BTC}"), "no_mark_price"),
        (lambda world: world.ticker(age=timedelta(seconds=61)), "market_data_stale"),
        (lambda world: world.ticker("103"), "price_collar"),
        (lambda world: setattr(world.progress, "catching_up", True), "catching_up"),
        (lambda world: world.progress.bars_missing.update({BTC: a_bar("100", n=1).end}), "bars_missing"),
    ],
)
def test_each_thing_that_is_wrong_blocks_the_entry_and_not_the_exit(
    world: World, spoil: Callable[[World], None], denial: str
):
    spoil(world)
    assert (world.bar(1), world.denials) == ([], [denial])
    world.position(LONG)
    world.bar(2)
    assert world.bar(5) == [(Side.SELL, Reason.TIME_EXIT)]


def test_an_older_position_never_takes_the_place_of_a_newer_one(world: World):
    # given a bot that has seen what it bought
    held = LivePosition(bot=BOT.id, symbol=BTC, position=LONG, seq=9, epoch=2, changed_at=now(), updated_at=now())
    world.own.hset(position_key(BOT.id, BTC), mapping=fields_of(held))
    assert world.live.position(BTC) is not None
    # when Redis says what was before, as from a copy of yesterday
    older = replace(held, position=FLAT, seq=8)
    world.own.hset(position_key(BOT.id, BTC), mapping=fields_of(older))
    # then it still holds what it holds, and opens nothing
    seen = world.live.position(BTC)
    assert seen is not None
    assert seen.quantity == LONG.quantity
    problem = world.live.position_problem(BTC)
    assert problem is not None
    assert problem.code == "position_unknown"
    # and what is newer again is believed
    world.own.hset(position_key(BOT.id, BTC), mapping=fields_of(replace(held, position=FLAT, seq=10)))
    now_flat = world.live.position(BTC)
    assert now_flat is not None
    assert now_flat.quantity == 0


def test_controls_of_another_bot_do_not_bind_this_one(world: World):
    world.control(bot_scope(BotId("canary_002")), entries=False)
    assert world.bar() == ENTERED


def test_entries_begin_again_when_the_control_is_lifted(world: World):
    world.control(PLATFORM, entries=False)
    assert world.bar(1) == []
    world.control(PLATFORM, entries=True)
    assert world.bar(2) == ENTERED


def test_no_second_entry_while_the_first_ones_fills_have_not_arrived(world: World):
    assert world.bar(1) == ENTERED
    # the order is known and nothing else: the schedule would allow the next entry at the 6th bar
    assert (world.bar(6), world.denials) == ([], ["order_open"])
    order = world.exchange.placed[0]
    world.host.fill(a_fill(Side.BUY, str(order.quantity), seq=1, link_id=order.order_link_id))
    # the fill makes 0.05 long, and the position in Redis has not followed yet
    assert world.bar(7) == []
    assert world.denials == ["fills_missing", "order_open"]


def test_while_redis_is_away_nothing_is_entered_and_what_was_held_is_closed(world: World, redis_address: RedisAddress):
    world.position(LONG)
    world.bar(1)
    nowhere = replace(redis_address, port=1)
    world.live._own, world.live._state = open_redis(nowhere, 3), open_redis(nowhere, STATE_DB)
    assert world.bar(4) == [(Side.SELL, Reason.TIME_EXIT)]
    with world.broker.deciding(Decision.on_bar(start=a_bar("1", n=5).start, end=a_bar("1", n=5).end)):
        assert world.broker.market(BTC, Side.BUY, Decimal(1)).code == "controls_unknown"
    assert cause_of(world.live.trouble) is Cause.REDIS_AWAY


def test_while_the_ledger_takes_no_writes_nothing_is_entered_and_nothing_is_taken_for_refused(world: World):
    name = world.database.owner.dbname
    with closing(connect(world.database.owner, "test")) as owner:
        owner.autocommit = True
        with owner.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    world.link.close()
    assert (world.bar(1), world.denials) == ([], ["journal_unavailable"])
    assert cause_of(world.link.trouble) is Cause.LEDGER_READ_ONLY
    # the state waits; a bot that took this for another copy's cursor would end
    saver = StateSaver(world.link, world.own, BOT.id)
    saver.save(1, Checkpoint())
    assert saver.is_behind
    world.position(LONG)
    world.bar(2)
    assert world.bar(5) == [(Side.SELL, Reason.TIME_EXIT)]


def test_without_the_ledger_nothing_is_entered_and_exits_go_out(world: World):
    world.link.close()
    world.link._dsn = replace(world.link._dsn, port=1)
    assert (world.bar(1), world.denials) == ([], ["journal_unavailable"])
    world.position(LONG)
    world.bar(2)
    assert world.bar(5) == [(Side.SELL, Reason.TIME_EXIT)]


def test_a_bot_sizes_by_its_equity_marked_to_market_and_by_the_last_wallet_while_the_exchange_is_away(world: World):
    # given a wallet that was told with the last fill, and marks that have moved since
    wallet = LiveWallet(
        account=BOT.account, equity=Decimal(1000), balance=Decimal(1000), available=Decimal(900), updated_at=now()
    )
    write_wallet(world.state, wallet)
    answers = [Decimal(950), Decimal(940), None]
    live, progress = world.live, world.progress
    live._bot, live._ask_equity = replace(BOT, capital_usdt=None), lambda: answers.pop(0)
    # then what the exchange says counts, asked for once at each moment of the market
    progress.see(a_bar("1", n=1).end)
    assert [live.equity(), live.equity()] == [Decimal(950)] * 2
    # and anew after a fill
    progress.cursor += 1
    assert live.equity() == Decimal(940)
    progress.see(a_bar("1", n=2).end)
    assert live.equity() == Decimal(1000)
    # Capital of its own is what it sizes by, whatever the account holds.
    live._bot = BOT
    assert live.equity() == BOT.capital_usdt
