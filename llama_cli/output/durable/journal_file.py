"""The journal on disk: locked, read once, and appended to."""

from __future__ import annotations

import io
import os
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from llama_cli.errors import OutputLockedError, OutputRefusedError
from llama_cli.output.durable.journal import Commit, Journal, RunHeader, Session
from llama_cli.output.durable.lock import (
    HeldElsewhereError,
    NotRegularFileError,
    has_name,
    open_locked,
)
from llama_cli.output.durable.sync import sync


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
        """Whether the lock was let go."""
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

    def resume(self) -> None:
        """Cut off what cannot be trusted, and note that this process is at work."""
        os.ftruncate(self._file.fileno(), self.entries.size)
        self._append(_this_process())

    def add(self, commit: Commit) -> None:
        """Note that work is safe."""
        self._append(commit)

    def close(self, *, remove: bool) -> None:
        """Let the lock go, and remove the file before that if it shall go. Never raises."""
        if remove:
            self.remove()
        with suppress(OSError):
            self._file.close()

    def remove(self) -> None:
        """Remove the file while it is locked: later, the name may belong to another run."""
        with suppress(OSError, ValueError):
            if has_name(self._file, self.path):
                self.path.unlink()

    def _append(self, *entries: RunHeader | Session | Commit) -> None:
        """Add entries, all or none; synced where the run can be continued.

        Raises:
            OSError: the system refused; the entries before stay.
        """
        size = os.fstat(self._file.fileno()).st_size
        before, commits = replace(self.entries), len(self.entries.commits)
        try:
            write_all(self._file, b"".join(map(self.entries.encode, entries)))
            if self.entries.header and self.entries.header.identity is not None:
                sync(self._file.fileno())
        except OSError:
            self.entries = before
            del self.entries.commits[commits:]
            with suppress(OSError):
                os.ftruncate(self._file.fileno(), size)
            raise


def write_all(file: io.FileIO, data: bytes) -> None:
    """Write all of it, however many calls that takes."""
    rest = memoryview(data)
    while rest.nbytes:
        rest = rest[file.write(rest) :]


def _this_process() -> Session:
    return Session(os.getpid(), socket.gethostname())


def _holder(path: Path) -> str:
    with suppress(OSError, ValueError):
        if session := Journal.decode(path.read_bytes()).session:
            elsewhere = session.host != socket.gethostname()
            return f" (process {session.pid}{f' on {session.host}' if elsewhere else ''})"
    return ""
