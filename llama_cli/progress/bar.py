"""A bar on a terminal."""

from __future__ import annotations

from typing import Generic, TextIO

from rich.console import Console, ConsoleDimensions
from rich.progress import BarColumn, Progress, ProgressColumn, Task
from rich.table import Column
from rich.text import Text

from llama_cli.progress.meters import Meter, P

# What a terminal shows of a key that interrupts, such as "^C".
_ECHO_CELLS = 3
# Cells that are left to the bar.
_LEAST_BAR = 12


class RoomyConsole(Console):
    """A console that leaves the last cells of a line free.

    Ctrl-C is shown there; after a full line it would be on the next one, and the bar would stay.
    """

    def __init__(self, file: TextIO, *, with_bar: bool) -> None:
        """A console for plain text.

        Args:
            file: where it goes.
            with_bar: whether a bar is shown on it, whatever Rich thinks of the terminal.
        """
        super().__init__(
            file=file,
            highlight=False,
            markup=False,
            emoji=False,
            force_terminal=with_bar,
            force_interactive=with_bar,
        )

    @property  # type: ignore[misc]
    def size(self) -> ConsoleDimensions:
        """Columns, less those, and lines."""
        width, height = super().size
        return ConsoleDimensions(max(1, width - _ECHO_CELLS), height)

    @property
    def is_dumb_terminal(self) -> bool:
        """Never: where a bar cannot be shown there is none, unless it was asked for."""
        return False


class Bar(Generic[P]):
    """A Rich bar that disappears at the end."""

    def __init__(self, console: Console, meter: Meter[P]) -> None:
        self._meter = meter
        self._progress = Progress(
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=4)),
            _Words(meter, console),
            console=console,
            expand=True,
            transient=True,
            refresh_per_second=8,
        )
        self._task = self._progress.add_task("", total=None)
        self._progress.start()

    def update(self, progress: P) -> None:
        self._meter.add(progress)
        self._progress.update(
            self._task, completed=self._meter.done, total=self._meter.total or None
        )

    def stop(self) -> None:
        self._progress.stop()


class _Words(ProgressColumn):
    """The words beside the bar: as many as leave room for it."""

    def __init__(self, meter: Meter[P], console: Console) -> None:
        self._meter = meter
        self._console = console
        super().__init__(Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        if not task.completed:
            return Text("starting")
        words = self._meter.describe()
        room = max(self._console.width - _LEAST_BAR, _LEAST_BAR)
        while len(words) > 1 and len("  ".join(words)) > room:
            words.pop()
        return Text("  ".join(words))
