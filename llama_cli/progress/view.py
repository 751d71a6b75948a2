"""Which way progress is shown, of a run and of a download alike."""

from __future__ import annotations

import os
from typing import Protocol, TextIO, TypeVar

from rich.console import Console

from llama_cli.progress.bar import Bar, RoomyConsole
from llama_cli.progress.lines import Lines
from llama_cli.progress.meters import Meter, P

P_contra = TypeVar("P_contra", contravariant=True)


class View(Protocol[P_contra]):
    """Follows one run or one download."""

    def update(self, progress: P_contra) -> None:
        """Take note of how far it is; called whenever there is more."""
        ...

    def stop(self) -> None:
        """Leave the terminal as it was."""
        ...


class Silent:
    """Shows nothing."""

    def update(self, progress: object) -> None:
        pass

    def stop(self) -> None:
        pass


def make_console(kind: str, stream: TextIO) -> Console:
    """Where people see the progress of that kind, and all else that is said."""
    return RoomyConsole(stream, with_bar=_wants_bar(kind, stream))


def make_view(kind: str, console: Console, meter: Meter[P], start: str = "") -> View[P]:
    """The progress of that kind.

    Args:
        kind: ``none``, or what else was asked for when the console was made.
        console: where it goes.
        meter: what is shown of it.
        start: what lines begin with, where there is no bar.
    """
    if kind == "none":
        return Silent()
    return Bar(console, meter) if console.is_terminal else Lines(console, meter, start)


def _wants_bar(kind: str, stream: TextIO) -> bool:
    """Whether a bar is asked for, or nothing is and one can be shown there."""
    if kind != "auto":
        return kind == "bar"
    # Not Rich's own idea of a terminal: FORCE_COLOR in a log would make it one.
    is_dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    return stream.isatty() and not is_dumb and not in_ci
