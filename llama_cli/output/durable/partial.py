"""The two files beside an output that is being written, and the step that makes one the output.

``OUT.partial`` has the rows. ``OUT.journal`` says up to where they are safe, and is locked by the
process that writes them. The output itself is touched by one rename. The journal is removed last,
in one step, so that at every moment it tells what the other two files are.
"""

from __future__ import annotations

import logging
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from llama_cli.errors import ParquetError
from llama_cli.output.durable.active import registered
from llama_cli.output.durable.data_file import DataFile
from llama_cli.output.durable.interrupts import interrupts_ignored
from llama_cli.output.durable.journal import Commit, RunHeader
from llama_cli.output.durable.journal_file import JournalFile
from llama_cli.output.durable.segments import MAGIC, last_footer, read_footers
from llama_cli.output.durable.stale import find_finished, read_leftover, refuse_other_run
from llama_cli.output.durable.target import Output, beside, make_target
from llama_cli.output.errors import translated_errors

log = logging.getLogger(__name__)


class PartialOutput:
    """An unfinished output: locked, then begun or continued, then finished or released.

    A run with an identity can be continued from its last commit, and its commits are synced. A run
    without one leaves nothing behind, and what is found of such a run is removed.
    """

    def __init__(self, output: Output, *, overwrite: bool) -> None:
        """Lock the output, and make the folders above it where they are missing.

        Args:
            output: where the finished file goes, a path or a URL; a link is followed and stays a
                link.
            overwrite: whether an existing file may be replaced.

        Raises:
            OutputRefusedError: something that must not be replaced is there.
            OutputLockedError: another run is writing it.
            ParquetIOError: the operating system refused.
            ParquetError: the server does not answer.
        """
        self._output = output
        self._finished_bytes = self._kept_rows = 0
        self._data = DataFile(beside(output, ".partial"))
        self.path = output if isinstance(output, Path) else self._data.path
        with translated_errors(self.path), registered(self):
            self._target = make_target(output, overwrite=overwrite)
            self._journal = JournalFile(beside(output, ".journal"), output)
            found = b"unknown"
            try:
                found = self._journal.read()
                self._journal.entries = read_leftover(found, self._journal.path, self._data.path)
                self.finished_before = find_finished(self.header, self._target, self._data)
                if self.finished_before is None:
                    if self.identity and self._journal.entries.damaged and not self.commits:
                        log.warning("%s is gone or empty: the run begins anew", self._data.path)
                    self._target.check()
            except BaseException:
                self._close(remove_journal=not found)
                raise

    @classmethod
    def start_alone(cls, output: Path, *, overwrite: bool) -> Self:
        """The output of a run that cannot be continued, begun. Raises what the others do."""
        partial = cls(output, overwrite=overwrite)
        try:
            partial.start(RunHeader(uuid.uuid4().hex, datetime.now(UTC)))
        except BaseException:
            partial.release()
            raise
        return partial

    @property
    def header(self) -> RunHeader | None:
        """Of the run that this output is for; None where there is none yet."""
        return self._journal.entries.header

    @property
    def identity(self) -> dict[str, Any] | None:
        """What makes its rows; None where it cannot be continued."""
        return self.header.identity if self.header else None

    @property
    def commits(self) -> list[Commit]:
        """What is safe, in order."""
        return self._journal.entries.commits

    @property
    def rows(self) -> int:
        """Rows that are committed."""
        return self.commits[-1].rows if self.commits else 0

    @property
    def started(self) -> bool:
        """Whether `start` was called."""
        return self._data.is_open

    @property
    def end(self) -> int:
        """Bytes that are safe; in the end, all."""
        return self._finished_bytes or (self.commits[-1].end if self.commits else 0)

    @property
    def finished_bytes(self) -> int:
        """Size of the finished output."""
        return self._finished_bytes or self._target.size()

    def last_commit(self, identity: dict[str, Any] | None) -> Commit | None:
        """Where a run of that identity would resume; None where it would begin.

        Raises:
            OutputRefusedError: the unfinished run there would have made other rows.
        """
        if self.identity is None or not self.commits:
            return None
        refuse_other_run(self._output, self.identity, identity)
        return self.commits[-1]

    def start(self, header: RunHeader, *, restart: bool = False) -> RunHeader:
        """Continue an unfinished run where it can be, else begin a new one.

        Args:
            header: of the run that is to be.
            restart: begin anew in any case.

        Returns:
            The header of the run that it is now.

        Raises:
            OutputRefusedError: as `last_commit`, or something must not be replaced.
            ParquetIOError: the operating system refused.
        """
        with translated_errors(self.path):
            self._target.check()
            if self.header is None or restart or not self.last_commit(header.identity):
                self._begin(header)
                return header
            self._data.truncate(self.end)  # what was not committed
            self._journal.resume()
            return self.header

    def open_segment(self) -> pa.OSFile:
        """Open the file for Arrow, at its end.

        Raises:
            OSError: the system refused, or somebody has removed the file.
        """
        return self._data.open_sink()

    def commit(self, rows: int, end: int, state: dict[str, Any]) -> None:
        """Make the file safe up to ``end``, where it has ``rows`` rows.

        Raises:
            ParquetIOError: the operating system refused; the commits before stay.
        """
        with translated_errors(self.path):
            if self.identity is not None:
                self._data.sync()
            self._journal.add(Commit(rows, end, datetime.now(UTC), state))

    def finish(self, schema: pa.Schema, key_values: dict[str, str]) -> pq.FileMetaData:
        """Write the footer over all commits and rename the file to the output, in one step.

        Raises:
            OutputRefusedError: something that must not be replaced has appeared there.
            ParquetFormatError: what was written does not read as it should.
            ParquetIOError: the operating system refused.
        """
        with translated_errors(self.path):
            ends = [(commit.rows, commit.end) for commit in self.commits]
            footers = read_footers(self._data.fileno(), ends)
            footer, metadata = last_footer(schema, footers, key_values)
            size = self._data.add(footer[len(MAGIC) :] if ends else footer)
        try:
            with translated_errors(self.path):
                self._target.check()
                self._target.send(self._data, size)
                with interrupts_ignored():  # there is nothing left to stop
                    self._target.take(self._data)
                    self._finished_bytes = size
                    self._close(remove_journal=True)
        except ParquetError as error:
            error.hint = self._keep() or error.hint
            raise
        return metadata

    def release(self) -> int:
        """Keep what was committed of a run that can be continued, and nothing else. Never raises.

        Nothing more happens the second time, and after `finish`.

        Returns:
            How many rows are kept for a run that continues.
        """
        if self._journal.closed:
            return self._kept_rows
        if self.identity is not None and self.commits and self._data.path.exists():
            if self._data.is_open:
                with suppress(OSError):
                    self._data.truncate(self.end)  # room, where the disk is full
            self._close(remove_journal=False)
            self._kept_rows = self.rows
            return self._kept_rows
        if self.finished_before and not self._data.is_open:
            self._close(remove_journal=False)  # for the next run to recognize it
            return 0
        with suppress(OSError):
            self._data.remove()
        self._close(remove_journal=True)
        return 0

    def abandon(self) -> int:
        """Remove what nobody could resume, while another thread may be at work here.

        What is not committed behind other rows stays: that thread might yet write more. Returns
        how many rows are kept.
        """
        if self._journal.closed or self.finished_before:
            return 0
        if self.identity is not None and self.commits:
            return self.rows
        with suppress(OSError):
            self._data.path.unlink()
        self._journal.remove()
        return 0

    def clean_up(self) -> None:
        """Remove what is left of the run that had `finished_before`."""
        with suppress(OSError):
            self._data.remove()
        self._close(remove_journal=True)

    def _begin(self, header: RunHeader) -> None:
        """Discard what is there; at no step do rows lack a journal, or commits their rows."""
        self._journal.forget_commits()
        self._data.remove()
        self._journal.begin(header)
        self._data.create()
        if header.identity is not None:
            self._target.sync_folder()

    def _close(self, *, remove_journal: bool) -> None:
        self._data.close()
        self._journal.close(remove=remove_journal)
        if remove_journal:
            self._target.leave()

    def _keep(self) -> str | None:
        """Keep the file, which is complete and may have taken hours; returns what to do with it."""
        if not self._data.path.exists():
            return None
        if self.identity is not None:
            return "the rows are kept; run the same command again when that is mended"
        self._close(remove_journal=True)
        return f"the finished file is kept as {self._data.path}"
