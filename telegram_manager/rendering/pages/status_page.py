"""`/status` and `/health`: the platform, and one bot of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from alpha.bot.result import LimitStanding
from alpha.live.health import ListenerHealth
from alpha.live.positions import LivePosition
from telegram_manager.rendering import amounts
from telegram_manager.rendering.answer import (
    Align,
    Answer,
    Block,
    Button,
    Column,
    Facts,
    Table,
    Text,
    Tone,
    answer_of,
)
from telegram_manager.seeing.facts import BotStatus, Status
from telegram_manager.seeing.standing import Standing

_BOT_COLUMNS = (
    Column("bot"),
    Column("state", unlabelled=True),
    Column("position", unlabelled=True),
    Column("today", Align.RIGHT, begins=True),
    Column("up", Align.RIGHT, begins=True),
    Column("beat", Align.RIGHT),
    Column("last fill", begins=True),
)

_LIMIT_UNITS = {"_usdt": "USDT", "_percent": "%"}
"""How the names of limits end, and what they are in; the others count."""


def status_page(status: Status) -> Answer:
    """Every bot, then the platform, then what is not as it should be."""
    bots = tuple(_bot_row(status, bot) for bot in status.bots)
    buttons = [Button("Positions", "/positions"), Button("Orders", "/orders"), Button("Health", "/health")]
    return answer_of(
        [
            Text(headline(status), Tone.HEADING),
            *(Text(problem, Tone.WARNING) for problem in status.problems),
            Table(_BOT_COLUMNS, bots),
            Facts(tuple(platform_rows(status)), title="Platform"),
            _dated(status),
        ],
        buttons=[buttons],
        ok=status.ok,
    )


def bot_status_page(status: Status, bot: BotStatus) -> Answer:
    """One bot in detail: positions, limits, results."""
    mine = [problem for problem in status.problems if f"bot {bot.id}" in problem]
    return answer_of(
        [
            Text(f"{bot.id} {bot.standing.value}", Tone.HEADING),
            Text(_sentence(bot.why)),
            *(Text(problem, Tone.WARNING) for problem in mine),
            Facts(tuple(_bot_rows(status, bot))),
            *(Facts(tuple(position_rows(live, status.at)), title=str(live.symbol)) for live in bot.positions),
            _limits(bot),
            _dated(status),
        ],
        buttons=[
            [Button("Fills", f"/fills {bot.id}"), Button("Trades", f"/trades {bot.id}")],
            [Button("Analytics", f"/analytics {bot.id} 30"), Button("Logs", f"/logs {bot.id}")],
        ],
        ok=not mine,
    )


def health_page(status: Status) -> Answer:
    """What is not as it should be and what to do, and every service."""
    services = tuple(
        (service, "well" if not modes else "; ".join(f"{mode['part']}: {mode['cause']}" for mode in modes))
        for service, modes in sorted(status.degraded.items())
    )
    processes = tuple((name, "down" if pid is None else f"pid {pid}") for name, pid in status.pids.items())
    return answer_of(
        [
            Text(headline(status), Tone.HEADING),
            *(Text(problem, Tone.WARNING) for problem in status.problems),
            Facts(tuple(platform_rows(status)), title="Platform"),
            Facts(services, title="Services"),
            Facts(processes, title="Processes"),
            _dated(status),
        ],
        ok=status.ok,
    )


def headline(status: Status) -> str:
    """`All well, paper: 4 bots running, 1 paused`"""
    counted = {standing: sum(bot.standing is standing for bot in status.bots) for standing in Standing}
    bots = ", ".join(f"{number} {standing.value}" for standing, number in counted.items() if number)
    calm = "A kill holds" if counted[Standing.KILLED] else "All well"
    head = calm if status.ok else amounts.count(len(status.problems), "problem")
    return f"{head}, {status.mode}: {bots or 'no bots'}"


def platform_rows(status: Status) -> Iterator[tuple[str, str]]:
    """Streams, feed, ledger, coverage, drift, pools, memory, disk, backup."""
    for name, health in status.accounts.items():
        yield f"stream {name}", stream_words(health, status.at)
    if status.live_known:
        yield "feed", _feed(status)
    yield "ledger", _ledger(status)
    for name, health in status.accounts.items():
        yield f"coverage {name}", _coverage(status, name, health)
    yield "drift", _drift(status)
    yield "database", _database(status)
    if status.is_pooled:
        yield "PgBouncer", _pools(status)
    memory = status.memory
    if memory is not None:
        limit = "no limit" if not memory.limit else f"of {amounts.size(memory.limit)}"
        yield "Redis", f"{amounts.size(memory.used)}, {limit}"
    if status.disk is not None:
        yield "disk", f"{amounts.size(status.disk.free)} free, {amounts.percent(status.disk.free_percent)}"
    yield "backup", _backup(status)


def stream_words(health: ListenerHealth | None, at: datetime) -> str:
    """`live, frame 0.4 s ago, 0 waiting`"""
    if health is None:
        return "not heard"
    state = health.state if health.is_live(at) or health.state != "live" else "silent"
    frame = "no frame yet" if health.last_frame_at is None else f"frame {_ago(at, health.last_frame_at)}"
    return f"{state}, {frame}, {health.backlog} waiting"


def position_words(live: LivePosition) -> str:
    """`BTCUSDT +0.012 at 64,012.50 (+1.23)`, in brackets unrealized P&L in USDT."""
    unrealized = "" if live.unrealized_pnl is None else f" ({amounts.signed(live.unrealized_pnl)})"
    held = amounts.position(live.position.quantity)
    return f"{live.symbol} {held} at {amounts.price(live.position.entry_price)}{unrealized}"


def position_rows(live: LivePosition, at: datetime) -> Iterator[tuple[str, str]]:
    yield "position", f"{amounts.position(live.position.quantity)} at {amounts.price(live.position.entry_price)}"
    yield "mark", amounts.price(live.mark_price)
    yield "unrealized", amounts.usdt(live.unrealized_pnl)
    yield "stop", "none" if live.stop_loss is None else amounts.price(live.stop_loss)
    if live.take_profit is not None:
        yield "take profit", amounts.price(live.take_profit)
    if live.trailing_stop is not None:
        yield "trailing stop", amounts.price(live.trailing_stop)
    yield "liquidation", amounts.price(live.liq_price)
    if live.drifted:
        yield "drift", "ledger and exchange disagree"
    if not live.is_confirmed:
        yield "as of", "the ledger; the exchange has not confirmed it yet"
    elif not live.is_fresh(at):
        yield "as of", f"{_ago(at, live.updated_at)}: not fresh"


def _bot_row(status: Status, bot: BotStatus) -> tuple[str, ...]:
    state = bot.standing.value + (f" ({bot.why})" if bot.why else "")
    held = ", ".join(map(position_words, bot.positions)) or ("flat" if status.live_known else amounts.NOT_KNOWN)
    beat = bot.beat_age(status.at)
    return (
        bot.id,
        state,
        held,
        _today(status, bot),
        amounts.NONE if bot.uptime(status.at) is None else amounts.duration(bot.uptime(status.at)),
        amounts.NONE if beat is None else amounts.duration(beat),
        _last_fill(status, bot),
    )


def _bot_rows(status: Status, bot: BotStatus) -> Iterator[tuple[str, str]]:
    at = status.at
    yield "account", bot.account
    uptime, beat = bot.uptime(at), bot.beat_age(at)
    yield "up", "no" if uptime is None else amounts.duration(uptime)
    yield "heartbeat", "none" if beat is None else f"{amounts.duration(beat)} ago"
    if not bot.positions:
        yield "position", "flat" if status.live_known and not bot.stale else amounts.NOT_KNOWN
    yield "open orders", str(len(bot.orders)) if status.live_known else amounts.NOT_KNOWN
    yield "today", _today(status, bot)
    if bot.today is not None:
        yield "today's trades", f"{bot.today.trades} closed, {amounts.count(bot.today.fills, 'fill')}"
    yield "last fill", _last_fill(status, bot)
    if status.ledger_known:
        yield "all time", f"{amounts.usdt(bot.net_pnl)} net"
        yield (
            "of which",
            f"{amounts.signed(bot.realized_pnl)} price, {amounts.signed(-bot.fees)} fees, "
            + (f"{amounts.signed(bot.funding)} funding"),
        )
        yield "ever", f"{amounts.count(bot.trades, 'trade')}, {amounts.count(bot.fills, 'fill')}"


def _today(status: Status, bot: BotStatus) -> str:
    if not status.ledger_known:
        return amounts.NOT_KNOWN
    return "0.00 USDT" if bot.today is None else amounts.usdt(bot.today.result)


def _last_fill(status: Status, bot: BotStatus) -> str:
    if not status.ledger_known:
        return amounts.NOT_KNOWN
    fill = bot.last_fill
    if fill is None:
        return "none"
    return f"{amounts.moment(fill.at)} {fill.side} {amounts.quantity(fill.quantity)} {fill.symbol}"


def _limits(bot: BotStatus) -> Facts:
    return Facts(tuple(_limit(limit) for limit in bot.limits), title="Limits")


def _limit(limit: LimitStanding) -> tuple[str, str]:
    """How much of it is used, in the unit that its name ends with."""
    suffix = next((suffix for suffix in _LIMIT_UNITS if limit.name.endswith(suffix)), "")
    unit = _LIMIT_UNITS.get(suffix, "")

    def number(amount: Decimal) -> str:
        return f"{amount:,.2f}" if unit else amounts.quantity(amount)

    used = "not known" if limit.value is None else number(limit.value)
    reached = ", reached" if limit.reached else ""
    return limit.name.removesuffix(suffix).replace(
        "_", " "
    ), f"{used} of {number(limit.bound)} {unit}".rstrip() + reached


def _feed(status: Status) -> str:
    feed = status.feed
    if feed is None:
        return "silent"
    state = feed.state if feed.is_live(status.at) else f"silent (was {feed.state})"
    bar = "" if feed.last_bar_at is None else f", last bar {amounts.moment(feed.last_bar_at)}"
    return state + bar


def _ledger(status: Status) -> str:
    database = status.database
    if database is None:
        return "PostgreSQL does not answer"
    if database.last_recorded_at is None or database.lag_s is None:
        return "no fill yet"
    lag = (
        amounts.duration(timedelta(seconds=database.lag_s))
        if database.lag_s >= 1
        else f"{database.lag_s * 1000:.0f} ms"
    )
    return f"{lag} behind, {amounts.count(database.fills, 'fill')}, last {_ago(status.at, database.last_recorded_at)}"


def _coverage(status: Status, name: str, health: ListenerHealth | None) -> str:
    if health is None or health.proven_until is None:
        return "nothing proven yet"
    standing = next((each for account, each in status.standings.items() if account == name), None)
    doubts = "" if standing is None or not standing.unproven else f", {len(standing.unproven)} unproven"
    return f"proven until {amounts.moment(health.proven_until)}{doubts}"


def _drift(status: Status) -> str:
    if not status.ledger_known:
        return amounts.NOT_KNOWN
    blocking = sum(standing.drift_blocking for standing in status.standings.values())
    accepted = sum(standing.drift_accepted for standing in status.standings.values())
    said = [f"{blocking} open"] if blocking else ["none"]
    return ", ".join(said + ([f"{accepted} accepted"] if accepted else []))


def _database(status: Status) -> str:
    database = status.database
    if database is None:
        return "does not answer"
    return f"{database.connections} of {database.most_connections} connections, {amounts.size(database.size_bytes)}"


def _pools(status: Status) -> str:
    pools = status.pools
    if pools is None:
        return "does not tell its pools"
    waiting = f"{pools.clients_waiting} waiting" + (f" for {pools.waiting_s:.0f} s" if pools.clients_waiting else "")
    return f"{pools.clients_active} served, {waiting}, {pools.servers} connections"


def _backup(status: Status) -> str:
    if not status.ledger_known:
        return amounts.NOT_KNOWN
    return "none" if status.backup is None else f"verified {_ago(status.at, status.backup.taken_at)}"


def _dated(status: Status) -> Block:
    market = status.market_at
    shifted = market is not None and abs(market - status.at) > timedelta(minutes=15)
    also = f"; the market's clock says {market:%Y-%m-%d %H:%M}" if shifted else ""
    return Text(f"{amounts.exact_moment(status.at)}{also}", Tone.NOTE)


def _ago(at: datetime, then: datetime) -> str:
    return f"{amounts.duration(max(at - then, timedelta(0)))} ago"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
