"""Text from outside made safe to print: no escape sequence of a file name or a model runs."""

from __future__ import annotations

import unicodedata

# Control characters, invisible formatting (right-to-left overrides among it), surrogates,
# line and paragraph separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def printable(text: object) -> str:
    """The text with every character that could move the cursor or hide others replaced."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(char) in _UNSAFE else char
        for char in str(text)
    )
