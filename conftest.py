"""Tests are of the source, unless those of what `make compile` made of it are asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from alpha.compiled import compiled_modules


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--compiled", action="store_true", help="test the compiled modules (make test-compiled)")


def pytest_configure(config: pytest.Config) -> None:
    """Raises UsageError where what would be tested is not what was meant."""
    modules = compiled_modules()
    if modules and not config.getoption("--compiled"):
        raise pytest.UsageError(
            f"{len(modules)} modules are compiled: `make interpreted` first to test the source, --compiled to test them"
        )
    if not modules and config.getoption("--compiled"):
        raise pytest.UsageError("nothing is compiled: `make compile` comes first")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what patches inside a compiled module, where nothing can be patched."""
    if not config.getoption("--compiled"):
        return
    left_out = [item for item in items if item.get_closest_marker("patches_source")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("patches_source")]


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A command called in a test's own process may quieten the log, which is the process's."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
