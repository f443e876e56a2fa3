"""`python -m paper_exchange`: the exchange alone, without the rest of the platform."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from alpha.config import load_settings
from alpha.domain.errors import AlphaError
from alpha.service.logging import configure_logging
from paper_exchange.server.app import ServerOptions, run

ADMIN_TOKEN_VARIABLE = "ALPHA_EXCHANGE_ADMIN_TOKEN"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 after a requested end, 2 with one line on stderr when it cannot start."""
    parsed = vars(_parser().parse_args(arguments))
    symbols = tuple(name.strip().upper() for name in parsed.pop("symbols").split(",") if name.strip())
    token = os.environ.get(ADMIN_TOKEN_VARIABLE, "")
    try:
        configure_logging("paper-exchange", load_settings())
        run(ServerOptions(**parsed, symbols=symbols, admin_token=token))
    except AlphaError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="paper_exchange",
        description="A local exchange that speaks Bybit's V5 API.",
        epilog="Example: python -m paper_exchange --accounts accounts.json --symbols BTCUSDT --journal fills.jsonl",
    )
    parser.add_argument("--port", type=int, default=8787, help="REST and streams, on loopback (default 8787)")
    parser.add_argument("--admin-port", type=int, default=8788, help="administration, on loopback (default 8788)")
    parser.add_argument("--accounts", type=Path, required=True, help="JSON file of accounts and keys")
    parser.add_argument("--speed", type=_above_zero, default=1.0, help="market seconds per second (default 1)")
    parser.add_argument("--candles", type=Path, help="replay the candles of this folder")
    parser.add_argument("--seed", type=int, default=1, help="of the synthetic market (default 1)")
    parser.add_argument("--symbols", required=True, help="what is traded, comma separated")
    parser.add_argument("--journal", type=Path, required=True, help="file for each execution, one JSON line")
    parser.add_argument("--state", type=Path, help="folder for what a restart needs")
    parser.add_argument("--lockstep", choices=("soft", "off"), default="soft", help="wait for bots (default soft)")
    parser.add_argument("--rate-limits", choices=("on", "off"), default="off", help="Bybit's limits (default off)")
    parser.add_argument("--paused", action="store_true", help="the market moves after POST /admin/resume only")
    return parser


def _above_zero(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


if __name__ == "__main__":
    sys.exit(main())
