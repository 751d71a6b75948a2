"""What is said on stderr on the way: to people, or as events to programs."""

from __future__ import annotations

import logging
from typing import Protocol, TextIO, cast

from llama_cli import __version__
from llama_cli.cli.options import spell_options
from llama_cli.cli.summary import summary_as_text, summary_facts
from llama_cli.cli.terminal import ForgivingStderr, printable, write_event
from llama_cli.progress.events import EventProgress
from llama_cli.progress.meters import DownloadMeter, DownloadProgress, RunMeter
from llama_cli.progress.view import Silent, View, make_console, make_view
from llama_cli.records import RunProgress
from llama_cli.run.job import EmbedJob
from llama_cli.run.provenance import RunSummary


class Messages(Protocol):
    """All that is said before an error, if there is one."""

    def log(self, level: str, message: str) -> None:
        """A line of the log; levels are ``debug``, ``info`` and ``warning``."""
        ...

    def start(self, job: EmbedJob) -> View[RunProgress]:
        """The run begins; what it is followed with."""
        ...

    def start_download(self) -> View[DownloadProgress]:
        """A download begins; what it is followed with."""
        ...

    def finish(self, summary: RunSummary, exit_code: int) -> None:
        """The run is done."""
        ...


def make_messages(progress: str, *, quiet: bool) -> Messages:
    """Those that were asked for; warnings always come."""
    if progress == "json":
        return EventMessages(quiet=quiet)
    return TextMessages(progress, quiet=quiet)


class TextMessages:
    """For people."""

    def __init__(self, progress: str, *, quiet: bool) -> None:
        """Open the terminal.

        Args:
            progress: which progress is shown.
            quiet: neither progress nor summary.
        """
        self._progress = "none" if quiet else progress
        self._quiet = quiet
        self._console = make_console(self._progress, cast(TextIO, ForgivingStderr()))

    def log(self, level: str, message: str) -> None:
        start = "" if level == "info" else f"{level}: "
        self._console.print(f"llama-cli: {start}{printable(message)}", soft_wrap=True)

    def start(self, job: EmbedJob) -> View[RunProgress]:  # noqa: ARG002 - people have just typed it
        return make_view(self._progress, self._console, RunMeter())

    def start_download(self) -> View[DownloadProgress]:
        return make_view(self._progress, self._console, DownloadMeter(), start="downloaded ")

    def finish(self, summary: RunSummary, exit_code: int) -> None:  # noqa: ARG002 - warnings said it
        if not self._quiet:
            self._console.print(summary_as_text(summary), soft_wrap=True)


class EventMessages:
    """For programs."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def log(self, level: str, message: str) -> None:
        """An event named as the level; only what ends a run is an error."""
        write_event(level if level in ("debug", "info") else "warning", message=message)

    def start(self, job: EmbedJob) -> View[RunProgress]:
        if self._quiet:
            return Silent()
        write_event(
            "start",
            version=__version__,
            inputs=[str(file) for file in job.inputs],
            output=str(job.output),
            model=str(job.model.path),
        )
        return EventProgress(RunMeter(), lambda facts: write_event("progress", **facts))

    def start_download(self) -> View[DownloadProgress]:
        if self._quiet:
            return Silent()
        return EventProgress(DownloadMeter(), lambda facts: write_event("download", **facts))

    def finish(self, summary: RunSummary, exit_code: int) -> None:
        """What ``--json`` says, and the exit code."""
        if not self._quiet:
            write_event("done", **summary_facts(summary), exit_code=exit_code)


class _MessageHandler(logging.Handler):
    """Log records as messages."""

    def __init__(self, messages: Messages) -> None:
        super().__init__()
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self._messages.log(record.levelname.lower(), spell_options(record.getMessage()))


def show_log(messages: Messages, *, debug: bool, quiet: bool) -> None:
    """Warnings always; llama.cpp's own log and our details with ``--debug``."""
    logger = logging.getLogger("llama_cli")
    logger.handlers = [_MessageHandler(messages)]
    usual = logging.WARNING if quiet else logging.INFO
    logger.setLevel(logging.DEBUG if debug else usual)
    logging.getLogger("llama_cli.llama_cpp").propagate = debug
