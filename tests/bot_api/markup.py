"""Telegram's reading of parse_mode=HTML, as strict as the real one: https://core.telegram.org/bots/api#html-style"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "a": "text_link",
    "span": "spoiler",
}
# The only named ones that are read; an ampersand before anything else is an ampersand.
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_ENTITY = re.compile(r"&(?:(lt|gt|amp|quot)|#(\d{1,7})|#x([0-9a-fA-F]{1,6}));?")
_TAG = re.compile(r"<(/?)([a-zA-Z0-9-]*)((?:\s+[a-zA-Z-]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s>\"']+))?)*)\s*>")


class MarkupError(ValueError):
    """What Telegram says of markup it cannot read, without the `Bad Request: can't parse entities: ` before it."""


@dataclass
class Formatted:
    """A text as a reader sees it, and its entities; offsets and lengths in UTF-16 units."""

    text: str = ""
    entities: list[dict[str, object]] = field(default_factory=list)


def utf16_length(text: str) -> int:
    """How long a text is for Telegram."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def read_html(source: str) -> Formatted:
    """Raises MarkupError."""
    shown, entities = "", []
    open_tags: list[tuple[str, int]] = []
    at = 0
    while at < len(source):
        if source[at] == "<":
            found = _TAG.match(source, at)
            offset = len(source[:at].encode())
            if found is None or not found[2]:
                raise MarkupError(f'Unsupported start tag "{source[at + 1 : at + 11]}" at byte offset {offset}')
            name = found[2].lower()
            if found[1]:
                if not open_tags or open_tags[-1][0] != name:
                    raise MarkupError(f"Unmatched end tag at byte offset {offset}")
                _, began = open_tags.pop()
                length = utf16_length(shown[began:])
                if length:
                    entities.append({"type": _TAGS[name], "offset": utf16_length(shown[:began]), "length": length})
            elif name not in _TAGS:
                raise MarkupError(f'Unsupported start tag "{name}" at byte offset {offset}')
            else:
                open_tags.append((name, len(shown)))
            at = found.end()
        elif source[at] == "&" and (found := _ENTITY.match(source, at)) is not None:
            shown += _letter(found)
            at = found.end()
        else:
            shown += source[at]
            at += 1
    if open_tags:
        raise MarkupError(f'Can\'t find end tag corresponding to start tag "{open_tags[-1][0]}"')
    return Formatted(shown, entities)


def _letter(found: re.Match[str]) -> str:
    if found[1]:
        return _ENTITIES[found[1]]
    number = int(found[2]) if found[2] else int(found[3], 16)
    return chr(number) if 0 < number < 0x110000 and not 0xD800 <= number < 0xE000 else found[0]
