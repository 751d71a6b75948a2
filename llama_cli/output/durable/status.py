"""Looking at an unfinished output from outside, without disturbing whoever writes it."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from llama_cli.output.durable.files import is_locked
from llama_cli.output.durable.journal import (
    Commit,
    Journal,
    RunHeader,
    RunProcess,
    looks_like_journal,
)
from llama_cli.output.durable.target import Output, beside
from llama_cli.output.errors import translated_errors

# Enough to know a journal by.
_HEAD_BYTES = 256


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """What the journal beside an output says.

    Attributes:
        header: what the run is.
        commits: its commits, in order.
        process: the one that is at work on it now, or None.
    """

    header: RunHeader
    commits: Sequence[Commit]
    process: RunProcess | None


def read_unfinished(output: Output) -> UnfinishedRun | None:
    """The unfinished run beside an output; None where there is none that could resume.

    Raises:
        OutputRefusedError: an earlier version of this program began it.
        ParquetIOError: its journal cannot be read.
        ParquetFormatError: a later version of this program wrote it.
    """
    path = beside(output, ".journal")
    with translated_errors(path):
        try:
            size = beside(output, ".partial").stat().st_size
            journal = Journal.decode(path.read_bytes(), size)
        except FileNotFoundError:
            return None
    journal.refuse_older(output)
    if journal.header is None:
        return None
    running = _may_live(journal.process) and is_locked(path)
    return UnfinishedRun(journal.header, journal.commits, journal.process if running else None)


def is_work_file(path: Path) -> bool:
    """Whether it is one of the two files beside an output that is being made."""
    if path.suffix not in (".partial", ".journal"):
        return False
    with suppress(OSError), path.with_suffix(".journal").open("rb") as file:
        return looks_like_journal(file.read(_HEAD_BYTES))
    return False


def _may_live(process: RunProcess | None) -> bool:
    """Whether it is worth a try of the lock: on this machine a process that ended has none."""
    if process is None or process.host != socket.gethostname():
        return True
    try:
        os.kill(process.pid, 0)
    except OSError as error:  # of another kind where it is somebody else's
        return not isinstance(error, ProcessLookupError)
    return True
