"""From the words of a command line to a plan: which strategy, with what, on which markets, at which costs."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import yaml

from alpha.bot.errors import BotError
from alpha.bot.host import AnyStrategy
from alpha.bot.loading import backtest_costs, load_params, load_strategy, split_params
from alpha.bot.strategy import Strategy
from alpha.candles.store import CandleStore
from alpha.config.bots_file import ALL
from alpha.config.registry import BotConfig, Registry
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.local.whole_market import whole_market
from backtest.errors import BacktestRefused
from backtest.plan import Market, Plan
from paper_exchange.engine import FeeRates, Liquidity
from paper_exchange.market.instruments import InstrumentsInvalid, listable, load_listings

_PACKAGE = "strategies"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is tried: a strategy, and what bots.yaml says of it where a bot of it is there."""

    name: str
    strategy: str
    """`package.module:Class`"""
    params: Mapping[str, Any] = field(default_factory=dict)
    symbols: tuple[Symbol, ...] = ()
    trades_all: bool = False
    capital: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """None: as the table of instruments says (fees), as the engine's own book (spread), as the strategy's parameters
    file (slippage). All in percent of the price."""

    taker_percent: Decimal | None = None
    maker_percent: Decimal | None = None
    half_spread_percent: Decimal | None = None
    slippage_percent: Decimal | None = None
    """On top of the half spread, for whatever takes liquidity."""


def subject_of(name: str, registry: Registry | None) -> Subject:
    """A bot of bots.yaml by its id, a strategy by `package.module:Class`, or a folder below strategies by its name.

    A strategy takes symbols and parameters of the first bot that runs it. Raises BacktestRefused.
    """
    bots: Mapping[BotId, BotConfig] = {} if registry is None else registry.bots
    bot = bots.get(BotId(name))
    if bot is not None:
        return _of_bot(name, bot)
    strategy = name if ":" in name else _in_folder(name, sorted(bots))
    same = [bot for bot in bots.values() if bot.strategy == strategy]
    return _of_bot(name, same[0]) if same else Subject(name=name, strategy=strategy)


def plan_of(
    subject: Subject,
    *,
    symbols: Sequence[Symbol] = (),
    store: CandleStore | None = None,
    overrides: Mapping[str, str] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    balance: Decimal = Decimal(10_000),
    costs: Costs | None = None,
    seed: int = 1,
) -> Plan:
    """`overrides` are parameters by name, `.` between the levels, values as YAML. The one symbol `all`, or none where
    the bot trades all, stands for whatever `store` holds and the table of instruments knows.

    Raises BacktestRefused naming what is wrong.
    """
    costs = costs or Costs()
    chosen = tuple(dict.fromkeys(symbols)) or subject.symbols
    if chosen == (ALL,) or (not chosen and subject.trades_all):
        if store is None:
            raise BacktestRefused(f"{subject.name} trades all symbols: name a folder of candles, or its symbols")
        plan = partial(
            plan_of, subject, overrides=overrides, start=start, end=end, balance=balance, costs=costs, seed=seed
        )
        market = whole_market(plan(symbols=_all_known()), store)
        return replace(plan(symbols=market.symbols), left_out=market.left_out)
    if not chosen:
        raise BacktestRefused(
            f"no bot in bots.yaml runs {subject.name}: name its symbols with --symbols A,B, or take --symbols {ALL}"
        )
    params = _overridden(subject.params, overrides or {})
    try:
        strategy = load_strategy(subject.strategy)
        own, limits = split_params(strategy, params)
        loaded = load_params(strategy, own)
        if costs.slippage_percent is None:
            costs = replace(costs, slippage_percent=backtest_costs(strategy).slippage_percent)
    except BotError as error:
        raise BacktestRefused(str(error)) from error
    identity = _identity(
        subject, chosen, loaded.model_dump_json(), limits.model_dump_json(), start, end, balance, costs
    )
    return Plan(
        strategy=strategy,
        params=loaded,
        limits=limits,
        symbols=chosen,
        markets=_markets(chosen, costs),
        bot=BotId(f"{subject.name.rpartition(':')[2].lower()}_{identity}"),
        code=identity,
        account=AccountName(f"backtest_{identity}"),
        run=identity,
        balance=balance,
        capital=subject.capital,
        start=start,
        end=end,
        liquidity=_liquidity(costs),
        seed=seed,
    )


