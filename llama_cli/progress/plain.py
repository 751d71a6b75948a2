"""Lines for logs, or nothing."""

from __future__ import annotations

import time

from rich.console import Console

from llama_cli.progress.rates import RateMeter
from llama_cli.records import RunProgress

_INTERVAL_SECONDS = 5.0


class Silent:
    """Shows nothing."""

    def update(self, progress: RunProgress) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""


class PlainLines:
    """A line every few seconds, for logs; no control characters."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._meter = RateMeter()
        self._next = time.monotonic() + _INTERVAL_SECONDS

    def update(self, progress: RunProgress) -> None:
        """Print a line when the last one is old enough."""
        self._meter.add(progress)
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _INTERVAL_SECONDS
            line = ", ".join(self._meter.describe())
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Nothing is left to clean up."""
