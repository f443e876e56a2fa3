from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.trading import Trading


@pytest.fixture(scope="module")
def trading() -> Iterator[Trading]:
    """One platform for the tests of a module: they break it and leave it whole."""
    home = Path(tempfile.mkdtemp(prefix="alpha-chaos-"))
    try:
        with Trading(home) as platform:
            yield platform
    finally:
        shutil.rmtree(home, ignore_errors=True)
