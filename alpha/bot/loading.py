"""From `package.module:Class` in bots.yaml to a class and its parameters."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alpha.bot.errors import BotError
from alpha.bot.limits import Limits
from alpha.bot.strategy import Strategy, StrategyParams

PARAMETERS_FILE = "parameters.yaml"
_LIMITS, _BACKTEST = "limits", "backtest"


class BacktestCosts(BaseModel):
    """The section `backtest` of a parameters file: what its rules are judged by unless something else is asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slippage_percent: Decimal = Field(default=Decimal(0), ge=0, lt=100)
    """Of the price, on top of half the spread, for each order that takes."""


def load_strategy(name: str) -> type[Strategy[Any, Any]]:
    """The class that `package.module:Class` names. Raises BotError with what to change."""
    module_name, _, class_name = name.partition(":")
    if not module_name or not class_name:
        raise BotError(f"strategy {name!r} must be written package.module:Class, like strategies.canary:Canary")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise BotError(
                f"strategy {name!r}: there is no module {error.name}; install its package or correct bots.yaml"
            ) from error
        raise BotError(f"strategy {name!r} needs module {error.name}, which is not installed") from error
    except (ImportError, SyntaxError) as error:
        raise BotError(f"strategy {name!r} cannot be imported: {error}") from error
    found = getattr(module, class_name, None)
    if found is None:
        known = sorted(each for each, value in vars(module).items() if _is_strategy(value))
        raise BotError(
            f"strategy {name!r}: {module_name} has no class {class_name}; it has {', '.join(known) or 'no strategy'}"
        )
    if not _is_strategy(found):
        raise BotError(f"strategy {name!r} is not a subclass of alpha.bot.Strategy")
    strategy: type[Strategy[Any, Any]] = found
    return strategy


def load_params(strategy: type[Strategy[Any, Any]], overrides: Mapping[str, Any]) -> StrategyParams:
    """The strategy's parameters: its `parameters.yaml` (if it has one) with what bots.yaml changes on top.

    Raises BotError naming the parameter and what is wrong with it.
    """
    defaults = _defaults(strategy)
    for section in (_LIMITS, _BACKTEST):
        defaults.pop(section, None)
    merged = _merge(defaults, overrides)
    try:
        return strategy.Params.model_validate(merged)
    except ValidationError as error:
        raise BotError(f"parameters of {strategy.__name__}: {_first(error)}") from error


def split_params(strategy: type[Strategy[Any, Any]], params: Mapping[str, Any]) -> tuple[dict[str, Any], Limits]:
    """A bot's `params` in bots.yaml: what is the strategy's, and the `limits` that its gate keeps, over those of the
    strategy's parameters file.

    Raises BotError naming the limit and what is wrong with it.
    """
    own = dict(params)
    changes = own.pop(_LIMITS, None) or {}
    if not isinstance(changes, Mapping):
        raise BotError("params.limits in bots.yaml must hold names and values")
    defaults = _defaults(strategy).get(_LIMITS) or {}
    try:
        return own, Limits.model_validate({**defaults, **changes})
    except ValidationError as error:
        raise BotError(f"params.limits in bots.yaml: {_first(error)}") from error


def backtest_costs(strategy: type[Strategy[Any, Any]]) -> BacktestCosts:
    """Raises BotError naming the cost and what is wrong with it."""
    try:
        return BacktestCosts.model_validate(_defaults(strategy).get(_BACKTEST) or {})
    except ValidationError as error:
        raise BotError(f"section {_BACKTEST} in the parameters of {strategy.__name__}: {_first(error)}") from error


def _is_strategy(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, Strategy) and value is not Strategy


def _defaults(strategy: type[Strategy[Any, Any]]) -> dict[str, Any]:
    path = Path(inspect.getfile(strategy)).parent / PARAMETERS_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BotError(f"{path} is not YAML: {str(error).splitlines()[0]}") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise BotError(f"{path} must hold parameter names and values")
    return loaded


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        known = merged.get(name)
        merged[name] = _merge(known, value) if isinstance(known, dict) and isinstance(value, Mapping) else value
    return merged


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    text = "there is no parameter of this name" if first["type"] == "extra_forbidden" else first["msg"]
    return f"{'.'.join(str(part) for part in first['loc']) or 'value'}: {text}"
