"""Telling a value from what a template leaves to be filled in."""

from __future__ import annotations

import re

_PLACEHOLDER = re.compile(
    r"""
    \.{2,} | <.*> | \$\{.*\} | x{3,} | \*{3,}
    | (change|replace)[-_ ]?me.* | place[-_ ]?holder.* | example.* | dummy.* | todo | tbd | none | null
    | secret | password | (your|the)?[-_ ]?api[-_ ]?(key|secret)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SPOKEN = re.compile(r"(your|my)[-_ ].*|.*[-_ ]here", re.IGNORECASE)
# One password in thirty thousand that is drawn at random begins with the letters of "my" and a dash.
_DRAWN = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9_-]{32,}")


def is_placeholder(value: str) -> bool:
    """Whether this is a template's text (`your_secure_password`, `...`, `<key>`, `changeme`) and no real value."""
    text = value.strip()
    if _PLACEHOLDER.fullmatch(text):
        return True
    return _SPOKEN.fullmatch(text) is not None and _DRAWN.fullmatch(text) is None
