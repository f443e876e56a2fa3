"""Looks for secrets in what git would carry away: `python .ci/secret_scan.py [FILE...]`, by default every tracked file.

Prints place and kind, never the value. Exit code 1 when there is one. A line that only looks like one, in a test or an
example, ends with `# not a secret`.
"""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXCUSE = "not a secret"

# Locked hashes are what they look like; recorded messages of the exchange are data.
_PASSED = re.compile(r"^requirements\.lock$")
_LARGE = 1_000_000

_KINDS = (
    ("private key", re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----")),
    ("age identity", re.compile(r"AGE-SECRET-KEY-1[0-9A-Z]{58}")),
    ("Telegram token", re.compile(r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}\b")),
    ("AWS key", re.compile(r"\bAKIA[0-9A-Z]{16}\b")),
    ("GitHub token", re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}\b")),
    ("password in a URL", re.compile(r"://[^\s:/@{}$<>]+:(?P<value>[^\s:/@{}$<>]{8,})@")),
)
_ASSIGNED = re.compile(
    r"""(?ix) \b [a-z0-9_-]* (?: password | passwd | secret | token | api[_-]?key | apikey ) ["']? \s* [:=] \s*
        (?P<quote>["']?) (?P<value>[A-Za-z0-9+/=_-]{16,}) (?P=quote) (?= [\s,;)\]}"'] | $ )"""
)
_NAME = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[a-z][a-z0-9]*(?:_[a-z0-9]+)+")
"""Words joined by underscores, as variables are."""
_BITS_PER_CHARACTER = 3.4
"""What is drawn at random has more, words and names have less."""


def is_random(value: str) -> bool:
    """Whether a value looks drawn rather than written: mixed characters, none of them often, and no name in it."""
    if _NAME.fullmatch(value):
        return False
    counts = Counter(value)
    bits = -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
    has_digit, has_letter = re.search(r"\d", value), re.search(r"[A-Za-z]", value)
    return bits > _BITS_PER_CHARACTER and bool(has_digit and has_letter)


def findings(text: str) -> Iterator[tuple[int, str]]:
    """Line number and kind of everything in the text that looks like a secret."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.rstrip().endswith(EXCUSE):
            continue
        for kind, pattern in _KINDS:
            match = pattern.search(line)
            if match and ("value" not in pattern.groupindex or is_random(match["value"])):
                yield number, kind
        for match in _ASSIGNED.finditer(line):
            if is_random(match["value"]):
                yield number, "value of a secret"
                break


def carried(root: Path) -> list[Path]:
    """Files that are tracked, or would be by `git add`."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        capture_output=True,
        check=True,
    )
    return [root / name for name in listed.stdout.decode().split("\0") if name]


def main(arguments: list[str]) -> int:
    paths = [Path(name).absolute() for name in arguments] or carried(ROOT)
    found = 0
    for path in paths:
        name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
        if _PASSED.match(name) or not path.is_file() or path.is_symlink() or path.stat().st_size > _LARGE:
            continue
        if re.fullmatch(r"\.env(\..+)?", path.name) and path.name != ".env.example":
            print(f"{name}: an environment file, which must not be carried")
            found += 1
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, kind in findings(text):
            print(f"{name}:{number}: looks like a {kind}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
