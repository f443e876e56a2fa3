"""The command centre: `/status` of twenty bots, `/analytics` over a million fills, and a kill's first cancel."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median

from pydantic import SecretStr

from alpha.config.registry import BotConfig, Registry, load_registry
from alpha.config.settings import Settings
from alpha.domain.ids import AccountName
from alpha.domain.position import Position
from alpha.ledger.connection import Dsn, connect
from alpha.ledger.rollups import fold_closed_days
from alpha.live.bot_keys import position_key
from alpha.live.connection import STATE_DB, RedisAddress, open_redis
from alpha.live.health import (
    FeedHealth,
    Heartbeat,
    ListenerHealth,
    write_feed_health,
    write_heartbeat,
    write_listener_health,
)
from alpha.live.positions import LivePosition, fields_of
from alpha.live.wallet import LiveWallet, write_wallet
from benchmarks import killing
from benchmarks.figures import Figure, Section, Unit, at_most
from benchmarks.growth_ledger import BOTS_OF_ACCOUNT, SYMBOLS, GrowthLedger
from benchmarks.scene import BenchmarkFailed
from benchmarks.servers import Servers
from telegram_manager.actor import Actor, Role
from telegram_manager.asking import ask
from telegram_manager.command_table import COMMANDS
from telegram_manager.context import Context
from telegram_manager.parsing import parse
from telegram_manager.rendering import telegram

_BOTS = 20
_FILLS, _FILLS_QUICK = 1_000_000, 100_000
_FULL = 10 * _FILLS
"""As densely as ten million over three years, so that a month holds a quarter of them."""
_ASKED, _ASKED_CHARTS = 20, 5
_KILLS, _KILLS_QUICK = 12, 4
_HOW = (
    "{fills:,} fills of 50 bots over {days} days, generated; the registry has {bots} of the bots, all with fresh live "
    "state. From the text of the command to the pages and the picture that are sent, each time on new connections: "
    "median, and the slowest, of {asked} ({charts} with a chart), in a process that has answered before."
)


def measure(servers: Servers, *, quick: bool) -> Section:
    ledger = GrowthLedger(fills=_FILLS_QUICK if quick else _FILLS, full=_FULL)
    owner, _ = servers.fresh()
    try:
        with closing(connect(owner, "bench", statement_timeout_s=3600)) as connection:
            ledger.load(connection)
            while fold_closed_days(connection):
                pass
            connection.autocommit = True
            with connection.cursor() as cursor:
                # As autovacuum leaves it.
                cursor.execute("VACUUM (ANALYZE)")
        address = servers.valkey.address()
        context = _context(owner, address, servers.home)
        figures = _figures(context, lambda: _live(address, context.registry, ledger.end))
    finally:
        servers.postgres.drop_database(owner.dbname)
    days = (ledger.end - ledger.time(0)).days
    how = _HOW.format(fills=ledger.fills, days=days, bots=_BOTS, asked=_ASKED, charts=_ASKED_CHARTS)
    kills = _KILLS_QUICK if quick else _KILLS
    how += " " + killing.HOW.format(kills=kills)
    figures += killing.figures(servers, kills=kills)
    return Section("telegram", "The command centre", how, tuple(figures))


def _figures(context: Context, refresh: Callable[[], None]) -> list[Figure]:
    found = []
    for text, asked, bound in (
        ("/status", _ASKED, 300),
        ("/status growth_bot_00", _ASKED, 300),
        ("/positions", _ASKED, None),
        ("/fills 50", _ASKED, None),
        ("/trades 50", _ASKED, None),
        ("/daily 30", _ASKED, None),
        ("/analytics all 7", _ASKED_CHARTS, 1500),
        ("/analytics all 30", _ASKED_CHARTS, 1500),
        ("/analytics all 365", _ASKED_CHARTS, 1500),
        ("/analytics growth_bot_00 30", _ASKED_CHARTS, 1500),
    ):
        took_ms = []
        for _ in range(asked + 1):
            refresh()
            began = time.perf_counter()
            _answered(context, text)
            took_ms.append((time.perf_counter() - began) * 1000)
        warm = took_ms[1:]
        found += [
            Figure(text, median(warm), Unit.MS, None if bound is None else at_most(bound)),
            Figure(f"{text}, the slowest", max(warm), Unit.MS),
        ]
    return found


def _answered(context: Context, text: str) -> None:
    """What the door does between an update and the first request to Telegram. Raises BenchmarkFailed."""
    answer = ask(context, parse(text, context.registry, context.commands))
    if not answer.ok:
        raise BenchmarkFailed(f"{text}: {telegram.pages(answer)[0]}")
    if not telegram.pages(answer) or ("analytics" in text and not telegram.pictures(answer)):
        raise BenchmarkFailed(f"{text} answers nothing to send")


def _context(owner: Dsn, address: RedisAddress, home: Path) -> Context:
    settings = Settings(
        postgres_host=owner.host,
        postgres_port=owner.port,
        postgres_db=owner.dbname,
        postgres_user=owner.user,
        postgres_password=SecretStr(owner.password),
        redis_host=address.host,
        redis_port=address.port,
        redis_password=SecretStr(address.password),
        alpha_home=home,
    )
    return Context(settings=settings, registry=_registry(home), actor=Actor("bench", Role.VIEWER), commands=COMMANDS)


def _registry(folder: Path) -> Registry:
    """The first bots of the ledger, five on each account."""
    lines = ["accounts:"]
    for number in range(_BOTS // BOTS_OF_ACCOUNT):
        lines.append(f"  growth_{number:02}: {{key_env: G{number}_API_KEY, secret_env: G{number}_API_SECRET}}")
    lines.append("bots:")
    databases = [number for number in range(64) if number not in (10, 11, 12)]
    for bot in range(_BOTS):
        symbols = ", ".join(f"S{bot}{number}USDT" for number in range(SYMBOLS))
        lines.append(
            f"  - {{id: growth_bot_{bot:02}, code: g{bot:02}, account: growth_{bot // BOTS_OF_ACCOUNT:02}, "
            f"strategy: 'strategies.canary:Canary', redis_db: {databases[bot]}, symbols: [{symbols}], "
            "capital_usdt: 10000}"
        )
    path = folder / "bots.yaml"
    path.write_text("\n".join(lines) + "\n")
    return load_registry(path)


def _live(address: RedisAddress, registry: Registry, market_at: datetime) -> None:
    """Everything fresh, half of the positions open."""
    now = datetime.now(UTC)
    with open_redis(address, STATE_DB) as state:
        write_feed_health(state, FeedHealth(state="live", last_frame_at=now, last_bar_at=market_at, updated_at=now))
        for account in registry.accounts:
            _live_account(address, account, market_at, now)
    for bot in registry.bots.values():
        _live_bot(address, bot, market_at, now)


def _live_account(address: RedisAddress, account: AccountName, market_at: datetime, now: datetime) -> None:
    with open_redis(address, STATE_DB) as state:
        write_listener_health(
            state,
            ListenerHealth(
                account=account,
                state="live",
                since=now,
                epoch=1,
                last_frame_at=now,
                proven_until=market_at,
                backlog=0,
                drifted=False,
                updated_at=now,
            ),
        )
        money = Decimal(10_000)
        write_wallet(
            state,
            LiveWallet(account=account, equity=money, balance=money, available=money, epoch=1, updated_at=now),
        )


def _live_bot(address: RedisAddress, bot: BotConfig, market_at: datetime, now: datetime) -> None:
    with open_redis(address, bot.redis_db) as redis:
        write_heartbeat(
            redis,
            Heartbeat(
                bot=bot.id,
                state="running",
                pid=1,
                run="bench",
                last_bar_at=market_at,
                updated_at=now,
                started_at=now - timedelta(hours=5),
            ),
        )
        for number, symbol in enumerate(bot.symbols):
            held = Position(Decimal("0.5"), Decimal(1000)) if number % 2 else Position(Decimal(0), Decimal(0))
            position = LivePosition(
                bot=bot.id,
                symbol=symbol,
                position=held,
                mark_price=Decimal(1001),
                unrealized_pnl=Decimal("0.5") if number % 2 else Decimal(0),
                stop_loss=Decimal(950) if number % 2 else None,
                changed_at=now,
                updated_at=now,
            )
            redis.hset(position_key(bot.id, symbol), mapping=fields_of(position))
