"""What may be written to a terminal, and a standard error that cannot bring a run down.

With ``--progress json`` standard error has one JSON object a line: see ``docs/events.md``.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import unicodedata
from collections.abc import Callable
from typing import Any, TextIO

# Control characters, invisible formatting (right-to-left overrides among it), surrogates,
# line and paragraph separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

# Formatting that Indic and Arabic scripts and emoji are written with, and that moves nothing.
_JOINERS = frozenset("\u200c\u200d\u00ad\u2060")


def printable(text: object) -> str:
    """The text with every character that could move the cursor or hide others replaced.

    So no escape sequence in the name of a file or a model has an effect.
    """
    return "".join(map(_printable, str(text)))


def _printable(char: str) -> str:
    if char == "\t":
        return " "
    if char in _JOINERS or unicodedata.category(char) not in _UNSAFE:
        return char
    return "\N{REPLACEMENT CHARACTER}"


class ForgivingStderr(io.TextIOBase):
    """Standard error that goes silent when it fails: a dead log reader must not end a run."""

    def __init__(self) -> None:
        self._stream = sys.stderr  # None where the descriptor is closed

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the terminal, which decides how Rich draws."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        """Its descriptor, for the size of the terminal."""
        if self._stream is None:
            raise io.UnsupportedOperation("stderr is closed")
        return self._stream.fileno()

    def write(self, text: str) -> int:
        self._forgive(lambda stream: stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._forgive(lambda stream: stream.flush())

    def _forgive(self, action: Callable[[TextIO], object]) -> None:
        if self._stream is None:
            return
        try:
            action(self._stream)
        except (OSError, ValueError):
            # Nothing more goes there, not even when Python flushes its streams at the end.
            self._stream = None
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def write_event(event: str, **facts: Any) -> None:
    """Write one line, if anybody reads it."""
    stderr = ForgivingStderr()
    stderr.write(as_line(event, **facts))
    stderr.flush()


def as_line(event: str, **facts: Any) -> str:
    """An event's line. It is ASCII, so that it is the same in any locale and moves no cursor."""
    return json.dumps({"event": event} | facts) + "\n"
