"""Compiles the modules that pyproject.toml names ([tool.alpha.compiled]) with mypyc: `make compile`.

Without ALPHA_COMPILE=1 nothing is compiled, and the same source runs interpreted: that needs no C compiler.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import sysconfig
import time
import tomllib
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.extension import Extension

ROOT = Path(__file__).parent
MANIFEST = ROOT / "alpha" / "compiled.txt"
GROUP = "alpha.native"
BEGAN = time.time_ns()


def modules() -> list[str]:
    """Paths below the root. Of a checkout that is not whole, as in an image's build, what is there of them."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["alpha"]["compiled"]
    interpreted = {path for pattern in wanted["interpreted"] for path in ROOT.glob(pattern)}
    compiled = {path for pattern in wanted["modules"] for path in ROOT.glob(pattern)}
    return sorted(str(path.relative_to(ROOT)) for path in compiled - interpreted)


def extensions() -> list[Extension]:
    if os.environ.get("ALPHA_COMPILE") != "1":
        return []
    require_compiler()
    from mypyc.build import mypycify

    paths = modules()
    print(f"compiling {len(paths)} modules, which takes two minutes or so", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        tell_time()
    # More optimization than this takes longer to compile and is not measurably faster: the time goes into CPython.
    # In a single file of C, of some hundred thousand lines, it takes the C compiler twice as long.
    found: list[Extension] = mypycify(paths, group_name=GROUP, opt_level="1", debug_level="0", multi_file=True)
    for extension in found:  # mypycify writes the header of a group below the group's package and looks beside it
        extension.include_dirs.append(str(Path("build", *GROUP.split(".")[:-1])))
    return found


def tell_time() -> None:
    """Shows on a terminal that work goes on: mypyc and the C compiler say nothing until they are done."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("compiling"), TimeElapsedColumn()
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    progress.add_task("compiling", total=None)
    progress.start()
    atexit.register(progress.stop)


def require_compiler() -> None:
    """Ends with one sentence where C cannot be compiled."""
    compiler = str(sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        sys.exit(f"no C compiler ({compiler}) is here, so everything goes on interpreted (Debian: apt install gcc)")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        sys.exit("Python's headers are not here, so everything goes on interpreted (Debian: apt install python3-dev)")


class Compile(build_ext):
    """Says beside the modules which of them were compiled, for `alpha.compiled` to compare."""

    def run(self) -> None:
        MANIFEST.unlink(missing_ok=True)
        super().run()
        if self.extensions and self.inplace:
            MANIFEST.write_text("".join(f"{path}\n" for path in modules()))
            os.utime(MANIFEST, ns=(BEGAN, BEGAN))  # what was edited meanwhile may not be in it


setup(ext_modules=extensions(), cmdclass={"build_ext": Compile})
