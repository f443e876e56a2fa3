"""From bots.yaml to a strategy: what is wrong is said in one line that names it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from alpha.bot import Strategy
from alpha.bot.errors import BotError
from alpha.bot.loading import backtest_costs, load_params, load_strategy, split_params
from strategies.canary import Canary
from strategies.canary.strategy import CanaryParams
from strategies.momentum import Momentum
from strategies.shortseller import ShortSeller
from strategies.shortseller.parameters import ShortSellerParams


def test_a_strategy_is_found_by_its_name():
    assert load_strategy("strategies.shortseller:ShortSeller") is ShortSeller


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("strategies.canary", "must be written package.module:Class"),
        ("strategies.nowhere:Canary", "there is no module strategies.nowhere"),
        ("strategies.canary:Canry", "strategies.canary has no class Canry; it has Canary"),
        ("alpha.bot.gate:Gate", "is not a subclass of alpha.bot.Strategy"),
        ("alpha.bot:Strategy", "is not a subclass of alpha.bot.Strategy"),
    ],
)
def test_a_wrong_name_says_what_is_wrong(name: str, message: str):
    with pytest.raises(BotError, match=message):
        load_strategy(name)


def test_a_strategy_may_live_anywhere_and_its_own_imports_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "elsewhere_strategy.py").write_text(
        "from alpha.bot import Strategy\nclass Elsewhere(Strategy):\n    pass\n"
    )
    (tmp_path / "broken_strategy.py").write_text("import a_library_that_is_not_there\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert issubclass(load_strategy("elsewhere_strategy:Elsewhere"), Strategy)
    with pytest.raises(BotError, match="needs module a_library_that_is_not_there"):
        load_strategy("broken_strategy:Broken")


def test_a_strategy_says_what_it_is_judged_by_and_most_say_nothing():
    assert backtest_costs(Momentum).slippage_percent == Decimal("0.1")
    assert backtest_costs(ShortSeller).slippage_percent == 0


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("slippage_percent: -1", "section backtest in the parameters of Judged: slippage_percent: Input should be"),
        ("slipage_percent: 1", "section backtest in the parameters of Judged: slipage_percent: there is no parameter"),
    ],
)
def test_a_cost_that_cannot_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str, message: str):
    module = f"judged_by_{section.partition(':')[0]}"
    (tmp_path / f"{module}.py").write_text("from alpha.bot import Strategy\nclass Judged(Strategy):\n    pass\n")
    (tmp_path / "parameters.yaml").write_text(f"backtest:\n  {section}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BotError, match=message):
        backtest_costs(load_strategy(f"{module}:Judged"))


def test_parameters_come_from_the_file_and_bots_yaml_changes_single_ones():
    params = load_params(ShortSeller, {"assets": {"BTCUSDT": {"stop_percent": 1.2}}, "leverage": 5})
    assert isinstance(params, ShortSellerParams)
    btc = params.assets["BTCUSDT"]  # type: ignore[index]
    assert (btc.stop_percent, btc.target_percent, params.leverage) == (Decimal("1.2"), Decimal(3), Decimal(5))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hold_bar": 3}, "hold_bar: there is no parameter of this name"),
        ({"hold_bars": 0}, "hold_bars: Input should be greater than 0"),
        ({"hold_bars": "long"}, "hold_bars: Input should be a valid integer"),
    ],
)
def test_a_wrong_parameter_is_named(changes: dict[str, object], message: str):
    with pytest.raises(BotError, match=message):
        load_params(Canary, changes)


def test_averages_the_wrong_way_round_are_refused():
    with pytest.raises(BotError, match="ema_fast_bars must be below ema_slow_bars"):
        load_params(ShortSeller, {"ema_fast_bars": 600})


def test_limits_are_split_from_the_strategys_parameters():
    own, limits = split_params(Canary, {"hold_bars": 4, "limits": {"max_entries_per_hour": 2}})
    assert own == {"hold_bars": 4}
    assert limits.max_entries_per_hour == 2
    assert isinstance(load_params(Canary, own), CanaryParams)
    with pytest.raises(BotError, match=r"params.limits in bots.yaml: max_orders: there is no parameter of this name"):
        split_params(Canary, {"limits": {"max_orders": 2}})
