"""The frames of a stream that are told apart by their first bytes: whole texts, of which nearly all of it consists."""

from __future__ import annotations

from typing import Final

# https://www.rfc-editor.org/rfc/rfc6455#section-5.2: not extended, final, a text; longer lengths.
_WHOLE_TEXT: Final = 0x81
_LENGTH_IN_2: Final = 126
_LENGTH_IN_8: Final = 127
# Longer ones are for the library, which knows how long they may be.
_LONGEST_TEXT: Final = 1 << 20


def whole_texts(data: bytes, begin: int) -> tuple[list[bytes], int, bool]:
    """The texts of the whole text frames that follow each other from `begin`; where they end; and whether what is there
    may be one of which the end has not come yet."""
    texts: list[bytes] = []
    there = len(data)
    while there - begin >= 2:
        length, text = data[begin + 1], begin + 2
        if data[begin] != _WHOLE_TEXT or length > _LENGTH_IN_8:
            return texts, begin, False
        if length >= _LENGTH_IN_2:
            text += 2 if length == _LENGTH_IN_2 else 8
            if text > there:
                break
            length = int.from_bytes(data[begin + 2 : text], "big")
            if length > _LONGEST_TEXT:
                return texts, begin, False
        end = text + length
        if end > there:
            break
        texts.append(data[text:end])
        begin = end
    return texts, begin, True
