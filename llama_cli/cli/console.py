"""Where progress, the log and the summary go: stderr, through one console."""

from __future__ import annotations

import logging
from typing import TextIO, cast

from rich.console import Console

from llama_cli.cli.printable import printable
from llama_cli.cli.stderr import ForgivingStderr
from llama_cli.progress import RoomyConsole


def open_console(*, debug: bool, quiet: bool) -> Console:
    """The console on stderr, which from now on shows the log as well."""
    console = RoomyConsole(
        file=cast(TextIO, ForgivingStderr()), highlight=False, markup=False, emoji=False
    )
    _show_log(console, debug=debug, quiet=quiet)
    return console


class _ConsoleHandler(logging.Handler):
    """Log records through the console, so that they appear above the progress bar."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        line = f"llama-cli: {level}{printable(record.getMessage())}"
        self._console.print(line, soft_wrap=True)


def _show_log(console: Console, *, debug: bool, quiet: bool) -> None:
    """Warnings always; llama.cpp's own log and our details with ``--debug``."""
    logger = logging.getLogger("llama_cli")
    logger.handlers = [_ConsoleHandler(console)]
    usual = logging.WARNING if quiet else logging.INFO
    logger.setLevel(logging.DEBUG if debug else usual)
    logging.getLogger("llama_cli.llama_cpp").propagate = debug
