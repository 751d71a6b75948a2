"""Which way a run is shown."""

from __future__ import annotations

import os
from typing import Protocol, TextIO

from rich.console import Console

from llama_cli.progress.bar import Bar, RoomyConsole
from llama_cli.progress.plain import PlainLines, Silent
from llama_cli.records import RunProgress


class ProgressView(Protocol):
    """Follows one run."""

    def update(self, progress: RunProgress) -> None:
        """Take note of how far the run is; called at every batch the writer takes."""
        ...

    def stop(self) -> None:
        """Leave the terminal as it was."""
        ...


def make_console(kind: str, stream: TextIO) -> Console:
    """Where people see the progress of that kind, and all else that is said."""
    return RoomyConsole(stream, with_bar=_wants_bar(kind, stream))


def make_view(kind: str, console: Console) -> ProgressView:
    """The progress of that kind."""
    if kind == "none":
        return Silent()
    return Bar(console) if console.is_terminal else PlainLines(console)


def _wants_bar(kind: str, stream: TextIO) -> bool:
    """Whether a bar is asked for, or nothing is and one can be shown there."""
    if kind != "auto":
        return kind == "bar"
    # Not Rich's own idea of a terminal: FORCE_COLOR in a log would make it one.
    is_dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    return stream.isatty() and not is_dumb and not _in_ci()


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false")
