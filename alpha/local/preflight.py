"""What can be known to be wrong before any server starts."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import alpha
from alpha.bot.errors import BotError
from alpha.bot.loading import load_params, load_strategy, split_params
from alpha.config.addresses import endpoints
from alpha.config.credentials import credentials
from alpha.config.errors import ConfigError
from alpha.config.modes import Mode
from alpha.config.registry import BotConfig, Registry
from alpha.config.settings import Settings, environment
from alpha.domain.ids import BotId

PROJECT = Path(alpha.__file__).parents[1]
"""Where the processes of a platform run, and so where a strategy may be imported from."""

_REPLAYED = "5m"


def check_configuration(settings: Settings, registry: Registry, bots: Iterable[BotId], candles: Path | None) -> None:
    """Raises ConfigError for the first thing with which a platform could not run."""
    for account in registry.accounts.values():
        endpoints(account, settings)
    if settings.alpha_mode is not Mode.PAPER:
        environ = environment()
        for account in registry.accounts.values():
            credentials(account, environ)
    elif candles is not None:
        check_candles(candles, registry)
    for bot_id in bots:
        check_strategy(registry.bot(bot_id), registry.path)


def check_candles(folder: Path, registry: Registry) -> None:
    """Raises ConfigError when the folder does not hold candles of every symbol that is traded."""
    # pyarrow, which only a replay needs, costs a quarter of a second.
    from alpha.candles.errors import CandlesUnavailable
    from alpha.candles.store import CandleStore

    try:
        recorded = CandleStore(folder).symbols(_REPLAYED)
    except CandlesUnavailable as error:
        raise ConfigError(f"--candles: {error}") from error
    missing = [symbol for symbol in registry.symbols if symbol not in recorded]
    if missing:
        raise ConfigError(
            f"--candles: {folder} holds no {_REPLAYED} candles of {', '.join(missing)}, which {registry.path} names: "
            f"add <source>-{missing[0]}-{_REPLAYED}.parquet or give another folder"
        )


def check_strategy(bot: BotConfig, path: Path) -> None:
    """Raises ConfigError naming file, bot and key when its strategy or its parameters cannot be used."""
    if str(PROJECT) not in sys.path:
        sys.path.append(str(PROJECT))
    key = "strategy"
    try:
        strategy = load_strategy(bot.strategy)
        key = "params"
        own, _ = split_params(strategy, bot.params)
        load_params(strategy, own)
    except BotError as error:
        raise ConfigError(f"{path}: bots[{bot.id}].{key}: {error}; correct {key} of {bot.id} in {path}") from error
    except Exception as error:  # a strategy is anybody's code, and importing it runs it
        raise ConfigError(
            f"{path}: bots[{bot.id}].{key}: {bot.strategy} fails with {type(error).__name__}: {error}; "
            f"mend the strategy or correct {key} of {bot.id} in {path}"
        ) from error
