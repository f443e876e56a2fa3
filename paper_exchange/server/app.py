"""Puts the exchange together and runs it."""

from __future__ import annotations

import asyncio
import secrets
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import structlog
from aiohttp import web

from alpha.candles.store import CandleStore
from alpha.domain.errors import AlphaError
from alpha.domain.ids import Symbol
from paper_exchange.accounts import load_accounts
from paper_exchange.market.instruments import load_listings
from paper_exchange.market.replay import ReplayMarket
from paper_exchange.market.source import MarketSource
from paper_exchange.market.synthetic import SyntheticMarket
from paper_exchange.server.admin import Admin
from paper_exchange.server.auth import KeyRing
from paper_exchange.server.exchange import PaperExchange
from paper_exchange.server.lockstep import Lockstep
from paper_exchange.server.market_loop import MarketLoop
from paper_exchange.server.market_view import MarketView
from paper_exchange.server.publishing import Publisher
from paper_exchange.server.routes import Routes
from paper_exchange.server.sockets import Hub
from paper_exchange.state import InputLog

log = structlog.get_logger()
LOOPBACK = "127.0.0.1"


class CannotServe(AlphaError):
    """A port is taken, or a file cannot be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What `alpha paper-exchange` is told. `speed` is market seconds per wall second."""

    port: int
    admin_port: int
    accounts: Path
    symbols: tuple[str, ...]
    journal: Path
    speed: float = 1.0
    candles: Path | None = None
    seed: int = 1
    state: Path | None = None
    lockstep: Literal["soft", "off"] = "soft"
    paused: bool = False
    admin_token: str = field(default="", repr=False)


def run(options: ServerOptions) -> None:
    """Serves until SIGTERM or Ctrl-C. Raises AlphaError when it cannot begin."""
    asyncio.run(_serve(options))


async def _serve(options: ServerOptions) -> None:
    accounts = load_accounts(options.accounts)
    listings = load_listings(Symbol(name) for name in options.symbols)
    market: MarketSource = (
        SyntheticMarket(listings, seed=options.seed)
        if options.candles is None
        else ReplayMarket(listings, CandleStore(options.candles))
    )
    identity = {**market.description, "seed": options.seed, "accounts": [account.uid for account in accounts]}
    inputs = InputLog(options.state, identity) if options.state is not None else None
    try:
        journal = options.journal.open("w")
    except OSError as error:
        raise CannotServe(f"the journal {options.journal} cannot be written: {error.strerror}") from error
    exchange = PaperExchange(
        accounts=accounts, listings=listings, market=market, seed=options.seed, journal=journal, inputs=inputs
    )
    keys, view = KeyRing(accounts), MarketView(exchange)
    hub = Hub(keys)
    publisher = Publisher(exchange, view, hub)
    lockstep = Lockstep() if options.lockstep == "soft" else None
    loop = MarketLoop(exchange, publisher, lockstep, speed=options.speed, paused=options.paused)
    routes = Routes(exchange, view, publisher, keys, hub, lockstep)
    token = options.admin_token or secrets.token_urlsafe(24)
    runners = [
        await _listen(routes.application(), options.port),
        await _listen(Admin(exchange, loop, hub, token).application(), options.admin_port),
    ]
    log.info(
        "exchange_ready",
        port=options.port,
        market=identity["kind"],
        symbols=list(listings),
        market_time=exchange.now.isoformat(),
        accounts=[account.name for account in accounts],
    )
    moving = asyncio.create_task(loop.run())
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({moving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for task in (moving, stopping):
        task.cancel()
    await asyncio.gather(moving, stopping, return_exceptions=True)
    for runner in runners:
        await runner.cleanup()
    journal.close()
    if inputs is not None:
        inputs.close()
    if moving in done:
        moving.result()


async def _listen(application: web.Application, port: int) -> web.AppRunner:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, port).start()
    except OSError as error:
        await runner.cleanup()
        raise CannotServe(f"cannot listen on {LOOPBACK}:{port}: {error.strerror}; choose another port") from error
    return runner
