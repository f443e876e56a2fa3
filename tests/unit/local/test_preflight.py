"""What is refused before any server starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpha.config import ConfigError, load_registry, load_settings
from alpha.local.preflight import check_configuration

ROOT = Path(__file__).parents[3]


def check(bots_file: Path, *, candles: Path | None = None, mode: str = "paper") -> None:
    registry = load_registry(bots_file)
    check_configuration(load_settings({"ALPHA_MODE": mode}), registry, tuple(registry.bots), candles)


def changed(folder: Path, old: str, new: str) -> Path:
    """Our bots.yaml with one change."""
    path = folder / "bots.yaml"
    text = (ROOT / "bots.yaml").read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def test_the_bots_of_this_project_are_fine() -> None:
    check(ROOT / "bots.yaml")


@pytest.mark.parametrize(
    ("new", "says"),
    [
        ("strategies.nowhere:Canary", "there is no module strategies.nowhere"),
        ("strategies.canary:Canry", "strategies.canary has no class Canry; it has Canary"),
        ("alpha.bot.gate:Gate", "is not a subclass of alpha.bot.Strategy"),
    ],
)
def test_a_strategy_that_is_not_there(tmp_path: Path, new: str, says: str) -> None:
    path = changed(tmp_path, "strategies.canary:Canary", new)
    with pytest.raises(ConfigError, match=says) as refused:
        check(path)
    assert str(refused.value).startswith(f"{path}: bots[canary_001].strategy: ")
    assert str(refused.value).endswith(f"correct strategy of canary_001 in {path}")


def test_a_strategy_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_strategy.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = changed(tmp_path, "strategies.canary:Canary", "broken_strategy:Broken")
    with pytest.raises(ConfigError, match="broken_strategy:Broken fails with ZeroDivisionError"):
        check(path)


@pytest.mark.parametrize("params", ["{nonsense: 1}", "{limits: {nonsense: 1}}"])
def test_parameters_that_a_strategy_does_not_take(tmp_path: Path, params: str) -> None:
    path = changed(tmp_path, "symbols: [BTCUSDT]\n", f"symbols: [BTCUSDT]\n    params: {params}\n")
    with pytest.raises(ConfigError, match="nonsense") as refused:
        check(path)
    assert str(refused.value).startswith(f"{path}: bots[canary_001].params: ")


def test_a_folder_without_candles_or_without_those_of_a_symbol(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--candles: .* holds no files named"):
        check(ROOT / "bots.yaml", candles=tmp_path)
    (tmp_path / "bybit_linear_x-BTCUSDT-5m.parquet").touch()
    with pytest.raises(ConfigError, match="holds no 5m candles of AAVEUSDT, ADAUSDT, ETHUSDT, SOLUSDT"):
        check(ROOT / "bots.yaml", candles=tmp_path)


def test_an_exchange_of_bybit_needs_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPHA_ENV_FILE", "")
    monkeypatch.delenv("SHORTSELLER_BYBIT_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="SHORTSELLER_BYBIT_API_KEY of account shortseller is not set"):
        check(ROOT / "bots.yaml", mode="testnet")
