"""Puts the paper exchange together and runs it until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import structlog
import uvloop
from aiohttp import web

from alpha.domain.clock import to_ms
from alpha.domain.errors import AlphaError
from alpha.domain.ids import Symbol
from alpha.service.shutdown import StopSignal
from paper_exchange.accounts import Accounts, load_accounts
from paper_exchange.market.instruments import Listing, listable, load_listings
from paper_exchange.market.source import MarketSource
from paper_exchange.market.synthetic import SyntheticMarket
from paper_exchange.market.upstream import Upstream
from paper_exchange.registered import registered
from paper_exchange.server.admin import Admin
from paper_exchange.server.admin_clock import AdminClock
from paper_exchange.server.broadcast import Broadcast
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.faults import Faults
from paper_exchange.server.http_front import HttpFront
from paper_exchange.server.journal import Journal
from paper_exchange.server.lockstep import Lockstep
from paper_exchange.server.market_loop import MarketLoop
from paper_exchange.server.private_stream import PrivateStream
from paper_exchange.server.public_stream import PublicStream
from paper_exchange.server.rate_limits import RateLimits
from paper_exchange.server.rest import Rest
from paper_exchange.server.sockets import IDLE_S, Keeping, enveloped
from paper_exchange.server.trade_stream import TradeStream
from paper_exchange.server.wall_clock import WallClock
from paper_exchange.state import InputLog

if TYPE_CHECKING:
    from paper_exchange.market.live import LiveMarket

log = structlog.get_logger()

LOOPBACK = "127.0.0.1"
_OBJECTS_BETWEEN_COLLECTIONS = 100_000
_LAST_ANSWERS_S = 1.0


class CannotStart(AlphaError):
    """The exchange cannot start as it was asked to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Everything the exchange is told at start.

    Who trades is in the file `accounts`, or in the bots.yaml `registry`; without `symbols` what the bots there trade is
    traded. The administration listens on loopback whatever `host` is. `speed` is market seconds per wall second. With
    `candles` a folder of candles is replayed, with `trades` one of public trades, with `live` that exchange is
    followed; else `seed` makes a synthetic market. `step` is the length of a step of trades and of a live market.
    `match` is "at-open" (an order meets the book at the open of the next bar) or "at-once". `lockstep` is "soft",
    "full" (from the start on for so many `bots`) or "off". With `paused` the market stands still until the
    administration resumes it. An empty `admin_token` means no administration port and no faults. `rate_limits` is "on"
    or "off". A socket whose client says nothing for `idle_s` seconds is cut.
    """

    port: int
    admin_port: int
    accounts: Path | None
    speed: float
    symbols: tuple[str, ...]
    journal: Path
    host: str = LOOPBACK
    registry: Path | None = None
    candles: Path | None = None
    trades: Path | None = None
    live: Upstream | None = None
    step: timedelta = timedelta(seconds=1)
    seed: int = 1
    state: Path | None = None
    match: str = "at-open"
    lockstep: str = "soft"
    bots: int = 0
    idle_s: float = IDLE_S
    rate_limits: str = "off"
    paused: bool = False
    admin_token: str = field(default="", repr=False)


def run(options: ServerOptions) -> None:
    """Serves until SIGTERM or SIGINT. Raises AlphaError with one line when it cannot start."""
    if options.paused and not options.admin_token:
        raise CannotStart("a paused market needs an administration; set ALPHA_EXCHANGE_ADMIN_TOKEN")
    exchange = build_exchange(options)
    stop = StopSignal().install()
    # Nearly all that is made here is kept: orders, executions, bars. Looking for garbage among it is for nothing.
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        uvloop.run(_serve(exchange, options, stop))
    finally:
        exchange.close()


def build_exchange(options: ServerOptions) -> Exchange:
    """The exchange as it was left, when there is a state; else at the start of its market. Raises AlphaError."""
    accounts, symbols = _accounts_and_symbols(options)
    listings = load_listings(symbols)
    if not listings:
        raise CannotStart("an exchange needs something to trade; name symbols, for example BTCUSDT,ETHUSDT")
    source = _source(options, listings)
    inputs = None
    if options.state is not None:
        inputs = InputLog(options.state, _header(source, accounts, options), later=("tiers",))
    exchange = Exchange(
        source=source,
        listings=listings,
        accounts=accounts,
        seed=options.seed,
        journal=Journal(options.journal, accounts, continued=options.state is not None),
        at_once=options.match == "at-once",
        has_risk_tiers=inputs is None or "tiers" in inputs.header,
    )
    if inputs is not None:
        steps = exchange.restore(inputs)
        log.info("state_restored", bars=steps, market_time=exchange.now.isoformat())
    return exchange


def _accounts_and_symbols(options: ServerOptions) -> tuple[Accounts, tuple[Symbol, ...]]:
    symbols = tuple(map(Symbol, options.symbols))
    if options.registry is not None:
        registry, accounts = registered(options.registry)
        if registry.trades_all:
            # A bot that trades all of it needs all there is to list.
            registry = registry.listing(listable(options.candles))
        return accounts, symbols or registry.symbols
    if options.accounts is None:
        raise CannotStart("an exchange needs accounts; give a file of them, or a bots.yaml")
    return load_accounts(options.accounts), symbols


def _source(options: ServerOptions, listings: dict[Symbol, Listing]) -> MarketSource:
    if options.live is not None:
        from paper_exchange.market.live import LiveMarket

        return LiveMarket(listings, options.live, options.state, step=options.step)
    try:
        return _recorded(options, listings) or SyntheticMarket(listings, seed=options.seed)
    except ModuleNotFoundError as error:
        raise CannotStart(
            f"a recorded market needs the package {error.name}, which the image of the paper exchange leaves out: run "
            "`alpha paper-exchange` on the machine itself"
        ) from error


def _recorded(options: ServerOptions, listings: dict[Symbol, Listing]) -> MarketSource | None:
    # What is not wanted is not imported: pyarrow costs a quarter of a second that others need not wait for.
    if options.trades is not None:
        from paper_exchange.market.trades import TradesMarket

        return TradesMarket(listings, options.trades, step=options.step)
    if options.candles is not None:
        from alpha.candles.store import CandleStore
        from paper_exchange.market.replay import ReplayMarket

        return ReplayMarket(listings, CandleStore(options.candles))
    return None


def _header(source: MarketSource, accounts: Accounts, options: ServerOptions) -> dict[str, object]:
    opened = [[account.uid, str(account.balance), account.position_mode] for account in accounts.all]
    header: dict[str, object] = {"market": source.description, "seed": options.seed, "accounts": opened}
    # States that are older than the risk tiers do not say so: those exchanges took what the tiers refuse.
    header["tiers"] = "graded"
    # States that are older than the choice are of exchanges that match at the open.
    return header if options.match == "at-open" else {**header, "match": options.match}


async def _serve(exchange: Exchange, options: ServerOptions, stop: StopSignal) -> None:
    clock, keeping = WallClock(), Keeping(options.idle_s)
    faults = Faults(clock) if options.admin_token else None
    exchange.lag = None if faults is None else faults.lag
    private = PrivateStream(exchange.accounts, clock, keeping, faults)
    public = PublicStream(exchange, clock, keeping)
    broadcast = Broadcast(exchange, private, public)
    lockstep = Lockstep(is_full=options.lockstep == "full", expected=options.bots)
    live = None if options.live is None else cast("LiveMarket", exchange.source)
    market = MarketLoop(
        exchange,
        broadcast,
        None if options.lockstep == "off" else lockstep,
        speed=options.speed,
        paused=options.paused,
        arrived=None if live is None else live.arrived,
    )
    limits = RateLimits() if options.rate_limits == "on" else None
    health = partial(_health, exchange, market)
    rest = Rest(exchange, broadcast, lockstep, clock, health, limits=limits, faults=faults)
    sockets = web.Application(middlewares=[enveloped])
    private.add_to(sockets)
    public.add_to(sockets)
    TradeStream(exchange, broadcast, clock, keeping, limits).add_to(sockets)
    async with AsyncExitStack() as stack:
        await _listen(stack, rest, sockets, options.host, options.port)
        if faults is not None:
            admin_clock = AdminClock(exchange, market, broadcast, lockstep, is_live=live is not None)
            admin = Admin(exchange, market, private, broadcast, admin_clock, faults, token=options.admin_token)
            runner = await _running(stack, admin.app())
            with _port(options.admin_port):
                await web.TCPSite(runner, LOOPBACK, options.admin_port).start()
        log.info(
            "paper_exchange_open",
            port=options.port,
            admin_port=options.admin_port if options.admin_token else None,
            symbols=list(exchange.listings),
            market=exchange.source.description["kind"],
            market_time=exchange.now.isoformat(),
            speed=options.speed,
            paused=options.paused,
        )
        await _until_stopped(market, live, stop)


async def _until_stopped(market: MarketLoop, live: LiveMarket | None, stop: StopSignal) -> None:
    working = {asyncio.create_task(market.run())}
    if live is not None:
        working.add(asyncio.create_task(live.follow()))
    stopped = asyncio.create_task(stop.wait_async())
    ended, _ = await asyncio.wait({*working, stopped}, return_when=asyncio.FIRST_COMPLETED)
    for task in ended - {stopped}:
        stopped.cancel()
        # Raises what ended the market.
        task.result()
    for task in working:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _listen(stack: AsyncExitStack, rest: Rest, sockets: web.Application, host: str, port: int) -> None:
    runner = await _running(stack, sockets)
    assert runner.server is not None
    front = HttpFront(rest, runner.server, {resource.canonical for resource in sockets.router.resources()})
    with _port(port):
        await front.listen(host, port)
    stack.push_async_callback(front.close, _LAST_ANSWERS_S)


async def _running(stack: AsyncExitStack, app: web.Application) -> web.AppRunner:
    # Sockets of clients that do not answer the closing handshake must not hold up the end.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_LAST_ANSWERS_S)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return runner


@contextmanager
def _port(port: int) -> Iterator[None]:
    """Raises CannotStart for a port that cannot be had."""
    try:
        yield
    except OSError as error:
        raise CannotStart(f"port {port} cannot be opened: {error.strerror}; choose another one") from error


def _health(exchange: Exchange, market: MarketLoop) -> dict[str, object]:
    return {
        "ok": market.held_by is None,
        "market_time": to_ms(exchange.now),
        "bars": exchange.steps,
        "paused": market.paused,
        "ended": market.ended,
        "held_by": market.held_by,
    }
