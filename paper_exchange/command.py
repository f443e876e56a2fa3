"""The command line of the exchange: its options, and from them to a server."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from paper_exchange.market.upstream import MAINNET_REST, MAINNET_STREAM, Upstream

if TYPE_CHECKING:
    from paper_exchange.server.app import ServerOptions

ADMIN_TOKEN_VARIABLE = "ALPHA_EXCHANGE_ADMIN_TOKEN"

HELP = """Runs the local exchange that speaks Bybit's V5 API.

Clients need nothing but another address, and a key of the accounts file:
[{"name": "me", "uid": 1, "api_key": "KEY", "api_secret": "SECRET", "balance_usdt": "10000"}].
The administration port opens when ALPHA_EXCHANGE_ADMIN_TOKEN is set.
"""

F = TypeVar("F", bound=Callable[..., Any])

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_PORT = click.IntRange(0, 65535)
LOOPBACK = "127.0.0.1"


class _Above(click.ParamType[float]):
    """A finite number above 0."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError):
            self.fail(f"{value!r} is not a number.", param, ctx)
        if not 0 < number < float("inf"):
            self.fail(f"{value} is not above 0.", param, ctx)
        return number


_OPTIONS = (
    click.option("--host", default=LOOPBACK, show_default=True, help="Address of REST and streams."),
    click.option("--port", type=_PORT, default=8787, show_default=True, help="REST and streams."),
    click.option("--admin-port", type=_PORT, default=8788, show_default=True, help="Administration, on loopback."),
    click.option("--accounts", type=_FILE, help="JSON file of accounts and keys."),
    click.option(
        "--registry", type=_FILE, help="Instead: the accounts of this bots.yaml, their keys from the environment."
    ),
    click.option("--symbols", metavar="A,B", help="What is traded.  [default with --registry: what its bots trade]"),
    click.option("--journal", type=_FILE, required=True, help="Each execution, one JSON line."),
    click.option(
        "--state", type=click.Path(file_okay=False, path_type=Path), help="Where to keep what a restart needs."
    ),
    click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the synthetic market."),
    click.option("--candles", type=_FOLDER, help="Replay the candles of this folder."),
    click.option("--trades", type=_FOLDER, help="Replay the public trades of this folder (public.bybit.com/trading)."),
    click.option("--live", is_flag=True, help="Follow Bybit's own public prices; needs a network and no keys."),
    click.option("--live-rest-url", default=MAINNET_REST, show_default=True, help="Whom --live asks for the past."),
    click.option("--live-stream-url", default=MAINNET_STREAM, show_default=True, help="Whom --live follows."),
    click.option(
        "--history-minutes", type=click.IntRange(min=1), default=30_000, show_default=True, help="Past of --live."
    ),
    click.option(
        "--step", type=_Above(), default=1.0, show_default=True, help="Seconds of a step of --trades and --live."
    ),
    click.option("--speed", type=_Above(), default=1.0, show_default=True, help="Market seconds per second."),
    click.option(
        "--match",
        type=click.Choice(["at-open", "at-once"]),
        help="When an order meets the book: at the open of the next bar, or when it is sent.  "
        "[default: at-open, with --live at-once]",
    ),
    click.option(
        "--lockstep",
        type=click.Choice(["soft", "full", "off"]),
        default="soft",
        show_default=True,
        help="Whether a bar waits for its bots: 250 ms, as long as it takes, or not.",
    ),
    click.option("--bots", type=click.IntRange(min=0), default=0, help="Full lockstep begins with so many bots."),
    click.option(
        "--rate-limits", type=click.Choice(["on", "off"]), default="off", show_default=True, help="Bybit's limits."
    ),
    click.option(
        "--idle-s", type=_Above(), default=600.0, show_default=True, help="Cut a socket that was silent for so long."
    ),
    click.option("--paused", is_flag=True, help="The market moves after POST /admin/resume only."),
)


def with_options(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def options_of(**given: Any) -> ServerOptions:
    """What was given on the command line, as the server takes it. Raises click.UsageError."""
    from paper_exchange.server.app import ServerOptions

    sources = [name for name in ("candles", "trades", "live") if given[name]]
    if len(sources) > 1:
        raise click.UsageError(f"a market has one source: --{' or --'.join(sources)}")
    is_live = given.pop("live")
    upstream = Upstream(
        rest_url=given.pop("live_rest_url").rstrip("/"),
        stream_url=given.pop("live_stream_url").rstrip("/"),
        history_minutes=given.pop("history_minutes"),
    )
    if (given["accounts"] is None) == (given["registry"] is None):
        raise click.UsageError("whose exchange is it? Give either --accounts or --registry")
    if given["symbols"] is None and given["registry"] is None:
        raise click.UsageError("an exchange needs something to trade: give --symbols, for example BTCUSDT,ETHUSDT")
    names = dict.fromkeys(name.strip().upper() for name in (given.pop("symbols") or "").split(",") if name.strip())
    return ServerOptions(
        **{
            **given,
            "live": upstream if is_live else None,
            "match": given["match"] or ("at-once" if is_live else "at-open"),
            "step": timedelta(seconds=given["step"]),
            "symbols": tuple(names),
            "admin_token": os.environ.get(ADMIN_TOKEN_VARIABLE, ""),
        }
    )
