"""Text from outside made safe to print: no escape sequence of a file name or a model runs."""

from __future__ import annotations

import unicodedata

# Control characters, invisible formatting (right-to-left overrides among it), surrogates,
# line and paragraph separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

# Formatting that Indic and Arabic scripts and emoji are written with, and that moves nothing.
_JOINERS = frozenset("\u200c\u200d\u00ad\u2060")


def printable(text: object) -> str:
    """The text with every character that could move the cursor or hide others replaced."""
    return "".join(map(_safe, str(text)))


def _safe(char: str) -> str:
    if char == "\t":
        return " "
    if char in _JOINERS or unicodedata.category(char) not in _UNSAFE:
        return char
    return "\N{REPLACEMENT CHARACTER}"
