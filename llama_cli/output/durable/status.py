"""Looking at an unfinished output from outside, without disturbing whoever writes it."""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from llama_cli.output.durable.journal import Commit, Journal, RunHeader, Session, looks_like_journal
from llama_cli.output.durable.target import Output, beside
from llama_cli.output.errors import translated_errors

# Enough to know a journal by.
_HEAD_BYTES = 256


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """What the journal beside an output says.

    Attributes:
        header: what the run is.
        last: its last commit, or None.
        session: the last process that worked on it.
        running: whether a process is at work on it now.
    """

    header: RunHeader
    last: Commit | None
    session: Session | None
    running: bool


def read_unfinished(output: Output) -> UnfinishedRun | None:
    """The unfinished run beside an output; None where there is none that could resume.

    Raises:
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
    if journal.header is None:
        return None
    last = journal.commits[-1] if journal.commits else None
    return UnfinishedRun(journal.header, last, journal.session, _is_held(path, journal.session))


def is_work_file(path: Path) -> bool:
    """Whether it is one of the two files beside an output that is being made."""
    if path.suffix not in (".partial", ".journal"):
        return False
    with suppress(OSError), path.with_suffix(".journal").open("rb") as file:
        return looks_like_journal(file.read(_HEAD_BYTES))
    return False


def _is_held(path: Path, session: Session | None) -> bool:
    """Whether the journal is locked. Only tried where the process that had it may live."""
    if session and session.host == socket.gethostname() and not _lives(session.pid):
        return False
    with suppress(OSError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
