"""What a run says on stderr: to people, or as events to programs."""

from __future__ import annotations

import json
import logging
from typing import Protocol, TextIO, cast

from llama_cli import __version__
from llama_cli.cli.download_view import DownloadEvents, DownloadView, ShownDownload
from llama_cli.cli.events import write_event
from llama_cli.cli.printable import printable
from llama_cli.cli.settings import EmbedSettings
from llama_cli.cli.stderr import ForgivingStderr
from llama_cli.cli.summary import as_json, as_text
from llama_cli.progress.events import EventProgress
from llama_cli.progress.plain import Silent
from llama_cli.progress.view import ProgressView, make_console, make_view
from llama_cli.run.job import EmbedJob
from llama_cli.run.provenance import RunSummary


class Messages(Protocol):
    """All that is said before an error, if there is one."""

    def log(self, level: str, message: str) -> None:
        """A line of the log; levels are ``debug``, ``info`` and ``warning``."""
        ...

    def start(self, job: EmbedJob) -> ProgressView:
        """The run begins; what it is followed with."""
        ...

    def start_download(self) -> DownloadView:
        """A model may be downloaded; what that is followed with."""
        ...

    def finish(self, summary: RunSummary, exit_code: int) -> None:
        """The run is done."""
        ...


def make_messages(settings: EmbedSettings) -> Messages:
    """Those that were asked for; warnings always come."""
    if settings.progress == "json":
        return EventMessages(quiet=settings.quiet)
    return TextMessages(settings.progress, quiet=settings.quiet)


class TextMessages:
    """For people."""

    def __init__(self, kind: str, *, quiet: bool) -> None:
        """Nothing is said yet.

        Args:
            kind: which progress is shown.
            quiet: neither progress nor summary.
        """
        self._kind = "none" if quiet else kind
        self._quiet = quiet
        self._console = make_console(self._kind, cast(TextIO, ForgivingStderr()))

    def log(self, level: str, message: str) -> None:
        """Above the progress bar, if there is one."""
        start = "" if level == "info" else f"{level}: "
        self._console.print(f"llama-cli: {start}{printable(message)}", soft_wrap=True)

    def start(self, job: EmbedJob) -> ProgressView:  # noqa: ARG002 - people have just typed it
        """Show the progress."""
        return make_view(self._kind, self._console)

    def start_download(self) -> DownloadView:
        """Show how far it is."""
        return ShownDownload(self._console, quiet=self._kind == "none")

    def finish(self, summary: RunSummary, exit_code: int) -> None:  # noqa: ARG002 - warnings said it
        """Show the summary."""
        if not self._quiet:
            self._console.print(as_text(summary), soft_wrap=True)


class EventMessages:
    """For programs."""

    def __init__(self, *, quiet: bool) -> None:
        """Nothing is said yet.

        Args:
            quiet: only warnings.
        """
        self._quiet = quiet

    def log(self, level: str, message: str) -> None:
        """An event named as the level; only what ends a run is an error."""
        write_event(level if level in ("debug", "info") else "warning", message=message)

    def start(self, job: EmbedJob) -> ProgressView:
        """What is to be done, and how far it is."""
        if self._quiet:
            return Silent()
        write_event(
            "start",
            version=__version__,
            inputs=[str(file) for file in job.inputs],
            output=str(job.output),
            model=str(job.model.path),
        )
        return EventProgress(lambda facts: write_event("progress", **facts))

    def start_download(self) -> DownloadView:
        """How far it is."""
        return DownloadEvents(quiet=self._quiet)

    def finish(self, summary: RunSummary, exit_code: int) -> None:
        """What ``--json`` says, and the exit code."""
        if not self._quiet:
            write_event("done", **json.loads(as_json(summary)), exit_code=exit_code)


class _MessageHandler(logging.Handler):
    """Log records as messages."""

    def __init__(self, messages: Messages) -> None:
        super().__init__()
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self._messages.log(record.levelname.lower(), record.getMessage())


def show_log(messages: Messages, *, debug: bool, quiet: bool) -> None:
    """Warnings always; llama.cpp's own log and our details with ``--debug``."""
    logger = logging.getLogger("llama_cli")
    logger.handlers = [_MessageHandler(messages)]
    usual = logging.WARNING if quiet else logging.INFO
    logger.setLevel(logging.DEBUG if debug else usual)
    logging.getLogger("llama_cli.llama_cpp").propagate = debug
