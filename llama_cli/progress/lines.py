"""Lines for logs."""

from __future__ import annotations

import time
from typing import Generic

from rich.console import Console

from llama_cli.progress.meters import Meter, P

_INTERVAL_SECONDS = 5.0


class Lines(Generic[P]):
    """A line every few seconds, without control characters."""

    def __init__(self, console: Console, meter: Meter[P], start: str = "") -> None:
        self._console = console
        self._meter = meter
        self._start = start
        self._next = time.monotonic() + _INTERVAL_SECONDS

    def update(self, progress: P) -> None:
        self._meter.add(progress)
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _INTERVAL_SECONDS
            line = self._start + ", ".join(self._meter.describe())
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Leave the lines as they are."""
