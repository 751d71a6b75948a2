"""How fast a run is, and how long it will take."""

from __future__ import annotations

import collections
import time

from llama_cli.records import RunProgress

# Rates are those of the last while, so that they follow the texts and the machine.
_WINDOW_SECONDS = 30.0


class RateMeter:
    """Rates and the time left, over the last half minute."""

    def __init__(self) -> None:
        self._seen: collections.deque[tuple[float, RunProgress]] = collections.deque()

    def add(self, progress: RunProgress) -> None:
        """Take note of how far the run is now; the first time, of where it starts from."""
        now = time.monotonic()
        self._seen.append((now, progress))
        # The first entry stays just outside the window, so that there is always one to compare.
        while len(self._seen) > 1 and now - self._seen[1][0] > _WINDOW_SECONDS:
            self._seen.popleft()

    @property
    def rows_per_second(self) -> float:
        """Rows of this run; those that an earlier one had made do not count."""
        return self._rate(self._first.rows, self._last.rows)

    @property
    def tokens_per_second(self) -> float:
        """Tokens of those rows."""
        return self._rate(self._first.tokens, self._last.tokens)

    @property
    def seconds_left(self) -> float | None:
        """Until all of the input is read; None where its size or the rate is not known."""
        rate = self._rate(self._first.bytes_read, self._last.bytes_read)
        total = self._last.bytes_total
        return (total - self._last.bytes_read) / rate if total and rate else None

    def describe(self) -> list[str]:
        """Rows, share of the input, rates and time left, the most important first."""
        last = self._last
        words = [f"{last.rows:,} rows"]
        if last.bytes_total:
            words.append(f"{100 * last.bytes_read / last.bytes_total:.0f}%")
        if (left := self.seconds_left) is not None:
            words.append(f"{format_seconds(left)} left")
        words.append(f"{self.rows_per_second:,.0f} texts/s")
        words.append(f"{self.tokens_per_second:,.0f} tokens/s")
        return words

    @property
    def _first(self) -> RunProgress:
        return self._seen[0][1]

    @property
    def _last(self) -> RunProgress:
        return self._seen[-1][1]

    def _rate(self, before: int, now: int) -> float:
        return (now - before) / max(self._seen[-1][0] - self._seen[0][0], 1e-9)


def format_seconds(seconds: float) -> str:
    """A length of time as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
