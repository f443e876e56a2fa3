"""What docs/writing-a-strategy.md says is so: its code is the example's, and the command it begins with works."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from alpha.cli import alpha
from alpha.config.bots_file import BotEntry
from strategies.ema_cross import test_ema_cross as example

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "writing-a-strategy.md").read_text(encoding="utf-8")
FOLDER = ROOT / "strategies" / "ema_cross"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def test_every_line_of_the_example_after_its_imports_is_on_the_page_and_nothing_else() -> None:
    begins = {"parameters.py": "class EmaCrossParams", "state.py": "@dataclass", "strategy.py": "class EmaCross"}
    texts = {name: (FOLDER / name).read_text(encoding="utf-8") for name in begins}
    *pages, test = blocks("python")
    code = "\n".join(text[text.index(begins[name]) :] for name, text in texts.items())
    assert "\n".join(pages).split() == code.split()
    assert test in (FOLDER / "test_ema_cross.py").read_text(encoding="utf-8")
    assert blocks("yaml")[0] == (FOLDER / "parameters.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in vars(example) if name.startswith("test_")])
def test_the_example_does_what_the_page_says(name: str) -> None:
    getattr(example, name)()


def test_the_class_of_the_example_has_under_sixty_lines() -> None:
    tree = ast.parse((FOLDER / "strategy.py").read_text(encoding="utf-8"))
    found = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "EmaCross")
    assert found.end_lineno is not None
    assert found.end_lineno - found.lineno + 1 < 60


def test_the_bot_on_the_page_is_one_that_bots_yaml_takes() -> None:
    entry = BotEntry.model_validate(yaml.safe_load(blocks("yaml")[1])["bots"][0])
    assert entry.strategy == "strategies.my_breakout:MyBreakout"


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ALPHA_BOTS_FILE", str(ROOT / "bots.yaml"))
    return CliRunner().invoke(alpha, ["new-strategy", *arguments])


def test_a_new_strategy_passes_its_own_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    result = run(tmp_path, monkeypatch, "my_breakout", "--into", "mine")
    assert result.exit_code == 0, result.output
    made = tmp_path / "mine" / "my_breakout"
    names = {"__init__.py", "parameters.yaml", "parameters.py", "state.py", "strategy.py", "README.md"}
    names.add("test_my_breakout.py")
    assert {path.name for path in made.iterdir()} == names
    for path in made.iterdir():
        assert "ema_cross" not in path.read_text(), path
        assert "EmaCross" not in path.read_text(), path
    entry = BotEntry.model_validate(yaml.safe_load(result.output[result.output.index("  - id") :])[0])
    assert (entry.id, entry.strategy) == ("my_breakout_001", "mine.my_breakout:MyBreakout")
    # 0 to 4 are taken by the bots of this project
    assert entry.redis_db == 5
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(made)]
    passed = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": ""}, capture_output=True, text=True
    )
    assert "6 passed" in passed.stdout, passed.stdout + passed.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("My-Breakout", "--into", "mine"), "cannot be a strategy's name"),
        (("class", "--into", "mine"), "cannot be a strategy's name"),
        (("none", "--into", "mine"), "its class None would hide what None is"),
        (("true", "--into", "mine"), "its class True would hide what True is"),
        (("ema", "--into", "mine"), "its class Ema would hide what Ema is"),
        (("reason", "--into", "mine"), "its class Reason would hide what Reason is"),
        (("decimal", "--into", "mine"), "its class Decimal would hide what Decimal is"),
        (("cross", "--into", "mine"), "its class Cross would hide what Cross is"),
        (("strategy_params", "--into", "mine"), "its class StrategyParams would hide"),
        (("memory_broker", "--into", "mine"), "its class MemoryBroker would hide"),
        (("there", "--into", "mine"), "exists already"),
        (("my_breakout", "--into", "nowhere"), "nowhere is no folder"),
        (("my_breakout", "--into", ".."), "must be below the current directory"),
        (("my_breakout", "--into", "not-a-package"), "cannot be a Python package"),
    ],
)
def test_what_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], says: str
) -> None:
    for folder in ("mine/there", "not-a-package"):
        (tmp_path / folder).mkdir(parents=True)
    result = run(tmp_path, monkeypatch, *arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1
