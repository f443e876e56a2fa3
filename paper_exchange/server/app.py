"""Puts the paper exchange together and runs it until it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from aiohttp import web

from alpha.domain.clock import to_ms
from alpha.domain.errors import AlphaError
from alpha.domain.ids import Symbol
from alpha.service.shutdown import StopSignal
from paper_exchange.accounts import Accounts, load_accounts
from paper_exchange.market.instruments import Listing, load_listings
from paper_exchange.market.source import MarketSource
from paper_exchange.market.synthetic import SyntheticMarket
from paper_exchange.server.admin import Admin
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.faults import Faults
from paper_exchange.server.journal import Journal
from paper_exchange.server.lockstep import Lockstep
from paper_exchange.server.market_loop import MarketLoop
from paper_exchange.server.private_stream import PrivateStream
from paper_exchange.server.public_stream import PublicStream
from paper_exchange.server.rate_limits import RateLimits
from paper_exchange.server.rest import Rest
from paper_exchange.server.wall_clock import WallClock
from paper_exchange.state import InputLog

log = structlog.get_logger()

LOOPBACK = "127.0.0.1"


class CannotStart(AlphaError):
    """The exchange cannot start as it was asked to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Everything the exchange is told at start.

    `speed` is market seconds per wall second. With `candles` a folder is replayed, else `seed` makes a synthetic
    market. `lockstep` is "soft" or "off". With `paused` the market stands still until the administration resumes it.
    An empty `admin_token` means no administration port and
    no faults. `rate_limits` is "on" or "off".
    """

    port: int
    admin_port: int
    accounts: Path
    speed: float
    symbols: tuple[str, ...]
    journal: Path
    candles: Path | None = None
    seed: int = 1
    state: Path | None = None
    lockstep: str = "soft"
    rate_limits: str = "off"
    paused: bool = False
    admin_token: str = field(default="", repr=False)


def run(options: ServerOptions) -> None:
    """Serves until SIGTERM or SIGINT. Raises AlphaError with one line when it cannot start."""
    if options.paused and not options.admin_token:
        raise CannotStart("a paused market needs an administration; set ALPHA_EXCHANGE_ADMIN_TOKEN")
    exchange = build_exchange(options)
    stop = StopSignal().install()
    try:
        asyncio.run(_serve(exchange, options, stop))
    finally:
        exchange.close()


def build_exchange(options: ServerOptions) -> Exchange:
    """The exchange as it was left, when there is a state; else at the start of its market. Raises AlphaError."""
    accounts = load_accounts(options.accounts)
    listings = load_listings(Symbol(symbol) for symbol in options.symbols)
    if not listings:
        raise CannotStart("an exchange needs something to trade; name symbols, for example BTCUSDT,ETHUSDT")
    source = _source(options, listings)
    exchange = Exchange(
        source=source,
        listings=listings,
        accounts=accounts,
        seed=options.seed,
        journal=Journal(options.journal, accounts, continued=options.state is not None),
    )
    if options.state is not None:
        steps = exchange.restore(InputLog(options.state, _header(source, accounts, options.seed)))
        log.info("state_restored", bars=steps, market_time=exchange.now.isoformat())
    return exchange


def _source(options: ServerOptions, listings: dict[Symbol, Listing]) -> MarketSource:
    if options.candles is None:
        return SyntheticMarket(listings, seed=options.seed)
    # Imported where it is used: pyarrow costs a quarter of a second that the synthetic market need not wait for.
    from alpha.candles.store import CandleStore
    from paper_exchange.market.replay import ReplayMarket

    return ReplayMarket(listings, CandleStore(options.candles))


def _header(source: MarketSource, accounts: Accounts, seed: int) -> dict[str, object]:
    opened = [[account.uid, str(account.balance), account.position_mode] for account in accounts.all]
    return {"market": source.description, "seed": seed, "accounts": opened}


async def _serve(exchange: Exchange, options: ServerOptions, stop: StopSignal) -> None:
    clock = WallClock()
    faults = Faults(clock) if options.admin_token else None
    exchange.lag = None if faults is None else faults.lag
    private = PrivateStream(exchange.accounts, exchange.listings, clock, faults)
    public = PublicStream(exchange, clock)
    lockstep = Lockstep()
    market = MarketLoop(
        exchange,
        private,
        public,
        lockstep if options.lockstep == "soft" else None,
        speed=options.speed,
        paused=options.paused,
    )
    app = web.Application(client_max_size=1 << 20)
    limits = RateLimits() if options.rate_limits == "on" else None
    Rest(exchange, private, lockstep, clock, limits=limits, faults=faults).add_to(app)
    private.add_to(app)
    public.add_to(app)
    app.router.add_get("/healthz", _health(exchange, market))
    async with AsyncExitStack() as stack:
        await _listen(stack, app, options.port)
        if faults is not None:
            admin = Admin(exchange, market, private, faults, token=options.admin_token)
            await _listen(stack, admin.app(), options.admin_port)
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
        await _until_stopped(market, stop)


async def _until_stopped(market: MarketLoop, stop: StopSignal) -> None:
    moving = asyncio.create_task(market.run())
    stopped = asyncio.create_task(stop.wait_async())
    await asyncio.wait({moving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if moving.done():
        stopped.cancel()
        # Raises what ended the market.
        moving.result()
    moving.cancel()
    with suppress(asyncio.CancelledError):
        await moving


async def _listen(stack: AsyncExitStack, app: web.Application, port: int) -> None:
    # Sockets of clients that do not answer the closing handshake must not hold up the end.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, LOOPBACK, port).start()
    except OSError as error:
        raise CannotStart(f"port {port} cannot be opened: {error.strerror}; choose another one") from error


def _health(exchange: Exchange, market: MarketLoop) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def health(request: web.Request) -> web.Response:  # noqa: ARG001
        return web.json_response(
            {
                "ok": True,
                "market_time": to_ms(exchange.now),
                "bars": exchange.steps,
                "paused": market.paused,
                "ended": market.ended,
            }
        )

    return health
