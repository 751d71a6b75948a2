"""How far a run or a download is, how fast it goes, and how long it will take.

Views show any of them: they ask a meter for words, for numbers, and for how much is done.
"""

from __future__ import annotations

import collections
import time
from abc import ABC, abstractmethod
from typing import Generic, NamedTuple, TypeVar

from llama_cli.progress.numbers import format_bytes, format_seconds
from llama_cli.records import RunProgress

# Rates are those of the last while, so that they follow the texts and the machine.
_WINDOW_SECONDS = 30.0

Facts = dict[str, int | float | None]


class DownloadProgress(NamedTuple):
    """How far a download is."""

    bytes_done: int
    """Bytes that are there, those of earlier tries included."""
    bytes_total: int


P = TypeVar("P")


class Meter(ABC, Generic[P]):
    """Rates over the last half minute of what it is told."""

    def __init__(self) -> None:
        self._seen: collections.deque[tuple[float, P]] = collections.deque()

    def add(self, progress: P) -> None:
        """Take note of how far it is now; the first time, of where it starts from."""
        now = time.monotonic()
        self._seen.append((now, progress))
        # The first entry stays just outside the window, so that there is always one to compare.
        while len(self._seen) > 1 and now - self._seen[1][0] > _WINDOW_SECONDS:
            self._seen.popleft()

    @property
    @abstractmethod
    def done(self) -> int:
        """Bytes that are done: of the inputs read, of the download there."""

    @property
    @abstractmethod
    def total(self) -> int | None:
        """Bytes in all; None where that is not known, as of a pipe."""

    @abstractmethod
    def describe(self) -> list[str]:
        """Words for people, the most important first."""

    @abstractmethod
    def facts(self) -> Facts:
        """Numbers for programs."""

    @property
    def _first(self) -> P:
        return self._seen[0][1]

    @property
    def _last(self) -> P:
        return self._seen[-1][1]

    def _rate(self, before: int, now: int) -> float:
        return (now - before) / max(self._seen[-1][0] - self._seen[0][0], 1e-9)


class RunMeter(Meter[RunProgress]):
    """How far a run is; rows that an earlier one had made do not count as speed."""

    def __init__(self) -> None:
        super().__init__()
        self._started = time.monotonic()

    @property
    def done(self) -> int:
        return self._last.bytes_read

    @property
    def total(self) -> int | None:
        return self._last.bytes_total

    def describe(self) -> list[str]:
        words = [f"{self._last.rows:,} rows"]
        if self.total:
            words.append(f"{100 * self.done / self.total:.0f}%")
        if (left := self._seconds_left) is not None:
            words.append(f"{format_seconds(left)} left")
        words.append(f"{self._rows_per_second:,.0f} texts/s")
        words.append(f"{self._tokens_per_second:,.0f} tokens/s")
        return words

    def facts(self) -> Facts:
        """The keys of the event ``progress``."""
        left = self._seconds_left
        return {
            "rows": self._last.rows,
            "tokens": self._last.tokens,
            "bytes_read": self._last.bytes_read,
            "bytes_total": self._last.bytes_total,
            "bytes_written": self._last.bytes_written,
            "seconds": round(time.monotonic() - self._started, 3),
            "rows_per_second": round(self._rows_per_second, 1),
            "tokens_per_second": round(self._tokens_per_second, 1),
            "seconds_left": None if left is None else round(left, 1),
        }

    @property
    def _rows_per_second(self) -> float:
        return self._rate(self._first.rows, self._last.rows)

    @property
    def _tokens_per_second(self) -> float:
        return self._rate(self._first.tokens, self._last.tokens)

    @property
    def _seconds_left(self) -> float | None:
        """Until all of the input is read; None where its size or the rate is not known."""
        rate = self._rate(self._first.bytes_read, self._last.bytes_read)
        return (self.total - self.done) / rate if self.total and rate else None


class DownloadMeter(Meter[DownloadProgress]):
    """How far a download is."""

    @property
    def done(self) -> int:
        return self._last.bytes_done

    @property
    def total(self) -> int:
        return self._last.bytes_total

    def describe(self) -> list[str]:
        rate = self._rate(self._first.bytes_done, self._last.bytes_done)
        words = [f"{100 * self.done / max(self.total, 1):.0f}%"]
        if rate:
            words.append(f"{format_seconds((self.total - self.done) / rate)} left")
        words.append(f"{format_bytes(self.done)} of {format_bytes(self.total)}")
        if rate:
            words.append(f"{format_bytes(round(rate))}/s")
        return words

    def facts(self) -> Facts:
        """The keys of the event ``download``."""
        return {"bytes": self.done, "bytes_total": self.total}
