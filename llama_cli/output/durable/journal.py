"""The journal of a run: what the run is, and up to where its work is committed.

One line of JSON an entry, each behind a checksum that covers the line and, through the checksum
before it, all earlier ones. So a line that was torn, altered, lost or doubled ends the journal
where it stands, and what comes before it can be trusted.

What the run itself needs to resume is carried as JSON that only `llama_cli.run.checkpoint` reads.
"""

from __future__ import annotations

import json
import os
import re
import socket
import uuid
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

import xxhash

from llama_cli.errors import OutputLockedError, OutputRefusedError
from llama_cli.output.durable.files import (
    HeldElsewhereError,
    NotRegularFileError,
    has_name,
    open_locked,
    sync,
    write_all,
)

# To be raised with every change of the entries, or of the JSON that they carry.
VERSION = 3

Json = dict[str, Any]

# How a first line begins; enough to tell a damaged journal from somebody else's file.
_LOOKS_LIKE = re.compile(rb'[0-9a-f]{16} \{"journal": \d+, "run": "')
_BEGINNING = b'0123456789abcdef {"journal": 1, "run": "'


@dataclass(frozen=True, slots=True)
class RunHeader:
    """What a run is.

    Attributes:
        run_id: 32 hex digits, in the finished file's footer as well.
        started_at: when it first began.
        resumable: whether a later process may resume it; its commits are synced then.
        spec: what the run says of itself; empty where there is only a writer.
        version: of the journal.
    """

    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    resumable: bool = False
    spec: Json = field(default_factory=dict)
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class RunProcess:
    """A process that worked on the run.

    Attributes:
        pid: its number.
        host: the machine it ran on.
    """

    pid: int
    host: str


@dataclass(frozen=True, slots=True)
class Commit:
    """Work that outlasts the process.

    Attributes:
        rows: rows of the file up to here.
        end: bytes of the file up to here.
        at: when it was committed.
        checkpoint: what the run needs to resume from here.
    """

    rows: int
    end: int
    at: datetime
    checkpoint: Json


Entry = RunHeader | RunProcess | Commit


@dataclass(slots=True)
class Journal:
    """The entries of a journal, as far as they can be trusted.

    Attributes:
        header: None where not even the first line is whole.
        process: the last one that worked on the run.
        commits: in order.
        size: bytes that are whole.
        checksum: of the last entry.
        damaged: whether more than a torn last line follows.
    """

    header: RunHeader | None = None
    process: RunProcess | None = None
    commits: list[Commit] = field(default_factory=list)
    size: int = 0
    checksum: str = ""
    damaged: bool = False

    @property
    def resumable(self) -> bool:
        """Whether there is a run that could be resumed, from its last commit or from its start."""
        return self.header is not None and self.header.resumable

    def encode(self, entry: Entry) -> bytes:
        """Add an entry and return its line."""
        text = json.dumps(_to_json(entry))  # ASCII only: names may hold bytes that are not UTF-8
        self.checksum = _chained(self.checksum, text.encode())
        line = f"{self.checksum} {text}\n".encode()
        self._add(entry)
        self.size += len(line)
        return line

    def _add(self, entry: Entry) -> None:
        if isinstance(entry, RunHeader):
            self.header = entry
        elif isinstance(entry, RunProcess):
            self.process = entry
        else:
            self.commits.append(entry)

    @classmethod
    def decode(cls, data: bytes, data_size: float = inf) -> Journal:
        """Read a journal up to the first line that is not whole or speaks of rows not there.

        Args:
            data: all of it.
            data_size: bytes of rows that there are.

        Raises:
            ValueError: a later version of this program wrote it.
        """
        journal = cls()
        while (end := data.find(b"\n", journal.size)) >= 0:
            checksum, _, text = data[journal.size : end].partition(b" ")
            if checksum.decode("latin-1") != _chained(journal.checksum, text):
                break
            entry = _from_json(json.loads(text))
            if isinstance(entry, RunHeader) != (journal.header is None):
                break
            if isinstance(entry, Commit) and entry.end > data_size:
                break
            journal._add(entry)
            journal.checksum = checksum.decode("ascii")
            journal.size = end + 1
        # Bytes of zero are what some file systems leave of an append cut short by a power failure.
        rest = data[journal.size :].rstrip(b"\0")
        journal.damaged = b"\n" in rest
        return journal

    def refuse_older(self, output: Path | str) -> None:
        """Refuse work that an earlier version of this program has committed.

        Raises:
            OutputRefusedError: there is such work.
        """
        if self.header and self.header.version < VERSION and self.header.resumable and self.commits:
            raise OutputRefusedError(
                f"{output}: an unfinished run of an earlier version of this program is there",
                path=output if isinstance(output, Path) else None,
                hint="finish it with that version, or discard it with `restart`",
            )


def looks_like_journal(data: bytes) -> bool:
    """Whether these are the first bytes of a journal, or of one cut short."""
    data = data.rstrip(b"\0")
    # Where it was cut short, the rest is taken to be what belongs there.
    return _LOOKS_LIKE.match(data + _BEGINNING[len(data) :]) is not None


