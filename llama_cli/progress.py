"""Showing how far a run is: a bar on a terminal, plain lines in a log, or nothing."""

from __future__ import annotations

import collections
import os
import time
from typing import Protocol

from rich.console import Console, ConsoleDimensions
from rich.progress import BarColumn, Progress, ProgressColumn, Task
from rich.table import Column
from rich.text import Text

from llama_cli.types import RunProgress

# Rates are those of the last while, so that they follow the texts and the machine.
_WINDOW_SECONDS = 30.0
_PLAIN_INTERVAL_SECONDS = 5.0


# What a terminal shows of a key that interrupts, such as "^C".
_ECHO_CELLS = 3


class RoomyConsole(Console):
    """A console that leaves the last cells of a line free.

    Ctrl-C is shown there; after a full line it would be on the next one, and the bar would stay.
    """

    @property  # type: ignore[misc]
    def size(self) -> ConsoleDimensions:
        """Columns, less those, and lines."""
        width, height = super().size
        return ConsoleDimensions(max(1, width - _ECHO_CELLS), height)


class ProgressView(Protocol):
    """Follows one run."""

    def update(self, progress: RunProgress) -> None:
        """Take note of how far the run is; called at every batch the writer takes."""
        ...

    def stop(self) -> None:
        """Leave the terminal as it was."""
        ...


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

    def describe(self) -> list[str]:
        """Rows, share of the input, rates and time left, the most important first."""
        (before, first), (now, last) = self._seen[0], self._seen[-1]
        seconds = max(now - before, 1e-9)
        words = [f"{last.rows:,} rows"]
        if last.bytes_total:
            words.append(f"{100 * last.bytes_read / last.bytes_total:.0f}%")
        rate = (last.bytes_read - first.bytes_read) / seconds
        if last.bytes_total and rate:
            words.append(f"{format_seconds((last.bytes_total - last.bytes_read) / rate)} left")
        words.append(f"{(last.rows - first.rows) / seconds:,.0f} texts/s")
        words.append(f"{(last.tokens - first.tokens) / seconds:,.0f} tokens/s")
        return words


def format_seconds(seconds: float) -> str:
    """A length of time as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


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
        self._next = time.monotonic() + _PLAIN_INTERVAL_SECONDS

    def update(self, progress: RunProgress) -> None:
        """Print a line when the last one is old enough."""
        self._meter.add(progress)
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _PLAIN_INTERVAL_SECONDS
            line = ", ".join(self._meter.describe())
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Nothing is left to clean up."""


class Bar:
    """A Rich bar that disappears when the run ends."""

    def __init__(self, console: Console) -> None:
        self._meter = RateMeter()
        self._progress = Progress(
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=4)),
            _Facts(self._meter, console),
            console=console,
            expand=True,
            transient=True,
            refresh_per_second=8,
        )
        self._task = self._progress.add_task("", total=None)
        self._progress.start()

    def update(self, progress: RunProgress) -> None:
        """Move the bar."""
        self._meter.add(progress)
        self._progress.update(
            self._task, completed=progress.bytes_read, total=progress.bytes_total or None
        )

    def stop(self) -> None:
        """Take the bar off the terminal."""
        self._progress.stop()


class _Facts(ProgressColumn):
    """The words beside the bar: as many as leave room for it."""

    def __init__(self, meter: RateMeter, console: Console) -> None:
        self._meter = meter
        self._console = console
        super().__init__(Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        if not task.completed:
            return Text("starting")
        words = self._meter.describe()
        room = max(self._console.width - 12, 12)
        while len(words) > 1 and len("  ".join(words)) > room:
            words.pop()
        return Text("  ".join(words))


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def shows_bars(console: Console) -> bool:
    """Whether stderr goes where a bar can be drawn."""
    # Not Rich's own idea of a terminal: FORCE_COLOR in a log would make it one.
    on_terminal = console.file.isatty() and not console.is_dumb_terminal
    return on_terminal and not _in_ci()


def make_view(console: Console, *, quiet: bool) -> ProgressView:
    """The view that suits where stderr goes."""
    if quiet:
        return Silent()
    return Bar(console) if shows_bars(console) else PlainLines(console)
