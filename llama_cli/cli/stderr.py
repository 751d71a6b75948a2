"""Standard error that cannot bring a run down."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable
from typing import TextIO


class ForgivingStderr(io.TextIOBase):
    """Standard error that goes silent when it fails: a dead log reader must not end a run."""

    def __init__(self) -> None:
        self._stream = sys.stderr  # None where the descriptor is closed

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the terminal, which decides how Rich draws."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        """Its descriptor, for the size of the terminal."""
        if self._stream is None:
            raise io.UnsupportedOperation("stderr is closed")
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write what can be written."""
        self._forgive(lambda stream: stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
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
