"""The two files beside an output that is being written, and the step that makes one the output.

``OUT.partial`` has the rows. ``OUT.journal`` says up to where they are committed, and is locked by
the process that writes them. The output itself is touched by one rename. The journal is removed
last, in one step, so that at every moment it tells what the other two files are.
"""

from __future__ import annotations

import contextlib
import logging
import stat
import threading
import weakref
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from llama_cli.errors import LlamaCliError, OutputRefusedError, ParquetError
from llama_cli.output.durable.files import sync_folder
from llama_cli.output.durable.journal import (
    VERSION,
    Commit,
    Journal,
    JournalFile,
    Json,
    RunHeader,
    looks_like_journal,
)
from llama_cli.output.durable.segments import MAGIC, DataFile, last_footer, read_footers
from llama_cli.output.durable.target import Output, beside, make_target, path_of
from llama_cli.output.errors import translated_errors
from llama_cli.output.provenance import Provenance

log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 1.0


class PartialOutput:
    """An unfinished output: locked, then begun or resumed, then finished or released.

    A resumable run can be resumed from its last commit, and its commits are synced. Any other
    leaves nothing behind, and what is found of such a run is removed.

    Whoever made it releases it, as a context manager does, and tells an error how many rows are
    kept. A writer only borrows it.
    """

    def __init__(self, output: Output, *, overwrite: bool, restart: bool = False) -> None:
        """Lock the output, and make the folders above it where they are missing.

        Args:
            output: where the finished file goes, a path or a URL; a link is followed and stays a
                link.
            overwrite: whether an existing file may be replaced.
            restart: whether the work of an unfinished run is discarded once another begins.

        Raises:
            OutputRefusedError: something that must not be replaced is there.
            OutputLockedError: another run is writing it.
            ParquetIOError: the operating system refused.
            ParquetError: the server does not answer.
        """
        self._output = output
        self._overwrite = overwrite
        self._discards = restart  # until the other run has begun
        self._finished_bytes = self._kept_rows = 0
        self._data = DataFile(beside(output, ".partial"))
        self.path = output if isinstance(output, Path) else self._data.path
        with translated_errors(self.path), _registered(self):
            self._target = make_target(output)
            self._target.prepare()
            self._journal = JournalFile(beside(output, ".journal"), output)
            found = b"unknown"
            try:
                found = self._journal.read()
                entries = _read_stale(found, self._journal.path, self._data.path)
                if not restart:
                    entries.refuse_older(output)
                self._journal.entries = entries
                self._finished = self._find_finished()
                if self._finished is None:
                    if entries.resumable and _has_lost_all(entries):
                        log.warning("%s is gone or empty: the run begins anew", self._data.path)
                    self._target.check(overwrite=overwrite)
            except BaseException:
                self._close(remove_journal=not found)
                raise

    @classmethod
    def begin_alone(cls, output: Path, *, overwrite: bool) -> Self:
        """The output of a run that is not resumable, begun. Raises what the others do."""
        partial = cls(output, overwrite=overwrite)
        try:
            partial.begin(RunHeader())
        except BaseException:
            partial.release()
            raise
        return partial

    @property
    def header(self) -> RunHeader | None:
        """Of the run that this output is for; None where there is none yet."""
        return self._journal.entries.header

    @property
    def commits(self) -> list[Commit]:
        """What is committed, in order."""
        return self._journal.entries.commits

    @property
    def rows(self) -> int:
        """Rows that are committed."""
        return self.commits[-1].rows if self.commits else 0

    @property
    def end(self) -> int:
        """Bytes that are committed; in the end, all."""
        return self._finished_bytes or (self.commits[-1].end if self.commits else 0)

    @property
    def can_resume(self) -> bool:
        """Whether there are rows that `resume` would keep."""
        return self._journal.entries.resumable and bool(self.commits) and not self._discards

    @property
    def finished_before(self) -> Provenance | None:
        """Of the output of a run that was killed before it could remove its journal."""
        return None if self._discards else self._finished

    @property
    def finished_bytes(self) -> int:
        """Size of the finished output."""
        return self._finished_bytes or self._target.size()

    def begin(self, header: RunHeader) -> RunHeader:
        """Begin a run, and return its header.

        Raises:
            OutputRefusedError: there is work to resume, or a file that must not be replaced.
            ParquetIOError: the operating system refused.
        """
        if self.can_resume:
            raise another_run(self._output, "which this one cannot resume")
        self._discards = False
        with translated_errors(self.path):
            self._target.check(overwrite=self._overwrite)
            # At no step do rows lack a journal, or commits their rows.
            self._journal.forget_commits()
            self._data.remove()
            self._journal.begin(header)
            self._data.create()
            if header.resumable:
                sync_folder(self._target.folder)
        return header

    def resume(self) -> RunHeader:
        """Drop what comes after the last commit of the unfinished run, and return its header.

        Raises:
            OutputRefusedError: a file must not be replaced.
            ParquetIOError: the operating system refused.
        """
        with translated_errors(self.path):
            self._target.check(overwrite=self._overwrite)
            self._data.truncate(self.end)
            return self._journal.resume()

    def open_segment(self) -> pa.OSFile:
        """Open the file for Arrow, at its end.

        Raises:
            OSError: the system refused, or somebody has removed the file.
        """
        return self._data.open_sink()

    def commit(self, rows: int, end: int, checkpoint: Json) -> None:
        """Commit the file up to ``end``, where it has ``rows`` rows.

        Raises:
            ParquetIOError: the operating system refused; the commits before stay.
        """
        with translated_errors(self.path):
            if self._journal.entries.resumable:
                self._data.sync()
            self._journal.add(Commit(rows, end, datetime.now(UTC), checkpoint))

    def finish(self, schema: pa.Schema, key_values: dict[str, str]) -> pq.FileMetaData:
        """Write the footer over all commits and give the file its name, in one step.

        Raises:
            OutputRefusedError: something that must not be replaced has appeared there.
            ParquetFormatError: what was written does not read as it should.
            ParquetIOError: the operating system refused.
        """
        with translated_errors(self.path):
            ends = [(commit.rows, commit.end) for commit in self.commits]
            footers = read_footers(self._data.fileno(), ends)
            footer, metadata = last_footer(schema, footers, key_values)
            self._data.add(footer[len(MAGIC) :] if ends else footer)
            size = self._data.size()
        try:
            with translated_errors(self.path):
                self._target.check(overwrite=self._overwrite)
                with self._target.published(self._data):
                    self._data.remove()  # what an upload leaves
                    self._finished_bytes = size
                    self._close(remove_journal=True)
        except ParquetError as error:
            error.hint = self._keep() or error.hint
            raise
        return metadata

    def release(self) -> int:
        """Keep what was committed of a resumable run, and nothing else. Never raises.

        After `finish`, and a second time, it does nothing.

        Returns:
            How many rows are kept for a run that resumes.
        """
        if self._journal.closed:
            return self._kept_rows
        if self._journal.entries.resumable and self.commits and self._data.path.exists():
            # Rows that were to be discarded are not this run's to resume.
            self._kept_rows = 0 if self._discards else self.rows
            if self._data.is_open:
                with suppress(OSError):
                    self._data.truncate(self.end)  # room, where the disk is full
            self._close(remove_journal=False)
            return self._kept_rows
        if self._finished and not self._data.is_open:
            self._close(remove_journal=False)  # for the next run to recognize it
            return 0
        self.clean_up()
        return 0

    def abandon(self) -> int:
        """Remove what nobody could resume, while another thread may be at work here.

        What follows the last commit stays: that thread might yet write more.

        Returns:
            How many rows are kept.
        """
        if self._journal.closed or self._finished:
            return 0
        if self._journal.entries.resumable and self.commits:
            return 0 if self._discards else self.rows
        with suppress(OSError):
            self._data.path.unlink()
        self._journal.remove()
        return 0

    def clean_up(self) -> None:
        """Remove what is left of a run that is finished, or that nobody could resume."""
        with suppress(OSError):
            self._data.remove()
        self._close(remove_journal=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        kept = self.release()
        if isinstance(error, LlamaCliError):
            error.committed_rows = kept

    def _find_finished(self) -> Provenance | None:
        if self.header is None or self.header.version != VERSION:
            return None
        if self._target.is_beside and self._data.path.exists():
            return None  # a rename would have taken it
        with suppress(LlamaCliError):
            provenance = self._target.read_provenance()
            if provenance and provenance.run_id == self.header.run_id:
                return provenance
        return None

    def _close(self, *, remove_journal: bool) -> None:
        self._data.close()
        self._journal.close(remove=remove_journal)
        if remove_journal and not self._target.is_beside:
            with suppress(OSError):
                self._target.folder.rmdir()

    def _keep(self) -> str | None:
        """Keep the file, which is complete and may have taken hours; returns what to do with it."""
        if not self._data.path.exists():
            return None
        if self._journal.entries.resumable:
            return "the rows are kept; run the same command again when that is mended"
        self._close(remove_journal=True)
        return f"the finished file is kept as {self._data.path}"


def another_run(output: Output, why: str) -> OutputRefusedError:
    """The error for an output beside which another run has left its work."""
    return OutputRefusedError(
        f"{output}: an unfinished run is there, {why}",
        path=path_of(output),
        hint="use the same again to resume, or discard that work with `restart`",
    )


def _read_stale(found: bytes, journal_path: Path, data: Path) -> Journal:
    """The journal as it was left, less what it says of rows that are not there.

    Args:
        found: all of the journal, which is locked.
        journal_path: its name.
        data: the rows, which may be missing.

    Returns:
        A journal without header where there is nothing to resume from.

    Raises:
        OutputRefusedError: one of the files is not of this program, or no longer.
    """
    size = _size_of_regular(data)
    if not looks_like_journal(found):
        raise _in_the_way(journal_path, "is not a journal of this program")
    try:
        journal = Journal.decode(found, size)
    except ValueError as error:
        raise _in_the_way(journal_path, "was written by a later version of this program") from error
    if size and not found.strip(b"\0"):
        raise _in_the_way(data, "has no journal that says what it is")
    if size and (journal.header is None or (journal.resumable and _has_lost_all(journal))):
        raise OutputRefusedError(
            f"{journal_path} is damaged from its first lines, so {data.name} cannot be used",
            path=journal_path,
            hint="remove both files to start anew",
        )
    if size and journal.resumable and journal.damaged:
        rows = journal.commits[-1].rows
        log.warning("%s: is damaged; only the first %d rows can be used", journal_path, rows)
    return journal


def _has_lost_all(journal: Journal) -> bool:
    """Whether there were commits, and none can be trusted."""
    return journal.damaged and not journal.commits


def _size_of_regular(data: Path) -> int:
    try:
        status = data.lstat()
    except FileNotFoundError:
        return 0
    if not stat.S_ISREG(status.st_mode):
        raise _in_the_way(data, "is not a regular file")
    return status.st_size


def _in_the_way(path: Path, why: str) -> OutputRefusedError:
    return OutputRefusedError(
        f"{path} is in the way and {why}", path=path, hint="move it elsewhere"
    )


# For when this process has to end at once.
_active: weakref.WeakSet[PartialOutput] = weakref.WeakSet()
_beginning = threading.Lock()


@contextlib.contextmanager
def _registered(output: PartialOutput) -> Iterator[None]:
    """Take note of an output whose files are made in the block."""
    with _beginning:
        yield
        _active.add(output)


def abandon_active() -> int:
    """Abandon all partial outputs, since this process is about to end, from any thread.

    Returns:
        How many rows are kept.
    """
    # One may just be making its files; on a disk that hangs, for ever.
    if _beginning.acquire(timeout=_PATIENCE_SECONDS):
        _beginning.release()
    return sum(output.abandon() for output in list(_active))
