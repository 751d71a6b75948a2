"""The writer: rows in, a finished Parquet file out, or nothing at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from llama_cli.errors import ParquetError
from llama_cli.output.arrow import ColumnChecker, Results
from llama_cli.output.durable.partial import PartialOutput
from llama_cli.output.durable.segments import check_footer
from llama_cli.output.errors import translated_errors
from llama_cli.output.row_groups import RowGroupWriter
from llama_cli.output.schema import output_schema
from llama_cli.records import WriteProgress

ROW_GROUP_BYTES = 32 * 2**20
_MAX_ROW_GROUP_BYTES = 2**30


class ParquetWriter:
    """Writes embedding results to one Parquet file.

    Nothing appears under the output's name, and an older file there stays as it is, until
    ``close`` succeeds. As a context manager the writer closes when the block ends and discards
    everything when the block raises, ``KeyboardInterrupt`` included::

        with ParquetWriter("out.parquet", embedding_dim=384) as writer:
            writer.write_batch(results)

    Memory is bounded by ``batch_size`` rows and ``row_group_bytes``, whatever is written. After
    an error the writer can only be aborted. Messages count rows from 0. Not for several threads.
    """

    def __init__(
        self,
        output_path: str | os.PathLike[str],
        embedding_dim: int,
        batch_size: int = 1024,
        *,
        on_progress: Callable[[WriteProgress], object] | None = None,
        line_numbers: bool = False,
        schema: pa.Schema | None = None,
        row_group_bytes: int = ROW_GROUP_BYTES,
        overwrite: bool = True,
        partial: PartialOutput | None = None,
    ) -> None:
        """Lock the output and start a partial file beside it.

        Args:
            output_path: the file to write; missing folders are made, links followed.
            embedding_dim: floats per vector.
            batch_size: rows that are converted to Arrow, and encoded, at a time; more where they
                would be less than 64 KiB.
            on_progress: called at every ``write_batch``, ``flush`` and ``close``.
            line_numbers: write the column ``line``; every result then needs its line.
            schema: columns to write where they are not the usual ones, from ``output_schema``;
                for ``extra`` ones the results must be columns that bring them.
            row_group_bytes: raw bytes after which a row group is written, up to 1 GiB; only
                long texts make one larger.
            overwrite: replace an existing file; otherwise it is refused, now and at ``close``.
            partial: the output, if it is locked and begun already; its rows count as written, and
                whoever lends it releases it.

        Raises:
            ValueError: a number is out of range.
            OutputRefusedError: the output is not a regular file, exists and may not be
                replaced, or has an unfinished run of the command beside it.
            OutputLockedError: another writer is at work on the same output.
            ParquetIOError: the operating system refused.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if not 1 <= row_group_bytes <= _MAX_ROW_GROUP_BYTES:
            raise ValueError(f"row_group_bytes must be 1 to 2**30, got {row_group_bytes}")
        self._schema = schema or output_schema(embedding_dim, line_numbers=line_numbers)
        self._path = partial.path if partial else Path(output_path)
        self._checker = ColumnChecker(self._schema, embedding_dim)
        self._on_progress = on_progress
        self._key_values: dict[str, str] = {}
        self._failure: BaseException | None = None
        self._metadata: pq.FileMetaData | None = None
        self._aborted = False
        self._own = ExitStack()
        self._partial = partial or self._own.enter_context(
            PartialOutput.begin_alone(self._path, overwrite=overwrite)
        )
        self._rows_before = self._rows_accepted = self._partial.rows
        self._groups = RowGroupWriter(
            self._partial.open_segment, self._schema, embedding_dim, batch_size, row_group_bytes
        )

    @property
    def rows_accepted(self) -> int:
        """Rows handed to the writer."""
        return self._rows_accepted

    @property
    def rows_written(self) -> int:
        """Rows in finished row groups."""
        return self._rows_before + self._groups.rows_written

    @property
    def bytes_written(self) -> int:
        """Size of the file so far, in bytes."""
        return max(self._partial.end, self._groups.bytes_written)

    @property
    def uncommitted_bytes(self) -> int:
        """Raw bytes in Arrow's form that the next ``commit`` would write, about."""
        return self._groups.segment_bytes

    def write_batch(self, results: Results) -> None:
        """Take any number of results, in the order in which they are to stand in the file.

        Everything is copied, so arrays may be used again at once.

        Args:
            results: rows, or columns with float32[n, embedding_dim].

        Raises:
            SchemaMismatchError: a vector has another width; no row of the batch was taken.
            ArrowConversionError: a value does not fit its column.
            ParquetIOError: the operating system refused a write.
            ParquetError: the writer is closed, or broken by an earlier error.
        """
        with self._operation():
            columns = self._checker.check(results, first_row=self._rows_accepted)
            with translated_errors(self._path):
                self._groups.add(columns)
            self._rows_accepted += len(columns)
            self._report()

    def flush(self) -> None:
        """Write everything taken so far, as a row group of its own.

        Rarely needed: the file is readable after ``close`` only. Raises as ``write_batch`` does.
        """
        with self._operation():
            with translated_errors(self._path):
                self._groups.write_row_group()
            self._report()

    def commit(self, checkpoint: dict[str, Any] | None = None) -> None:
        """Commit everything written so far, as a segment of the file with its own row groups.

        Args:
            checkpoint: what a later process needs to resume from here, as JSON takes it.

        Raises:
            ParquetError: as ``write_batch`` does; what was committed before stays.
        """
        with self._operation():
            self._end_segment(checkpoint or {})
            self._report()

    def add_metadata(self, key: str, value: str) -> None:
        """Put a key and its value into the file's footer; the last value of a key counts.

        Raises:
            ValueError: the key is Arrow's own, or the text cannot be encoded as UTF-8.
            ParquetError: the writer is closed, or broken by an earlier error.
        """
        self._check_usable()
        if key.startswith("ARROW:"):
            raise ValueError(f"{key} is reserved for Arrow")
        (key + value).encode()
        self._key_values[key] = value

    def close(self) -> pq.FileMetaData:
        """Finish the file and give it its name. Closing again returns the same metadata.

        Returns:
            The footer: rows, row groups, key-value metadata.

        Raises:
            OutputRefusedError: something that may not be replaced has appeared at the output.
            ParquetError: the file could not be finished; it is removed. Where only the last
                rename failed the finished file stays, and the hint says where.
        """
        if self._metadata is not None:
            return self._metadata
        try:
            with self._operation():
                self._end_segment({})
                self._metadata = self._partial.finish(self._schema, self._key_values)
        except BaseException:
            self.abort()
            raise
        self._report()
        return self._metadata

    def abort(self) -> None:
        """Discard everything that was not committed. Never raises; does nothing after ``close``.

        Of an output that the writer has begun itself nothing is left.
        """
        if self._metadata is None and not self._aborted:
            self._aborted = True
            self._groups.discard()
            self._own.close()

    def __del__(self) -> None:
        # Let go without close: discard, before pyarrow's own writer finishes the file.
        if hasattr(self, "_groups"):
            self.abort()

    def __enter__(self) -> ParquetWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.abort()
        elif not self._aborted:
            self.close()

    def _end_segment(self, checkpoint: dict[str, Any]) -> None:
        start = self._partial.end
        with translated_errors(self._path):
            footer = self._groups.end_segment()
        if footer is not None:
            end = self._groups.bytes_written
            check_footer(footer, start, end, self._rows_accepted - self._partial.rows)
            self._partial.commit(self._rows_accepted, end, checkpoint)

    def _report(self) -> None:
        if self._on_progress is not None:
            now = WriteProgress(self.rows_accepted, self.rows_written, self.bytes_written)
            self._on_progress(now)

    @contextmanager
    def _operation(self) -> Iterator[None]:
        """Let the first error break the writer, and give it the path if it has none."""
        self._check_usable()
        try:
            yield
        except BaseException as error:
            self._failure = error
            if isinstance(error, ParquetError) and error.path is None:
                error.path = self._path
            raise

    def _check_usable(self) -> None:
        if self._failure is not None:
            reason = str(self._failure) or type(self._failure).__name__
            message = f"the writer cannot continue after an error: {reason}"
            raise ParquetError(message, path=self._path) from self._failure
        if self._metadata is not None or self._aborted:
            raise ParquetError("the writer is closed", path=self._path)
