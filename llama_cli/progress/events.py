"""How far a run is, as numbers for other programs."""

from __future__ import annotations

import time
from collections.abc import Callable

from llama_cli.progress.rates import RateMeter
from llama_cli.records import RunProgress

_INTERVAL_SECONDS = 0.5

Facts = dict[str, int | float | None]


class EventProgress:
    """Hands out where the run starts, where it is twice a second, and how far it came."""

    def __init__(self, emit: Callable[[Facts], None]) -> None:
        self._emit = emit
        self._meter = RateMeter()
        self._started = time.monotonic()
        self._next = self._started
        self._unsaid: RunProgress | None = None

    def update(self, progress: RunProgress) -> None:
        """Tell of it, or keep it for the end if it comes soon after the last."""
        self._meter.add(progress)
        self._unsaid = progress
        if time.monotonic() >= self._next:
            self._say(progress)

    def stop(self) -> None:
        """Tell of the last that was not told."""
        if self._unsaid:
            self._say(self._unsaid)

    def _say(self, progress: RunProgress) -> None:
        self._unsaid = None
        now = time.monotonic()
        self._next = now + _INTERVAL_SECONDS
        left = self._meter.seconds_left
        self._emit(
            {
                "rows": progress.rows,
                "tokens": progress.tokens,
                "bytes_read": progress.bytes_read,
                "bytes_total": progress.bytes_total,
                "bytes_written": progress.bytes_written,
                "seconds": round(now - self._started, 3),
                "rows_per_second": round(self._meter.rows_per_second, 1),
                "tokens_per_second": round(self._meter.tokens_per_second, 1),
                "seconds_left": None if left is None else round(left, 1),
            }
        )
