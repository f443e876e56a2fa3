from __future__ import annotations

import pytest

from backtest.errors import BacktestRefused
from backtest.sweep.space import Choice, Range, check_names, grid, nested, read_space, space_text


def test_lists_and_ranges_are_read_with_their_types():
    assert read_space(["fast=12,26", "stop=0.5..2:0.5", "side=long,short", "on=true,false", "n=3..9"]) == {
        "fast": Choice((12, 26)),
        "stop": Range(0.5, 2, 0.5),
        "side": Choice(("long", "short")),
        "on": Choice((True, False)),
        "n": Range(3, 9),
    }


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "nothing to vary"),
        (["fast"], "must be name="),
        (["=1,2"], "must be name="),
        (["fast="], "must be name="),
        (["fast=1", "fast=2"], "names fast twice"),
        (["fast=1,1"], "names a value twice"),
        (["fast=1,[2]"], "is not a value"),
        (["fast=1,{"], "cannot be read"),
        (["fast=a..b"], "is not a number"),
        (["fast=.nan..2"], "is not a number"),
        (["fast=1...inf"], "is not a number"),
        (["fast=9..3"], "9 is not below 3"),
        (["fast=1..3:0"], "step 0 must be above 0"),
        (["fast=1..3:5"], "step 5 must be above 0 and at most 2"),
    ],
)
def test_what_cannot_be_read_is_named(texts: list[str], message: str):
    with pytest.raises(BacktestRefused, match=message.replace("[", r"\[")):
        read_space(texts)


def test_a_grid_is_every_combination_both_ends_included():
    cells = list(grid(read_space(["fast=10..20:5", "stop=0.1..0.3:0.1"])))
    assert len(cells) == 9
    assert cells[0] == {"fast": 10, "stop": 0.1}
    assert cells[-1] == {"fast": 20, "stop": 0.3}


def test_a_range_of_whole_numbers_needs_no_step_and_one_of_others_does():
    assert [cell["n"] for cell in grid(read_space(["n=3..5"]))] == [3, 4, 5]
    with pytest.raises(BacktestRefused, match="a grid needs a step"):
        list(grid(read_space(["stop=0.5..2"])))


def test_a_grid_too_large_to_be_run_is_refused_before_it_is_made():
    with pytest.raises(BacktestRefused, match="the grid has 1,000,000 combinations"):
        next(grid(read_space(["a=1..1000", "b=1..1000"])))


def test_dots_reach_into_nested_parameters():
    assert nested({"assets.BTCUSDT.stop_percent": 1, "assets.BTCUSDT.target_percent": 3, "leverage": 5}) == {
        "assets": {"BTCUSDT": {"stop_percent": 1, "target_percent": 3}},
        "leverage": 5,
    }


def test_equal_spaces_have_equal_texts_whatever_the_order_they_were_named_in():
    one, other = read_space(["a=1,2", "b=1..3:1"]), read_space(["b=1..3:1", "a=1,2"])
    assert space_text(one) == space_text(other) == {"a": "1,2", "b": "1..3:1"}


KNOWN = {"hold_bars": 3, "assets": {"BTCUSDT": {"stop_percent": 1}, "ETHUSDT": {"stop_percent": 2}}}


def test_names_that_the_strategy_has_can_be_varied():
    check_names(read_space(["hold_bars=1,2", "assets.ETHUSDT.stop_percent=1..3:1"]), KNOWN)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hold_bar", "there is no 'hold_bar'; the parameters are hold_bars, assets"),
        ("assets.BTCUSD.stop_percent", "there is no 'BTCUSD'; assets has BTCUSDT, ETHUSDT"),
        ("assets.BTCUSDT.stop", "there is no 'stop'; assets.BTCUSDT has stop_percent"),
        ("hold_bars.a", "hold_bars holds a value and no names"),
        ("assets.BTCUSDT", "it has parts, of which one can be varied: stop_percent"),
    ],
)
def test_names_that_it_has_not_are_refused_with_those_it_has(name: str, message: str):
    with pytest.raises(BacktestRefused) as refused:
        check_names(read_space([f"{name}=1,2"]), KNOWN)
    assert str(refused.value) == f"--vary {name}: {message}"
