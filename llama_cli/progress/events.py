"""How far a run or a download is, as numbers for other programs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic

from llama_cli.progress.meters import Facts, Meter, P

_INTERVAL_SECONDS = 0.5


class EventProgress(Generic[P]):
    """Tells where it starts, where it is twice a second, and how far it came."""

    def __init__(self, meter: Meter[P], emit: Callable[[Facts], None]) -> None:
        self._meter = meter
        self._emit = emit
        self._next = time.monotonic()
        self._unsaid = False

    def update(self, progress: P) -> None:
        """Tell of it, or leave it for the end if it comes soon after the last."""
        self._meter.add(progress)
        self._unsaid = True
        if time.monotonic() >= self._next:
            self._say()

    def stop(self) -> None:
        if self._unsaid:
            self._say()

    def _say(self) -> None:
        self._unsaid = False
        self._next = time.monotonic() + _INTERVAL_SECONDS
        self._emit(self._meter.facts())
