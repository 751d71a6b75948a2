"""A line of JSON for each text that is not as it was, or has no row or no vector."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from llama_cli.errors import LlamaCliError, UsageError
from llama_cli.inputs.resolve import Input, InputFile
from llama_cli.inputs.skips import SkippedRows
from llama_cli.output.durable.target import Output, beside
from llama_cli.records import VectorBatch

log = logging.getLogger(__name__)


class _Entry(NamedTuple):
    """What is said of one text; sorted, they follow the inputs."""

    source: int
    line: int
    what: str
    reason: str
    row: int | None = None
    """Its row in the output, from 0."""


# How each line begins.
_BEGINNING = b'{"source": '


def check_report(
    report: Path | None, output: Output, inputs: Iterable[Input], *, overwrite: bool
) -> None:
    """Refuse early a report that cannot be written.

    Args:
        report: its file, or None.
        output: the output.
        inputs: files that must not be replaced.
        overwrite: whether an existing file may be replaced.

    Raises:
        UsageError: it is a folder, another file of the run, or one that is no report.
    """
    if report is None:
        return
    if report.is_dir():
        raise UsageError(f"`report={report}`: is a folder", option="report")
    others = [beside(output, ".journal"), beside(output, ".partial")]
    others += [file.path for file in inputs if isinstance(file, InputFile) and file.is_regular]
    others += [output] if isinstance(output, Path) else []
    if any(os.path.realpath(report) == os.path.realpath(other) for other in others):
        raise UsageError(f"`report={report}`: is another file of this run", option="report")
    if not overwrite:
        try:
            _refuse_other_file(report)
        except OSError as error:
            raise UsageError(f"`report={report}`: {error.strerror}", option="report") from error


def _refuse_other_file(path: Path) -> None:
    """Refuse to write a report over a file that is not one, and not empty."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        found = file.read(len(_BEGINNING))
    if found not in (b"", _BEGINNING):
        raise UsageError(
            f"`report={path}`: exists already, and is no report",
            hint="replace it with `overwrite`",
            option="report",
        )


class RunReport:
    """The report of a run, synced with each commit of the rows. It is a context manager.

    Without a path it does nothing.
    """

    def __init__(self, path: Path | None, sources: Sequence[str], max_length: int) -> None:
        """Nothing is opened before `begin`.

        Args:
            path: the file, or None.
            sources: names of the inputs.
            max_length: most tokens of a text.
        """
        self._path = path
        self._sources = sources
        self._too_long = f"more than {max_length} tokens"
        self._file: BinaryIO | None = None
        self._is_regular = False

    def begin(self, position: int | None, *, replace: bool) -> None:
        """Open the file; drop what an interrupted run added after its last commit.

        Args:
            position: what is to stay of it, in bytes; None where it has nothing on the rows before.
            replace: whether a file may be replaced that is no report.

        Raises:
            UsageError: there is such a file, and it may not be replaced.
            LlamaCliError: the system refused.
        """
        if self._path is None:
            return
        with self._translated():
            if not replace:
                _refuse_other_file(self._path)
            self._file = self._path.open("ab")
            self._is_regular = self._path.is_file()
            if not self._is_regular:
                return
            if position is None or self._file.tell() < position:
                log.warning("%s has nothing about the rows that were made before", self._path)
                position = 0
            self._file.truncate(position)

    def add(self, first_row: int, vectors: VectorBatch, skipped: Iterable[SkippedRows]) -> None:
        """Report on some rows of the output, and on what was left out between them.

        Args:
            first_row: number of the first of them, from 0.
            vectors: what the engine made of them.
            skipped: rows left out before the last of them.

        Raises:
            LlamaCliError: the system refused.
        """
        if self._file is None:
            return
        self._write(sorted([*self._about_skipped(skipped), *self._about_rows(first_row, vectors)]))

    def add_skipped(self, skipped: Iterable[SkippedRows]) -> None:
        """Report on what was left out after the last row. Raises what `add` raises."""
        self._write(self._about_skipped(skipped))

    def sync(self) -> int | None:
        """Wait until it is on the disk.

        Returns:
            Its size in bytes; None where there is none, or it is no file.

        Raises:
            LlamaCliError: the system refused.
        """
        if self._file is None:
            return None
        with self._translated():
            self._file.flush()
            if not self._is_regular:
                return None
            os.fsync(self._file.fileno())
            return self._file.tell()

    def close(self) -> None:
        if self._file is not None:
            with self._translated():
                self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(LlamaCliError) if kind else contextlib.nullcontext():
            self.close()

    def _about_skipped(self, skipped: Iterable[SkippedRows]) -> Iterator[_Entry]:
        for rows in skipped:
            for line in range(rows.first, rows.last + 1):
                yield _Entry(rows.input_index, line, "skipped", rows.reason)

    def _about_rows(self, first_row: int, vectors: VectorBatch) -> Iterator[_Entry]:
        for number, record in enumerate(vectors.records):
            position = record.input_index, record.line
            if record.invalid_utf8:
                yield _Entry(
                    *position, "invalid_utf8", "bytes that are not UTF-8", first_row + number
                )
            if vectors.truncated[number]:
                yield _Entry(*position, "truncated", self._too_long, first_row + number)
            if not vectors.valid[number]:
                yield _Entry(*position, "failed", "the model gave no vector", first_row + number)

    def _write(self, entries: Iterable[_Entry]) -> None:
        if self._file is None:
            return
        with self._translated():
            for entry in entries:
                values = entry._asdict() | {"source": self._sources[entry.source]}
                self._file.write(json.dumps(values).encode() + b"\n")

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LlamaCliError(f"{self._path}: cannot write: {error.strerror}") from error
