"""Prints the part of requirements.lock that some packages need, hashes and all, for `pip install --require-hashes`.

The lock file says of each package which others asked for it ("# via"); what the named packages lead to is kept.

    python locked.py requirements.lock redis psycopg2-binary
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

_PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?==", re.MULTILINE)
_ASKED_BY = re.compile(r"^ +# +(?:via +)?(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?(?: .*)?$", re.MULTILINE)


def blocks(text: str) -> dict[str, str]:
    """Each package's part of the lock file, by its name. Of one that is locked twice, for older Pythons and for newer
    ones, both: pip takes what fits."""
    starts = [(match["name"].lower(), match.start()) for match in _PINNED.finditer(text)]
    ends = [start for _, start in starts[1:]] + [len(text)]
    found: dict[str, str] = {}
    for (name, start), end in zip(starts, ends, strict=True):
        found[name] = found.get(name, "") + text[start:end]
    return found


def closure(found: dict[str, str], wanted: list[str]) -> list[str]:
    """The wanted packages and everything that they lead to, sorted. Raises KeyError for one that is not locked."""
    asks: dict[str, set[str]] = {name: set() for name in found}
    for name, block in found.items():
        for match in _ASKED_BY.finditer(block):
            if match["name"].lower() in asks:
                asks[match["name"].lower()].add(name)
    kept: set[str] = set()
    waiting = [name.lower() for name in wanted]
    while waiting:
        name = waiting.pop()
        if name not in kept:
            kept.add(name)
            waiting += asks[name]
    return sorted(kept)


def main(arguments: list[str]) -> int:
    path, *wanted = arguments
    found = blocks(Path(path).read_text(encoding="utf-8"))
    missing = [name for name in wanted if name.lower() not in found]
    if missing:
        sys.stderr.write(f"{path} does not lock {', '.join(missing)}\n")
        return 1
    for name in closure(found, wanted):
        sys.stdout.write(found[name])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
