"""Imports point one way: services and strategies -> alpha -> alpha.domain. Read from the sources."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = (
    "alpha",
    "backtest",
    "database",
    "paper_exchange",
    "strategies",
    "telegram_manager",
    "trade_sync_service",
    "websocket_listener",
)
SERVICES = ("paper_exchange", "telegram_manager", "trade_sync_service", "websocket_listener")
COMPOSITION_ROOT = ("alpha.cli", "alpha.commands", "alpha.local")
# Words that begin a statement; the ledger and the migrations alone may contain one.
SQL = ("select ", "insert into ", "update ", "delete from ", "create table ", "alter table ", "with recursive ")


def sources() -> Iterator[tuple[str, Path]]:
    """Every module of ours as (dotted name, file)."""
    for package in OURS:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(path: Path) -> set[str]:
    """Every module that a file imports, also inside functions and for type checking."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            # `from alpha import bot` imports alpha.bot, and `from alpha.bot import x` alpha.bot itself.
            found |= {node.module} | ({f"{node.module}.{alias.name}" for alias in node.names} & MODULES)
    return found


MODULES = {name for name, _ in sources()}
IMPORTS = {name: imports(path) for name, path in sources()}


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def is_ours(module: str) -> bool:
    return within(module, *OURS)


def is_standard(module: str) -> bool:
    return module.split(".")[0] in sys.stdlib_module_names


def offending(importers: tuple[str, ...], allowed: object) -> list[str]:
    """Lines `importer -> imported` for what `allowed(imported)` refuses."""
    assert callable(allowed)
    return sorted(
        f"{name} -> {imported}"
        for name, found in IMPORTS.items()
        if within(name, *importers)
        for imported in found
        if not allowed(imported)
    )


def test_there_is_something_to_check() -> None:
    assert "alpha.domain.fill" in MODULES
    assert "alpha.domain.ids" in IMPORTS["alpha.domain.fill"]


def test_the_domain_imports_the_standard_library_and_itself() -> None:
    assert not offending(("alpha.domain",), lambda module: is_standard(module) or within(module, "alpha.domain"))


def test_the_engine_imports_the_domain_and_does_no_input_or_output() -> None:
    drivers = ("asyncio", "http", "os", "pathlib", "socket", "subprocess", "threading", "time", "urllib")
    assert not offending(
        ("paper_exchange.engine",),
        lambda module: (
            within(module, "paper_exchange.engine", "alpha.domain", "msgspec", "mypy_extensions")
            or (is_standard(module) and not within(module, *drivers))
        ),
    )


def test_strategies_import_the_bot_kit_the_domain_and_pydantic_only() -> None:
    for name in {".".join(module.split(".")[:2]) for module in MODULES if within(module, "strategies")} - {
        "strategies"
    }:
        assert not offending(
            (name,),
            lambda module, own=name: (
                is_standard(module) or within(module, own, "alpha.bot", "alpha.domain", "pydantic")
            ),
        )


def test_the_backtester_imports_the_engine_the_bot_kit_candles_and_the_domain_only() -> None:
    rooms = ("backtest", "paper_exchange.engine", "alpha.bot", "alpha.candles", "alpha.domain")
    # What a bot's orders are made of, and the errors they may meet: the bot kit speaks in these.
    words = ("alpha.exchange.errors", "alpha.exchange.new_order")
    assert not offending(("backtest",), lambda module: not is_ours(module) or within(module, *rooms, *words))


def test_the_core_imports_no_service_but_where_everything_is_put_together() -> None:
    wrong = [
        line
        for line in offending(("alpha",), lambda module: not within(module, *SERVICES, "strategies", "backtest"))
        if not within(line.split(" -> ")[0], *COMPOSITION_ROOT)
    ]
    assert not wrong


def test_only_the_composition_root_imports_the_composition_root() -> None:
    wrong = [
        f"{name} -> {imported}"
        for name, found in IMPORTS.items()
        if not within(name, *COMPOSITION_ROOT)
        for imported in found
        if within(imported, *COMPOSITION_ROOT)
    ]
    assert not wrong


@pytest.mark.parametrize("service", SERVICES)
def test_services_import_the_core_and_never_one_another(service: str) -> None:
    others = tuple(other for other in (*SERVICES, "strategies", "backtest") if other != service)
    assert not offending((service,), lambda module: not within(module, *others))


def test_drivers_are_imported_in_their_own_room_only() -> None:
    rooms = {
        "psycopg2": ("alpha.ledger", "database"),
        "redis": ("alpha.live",),
        "pybit": ("alpha.exchange",),
        "apscheduler": ("trade_sync_service", "database.backup"),
        "telegram": ("telegram_manager.door", "telegram_manager.notifier", "telegram_manager.main"),
        "httpx": ("telegram_manager.door",),
    }
    wrong = [
        f"{name} -> {imported}"
        for driver, allowed in rooms.items()
        for name, found in IMPORTS.items()
        for imported in found
        if within(imported, driver) and not within(name, *allowed)
    ]
    # Types of clients may be named where a service holds one.
    assert not [line for line in wrong if not _is_type_of_client(line)]


def _is_type_of_client(line: str) -> bool:
    name, imported = line.split(" -> ")
    return imported == "redis" and within(name, "websocket_listener", "telegram_manager", "alpha.bot", "alpha.service")


def test_sql_is_written_in_the_ledger_and_the_migrations_only() -> None:
    wrong = []
    for name, path in sources():
        if within(name, "alpha.ledger", "database"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = " ".join(node.value.lower().split())
                if text.startswith(SQL) and ("trading." in text or " from " in text):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong
