"""
JSON that is nested too deeply for a parser, walked without recursion.

Elasticsearch takes a thousand levels, which is more than any parser here passes over, so what it
gives back has to be looked at before it is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

# Possessive, so that a hostile text costs linear time.
_STRING_OR_BRACKET: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_OPENING: Final = (b"[", b"{")
_CLOSING: Final = (b"]", b"}")


def is_deeper(text: bytes, levels: int) -> bool:
    """Whether *text*, which must be JSON, has more than so many levels of arrays and objects."""
    # Counting is enough for almost every text; only a suspicious one is walked.
    if text.count(b"[") + text.count(b"{") <= levels:
        return False
    level = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        if token.group() in _OPENING:
            level += 1
            if level > levels:
                return True
        elif token.group() in _CLOSING:
            level -= 1
    return False


def with_nulls(text: bytes, *, level: int, wherever: Callable[[bytes], bool]) -> bytes:
    """
    *text* with ``null`` in the place of every object at *level* for which *wherever* says so.

    Args:
        level: Where such objects are; 1 is the outermost.
    """
    kept: list[bytes] = []
    position = start = current = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        if token.group() in _OPENING:
            current += 1
            if current == level:
                start = token.start()
        elif token.group() in _CLOSING:
            if current == level and wherever(text[start : token.end()]):
                kept += (text[position:start], b"null")
                position = token.end()
            current -= 1
    kept.append(text[position:])
    return b"".join(kept)
