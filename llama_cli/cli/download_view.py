"""Showing how far a download is: a bar on a terminal, plain lines in a log, or nothing."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from llama_cli.cli.events import write_event
from llama_cli.cli.interrupt import SignalWatch
from llama_cli.cli.numbers import format_bytes
from llama_cli.progress.rates import format_seconds
from llama_cli.storage.download import ProgressCallback

_PLAIN_INTERVAL_SECONDS = 5.0
_EVENT_INTERVAL_SECONDS = 0.5
# Cells that are left to the bar.
_LEAST_BAR = 12


class DownloadView(Protocol):
    """Follows one download."""

    def update(self, done: int, total: int) -> None:
        """Take note of how many bytes there are, of how many."""
        ...

    def stop(self) -> None:
        """Leave the terminal as it was."""
        ...


@contextlib.contextmanager
def watched_download(watch: SignalWatch, view: DownloadView) -> Iterator[ProgressCallback]:
    """Follow a download: it is shown, and spoken of where a signal ends it."""
    before = watch.describe

    def follow(done: int, total: int) -> None:
        watch.describe = lambda _: (
            f"interrupted; {format_bytes(done)} of the model's {format_bytes(total)} are "
            "downloaded, and the next run resumes from there"
        )
        view.update(done, total)

    try:
        yield follow
    finally:
        view.stop()
        watch.describe = before


class DownloadEvents:
    """Tells programs of a download, at most twice a second and at its end."""

    def __init__(self, *, quiet: bool) -> None:
        """Nothing is said yet."""
        self._quiet = quiet
        self._next = 0.0

    def update(self, done: int, total: int) -> None:
        """An event, if the last is long enough ago."""
        now = time.monotonic()
        if not self._quiet and (now >= self._next or done == total):
            self._next = now + _EVENT_INTERVAL_SECONDS
            write_event("download", bytes=done, bytes_total=total)

    def stop(self) -> None:
        """Nothing is left to clean up."""


class ShownDownload:
    """Shows a download once it has begun; one that is not needed is not shown."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        """Nothing is shown yet."""
        self._console = console
        self._quiet = quiet
        self._bar: Progress | None = None
        self._began: tuple[float, int] | None = None
        self._next = 0.0

    def update(self, done: int, total: int) -> None:
        """Take note of how many bytes there are."""
        if self._quiet:
            return
        now = time.monotonic()
        if self._began is None:
            self._began = now, done
            self._next = now + _PLAIN_INTERVAL_SECONDS
            self._bar = self._open_bar() if self._console.is_terminal else None
        words = self._describe(done, total, now)
        if self._bar is not None:
            while len(words) > 1 and len("  ".join(words)) > self._console.width - _LEAST_BAR:
                words.pop()
            self._bar.update(
                self._bar.task_ids[0], completed=done, total=total, words="  ".join(words)
            )
        elif now >= self._next:
            self._next = now + _PLAIN_INTERVAL_SECONDS
            line = f"downloaded {', '.join(words)}"
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Take the bar off the terminal."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _describe(self, done: int, total: int, now: float) -> list[str]:
        """Share, time left, amount and rate, the most important first."""
        began, first = self._began or (now, done)
        rate = (done - first) / max(now - began, 1e-9)
        words = [f"{100 * done / max(total, 1):.0f}%"]
        if rate:
            words.append(f"{format_seconds((total - done) / rate)} left")
        words.append(f"{format_bytes(done)} of {format_bytes(total)}")
        if rate:
            words.append(f"{format_bytes(round(rate))}/s")
        return words

    def _open_bar(self) -> Progress:
        bar = Progress(
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=4)),
            TextColumn("{task.fields[words]}", markup=False, table_column=Column(no_wrap=True)),
            console=self._console,
            expand=True,
            transient=True,
            refresh_per_second=8,
        )
        bar.add_task("", total=None, words="")
        bar.start()
        return bar