def _chained(before: str, text: bytes) -> str:
    return xxhash.xxh3_64_hexdigest(before.encode() + text)


def _to_json(entry: Entry) -> Json:
    if isinstance(entry, RunHeader):
        return {
            "journal": entry.version,
            "run": entry.run_id,
            "started_at": entry.started_at.isoformat(),
            "resumable": entry.resumable,
            "spec": entry.spec,
        }
    if isinstance(entry, RunProcess):
        return {"process": {"pid": entry.pid, "host": entry.host}}
    return {
        "commit": {
            "rows": entry.rows,
            "end": entry.end,
            "at": entry.at.isoformat(),
            "checkpoint": entry.checkpoint,
        }
    }


def _from_json(values: Json) -> Entry:
    """An entry of this version, or of an earlier one without what only that could use."""
    if "journal" in values:
        version = values["journal"]
        if version > VERSION:
            raise ValueError(f"journal of version {version}")
        started = datetime.fromisoformat(values["started_at"])
        resumable = values["resumable"] if version > 1 else values["identity"] is not None
        return RunHeader(values["run"], started, resumable, values.get("spec", {}), version)
    if process := values.get("process") or values.get("session"):  # as version 1 called it
        return RunProcess(**process)
    if "commit" not in values:
        raise ValueError(f"a journal with entries of another kind: {', '.join(values)}")
    commit = values["commit"]
    at = datetime.fromisoformat(commit["at"])
    return Commit(commit["rows"], commit["end"], at, commit.get("checkpoint", {}))


class JournalFile:
    """A journal that this process alone may write. The lock ends with the process."""

    def __init__(self, path: Path, output: Path | str) -> None:
        """Open and lock the file, which is made where it is missing.

        Args:
            path: the journal.
            output: what it is the journal of, for messages.

        Raises:
            OutputRefusedError: something else than a file has the name.
            OutputLockedError: another run has it.
            OSError: the system refused.
        """
        self.path = path
        self.entries = Journal()
        named = output if isinstance(output, Path) else path
        try:
            self._file = open_locked(path)
        except NotRegularFileError as error:
            raise OutputRefusedError(
                f"{path} is in the way and is not a regular file",
                path=named,
                hint="move it elsewhere",
            ) from error
        except HeldElsewhereError as error:
            raise OutputLockedError(
                f"another run{_holder(path)} is writing {output}: it holds the lock {path}",
                path=named,
                hint="wait for it to end, or choose another output",
            ) from error

    @property
    def closed(self) -> bool:
        """Whether the lock was released."""
        return self._file.closed

    def read(self) -> bytes:
        """All of the file, whatever it is."""
        self._file.seek(0)
        return self._file.readall()

    def begin(self, header: RunHeader) -> None:
        """Write the journal anew, for another run."""
        self.entries = Journal()
        os.ftruncate(self._file.fileno(), 0)
        self._append(header, _this_process())

    def forget_commits(self) -> None:
        """Keep the first line only."""
        if self.entries.commits:
            first, _, _ = self.read().partition(b"\n")
            size = len(first) + 1
            try:
                os.ftruncate(self._file.fileno(), size)
            finally:  # an error may come when it has had its effect
                if os.fstat(self._file.fileno()).st_size == size:
                    self.entries = Journal(self.entries.header)

    def resume(self) -> RunHeader:
        """Cut off what cannot be trusted, note that this process is at work, return the header."""
        if self.entries.header is None:
            raise ValueError("there is no run to resume")
        os.ftruncate(self._file.fileno(), self.entries.size)
        self._append(_this_process())
        return self.entries.header

    def add(self, commit: Commit) -> None:
        """Add a commit; the data that it covers must be on the disk."""
        self._append(commit)

    def close(self, *, remove: bool) -> None:
        """Release the lock, and remove the file before that if it shall go. Never raises."""
        if remove:
            self.remove()
        with suppress(OSError):
            self._file.close()

    def remove(self) -> None:
        """Remove the file while it is locked: later, the name may belong to another run."""
        with suppress(OSError, ValueError):
            if has_name(self._file, self.path):
                self.path.unlink()

    def _append(self, *entries: Entry) -> None:
        """Add entries, all or none; synced where the run is resumable.

        Raises:
            OSError: the system refused; the entries before stay.
        """
        size = os.fstat(self._file.fileno()).st_size
        before, commits = replace(self.entries), len(self.entries.commits)
        try:
            write_all(self._file, b"".join(map(self.entries.encode, entries)))
            if self.entries.resumable:
                sync(self._file.fileno())
        except OSError:
            self.entries = before
            del self.entries.commits[commits:]
            with suppress(OSError):
                os.ftruncate(self._file.fileno(), size)
            raise


def _this_process() -> RunProcess:
    return RunProcess(os.getpid(), socket.gethostname())


def _holder(path: Path) -> str:
    with suppress(OSError, ValueError):
        if process := Journal.decode(path.read_bytes()).process:
            elsewhere = process.host != socket.gethostname()
            return f" (process {process.pid}{f' on {process.host}' if elsewhere else ''})"
    return ""
