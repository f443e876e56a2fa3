"""Which modules run as machine code: `make compile` makes it of the source, in place, where there is a C compiler.

What Python imports is then that, whatever has become of the source since. So a source that is newer is refused.
"""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_MANIFEST = Path(__file__).with_name("compiled.txt")


def compiled_modules(manifest: Path = _MANIFEST) -> list[str]:
    """The paths of their sources below the root, none when everything runs interpreted."""
    try:
        return manifest.read_text().splitlines()
    except FileNotFoundError:
        return []


def changed_since(manifest: Path = _MANIFEST, root: Path = _ROOT) -> list[str]:
    """Those of them whose source is newer than the manifest, which is as old as the beginning of the compilation."""
    paths = compiled_modules(manifest)
    if not paths:
        return []
    made = manifest.stat().st_mtime_ns
    sources = [(path, root / path) for path in paths]
    return [path for path, source in sources if source.exists() and source.stat().st_mtime_ns > made]


def refuse_stale() -> None:
    """Ends the process with exit code 2 when a compiled module is not of its source."""
    changed = changed_since()
    if changed:
        rest = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        print(
            f"{changed[0]}{rest} changed after `make compile`; run it again, or `make interpreted` to do without",
            file=sys.stderr,
        )
        raise SystemExit(2)