def _of_bot(name: str, bot: BotConfig) -> Subject:
    return Subject(
        name=name,
        strategy=bot.strategy,
        params=bot.params,
        symbols=bot.symbols,
        trades_all=bot.trades_all,
        capital=bot.capital_usdt,
    )


def _in_folder(name: str, bots: Sequence[str]) -> str:
    """The one strategy that a package below `strategies` exports."""
    package = f"{_PACKAGE}.{name}"
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is not None and package.startswith(error.name):
            raise BacktestRefused(
                f"{name!r} is neither a bot in bots.yaml ({', '.join(bots) or 'which has none'}), nor a folder below "
                f"{_PACKAGE}, nor written package.module:Class"
            ) from error
        raise BacktestRefused(f"strategy {name!r} needs module {error.name}, which is not installed") from error
    found = [each for each, value in vars(module).items() if _is_strategy(value)]
    if len(found) != 1:
        raise BacktestRefused(f"{package} has {', '.join(found) or 'no strategy'}: name one as {package}:Class")
    return f"{package}:{found[0]}"


def _is_strategy(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Strategy) and value is not Strategy


def _overridden(params: Mapping[str, Any], overrides: Mapping[str, str]) -> dict[str, Any]:
    merged = _copied(params)
    for name, text in overrides.items():
        *path, last = name.split(".")
        level = merged
        for part in path:
            level = level.setdefault(part, {})
            if not isinstance(level, dict):
                raise BacktestRefused(f"parameter {name}: {part} holds a value and no names")
        try:
            level[last] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise BacktestRefused(f"parameter {name}: {text!r} is not a value") from error
    return merged


def _copied(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copied(value) if isinstance(value, Mapping) else value for name, value in params.items()}


def _all_known() -> tuple[Symbol, ...]:
    try:
        return listable()
    except InstrumentsInvalid as error:
        raise BacktestRefused(str(error)) from error


def _markets(symbols: Sequence[Symbol], costs: Costs) -> dict[Symbol, Market]:
    try:
        listings = load_listings(symbols)
    except InstrumentsInvalid as error:
        raise BacktestRefused(str(error)) from error
    return {
        symbol: Market(
            instrument=listing.instrument,
            fees=FeeRates(
                taker=listing.taker_fee if costs.taker_percent is None else costs.taker_percent / 100,
                maker=listing.maker_fee if costs.maker_percent is None else costs.maker_percent / 100,
            ),
            risk_tiers=listing.risk_tiers,
        )
        for symbol, listing in listings.items()
    }


def _liquidity(costs: Costs) -> Liquidity:
    """Slippage is what lies between the price and what a taker gets, so it is added to the half spread."""
    half_spread = Liquidity().half_spread if costs.half_spread_percent is None else costs.half_spread_percent / 100
    return Liquidity(half_spread=half_spread + (costs.slippage_percent or Decimal(0)) / 100)


def _identity(subject: Subject, *parts: object) -> str:
    """Six letters that are the same for the same question: the run's bot code, and part of the ids of its orders."""
    digest = hashlib.blake2b("\x1f".join([subject.strategy, *map(repr, parts)]).encode(), digest_size=8).digest()
    number, letters = int.from_bytes(digest, "big"), ""
    for _ in range(6):
        number, place = divmod(number, 36)
        letters += "0123456789abcdefghijklmnopqrstuvwxyz"[place]
    return letters


def strategy_name(strategy: type[AnyStrategy]) -> str:
    return f"{strategy.__module__}:{strategy.__qualname__}"
