"""Telling a value from what a template leaves to be filled in."""

from __future__ import annotations

import re

# What follows `your_` or `my-` is of one case, and what precedes `_here` has no digits: one password in thirty thousand
# that is drawn at random begins with the letters of "my" and a dash.
_PLACEHOLDER = re.compile(
    r"""
    \.{2,} | <.*> | \$\{.*\} | x{3,} | \*{3,}
    | (your|my)[-_ ] (?-i: [^A-Z]* | [^a-z]* ) | \D*[-_ ]here
    | (change|replace)[-_ ]?me.* | place[-_ ]?holder.* | example.* | dummy.* | todo | tbd | none | null
    | secret | password | (your|the)?[-_ ]?api[-_ ]?(key|secret)
    """,
    re.IGNORECASE | re.VERBOSE,
)


def is_placeholder(value: str) -> bool:
    """Whether this is a template's text (`your_secure_password`, `...`, `<key>`, `changeme`) and no real value."""
    return _PLACEHOLDER.fullmatch(value.strip()) is not None
