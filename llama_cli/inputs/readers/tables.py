"""Parquet and Arrow files: tables whose columns have types, read some rows at a time."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from llama_cli.errors import InputError
from llama_cli.inputs.columns import Columns, plain_type
from llama_cli.inputs.skips import SourceSkips
from llama_cli.inputs.utf8 import is_blank, repair
from llama_cli.records import CarriedRow, TextRecord

# What is taken from Arrow at a time: rows, or about so many bytes of them.
_BATCH_ROWS = 1024
_BATCH_BYTES = 4 << 20
_ARROW_FILE = b"ARROW1"  # how a file begins, unlike a stream


class Table(Protocol):
    """An open table."""

    schema: pa.Schema

    def batches(self, first: int, names: list[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Batches of the named columns, from the one on that holds row ``first``.

        Each comes with the number of its first row, from 0.
        """
        ...

    def count_rows(self) -> int | None:
        """Rows in all, or None where only reading would tell."""
        ...


class ParquetTable:
    """A Parquet file."""

    def __init__(self, file: BinaryIO) -> None:
        """Read its footer."""
        # Else all of a row group would be asked of a server at once, and held.
        few = {} if isinstance(file, io.FileIO) else {"pre_buffer": False, "buffer_size": 4 << 20}
        self._file = pq.ParquetFile(file, **few)
        self.schema: pa.Schema = self._file.schema_arrow

    def count_rows(self) -> int | None:
        """Rows in all."""
        return int(self._file.metadata.num_rows)

    def batches(self, first: int, names: list[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Batches from row ``first`` on; row groups before it are not read."""
        start = 0
        for number in range(self._file.num_row_groups):
            group = self._file.metadata.row_group(number)
            at = start
            start += group.num_rows
            if start <= first:
                continue
            for batch in self._file.iter_batches(
                _batch_rows(group, names), row_groups=[number], columns=names, use_threads=False
            ):
                yield at, batch
                at += batch.num_rows


def _batch_rows(group: pq.RowGroupMetaData, names: list[str]) -> int:
    """How many rows of a row group to decode at a time: fewer where they are large."""
    chunks = [group.column(number) for number in range(group.num_columns)]
    size: int = sum(
        chunk.total_uncompressed_size
        for chunk in chunks
        if chunk.path_in_schema.partition(".")[0] in names
    )
    fitting = int(group.num_rows) * _BATCH_BYTES // max(1, size)
    return max(1, min(_BATCH_ROWS, fitting))


class ArrowFileTable:
    """An Arrow file, also called Feather: record batches that can be found by number."""

    def __init__(self, file: BinaryIO) -> None:
        """Read its footer."""
        self._source = _mapped(file)
        with _open_arrow(self._source) as reader:
            self.schema: pa.Schema = reader.schema

    def count_rows(self) -> int | None:
        """Only its batches know."""
        return None

    def batches(self, first: int, names: list[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """All batches: how long one is, only reading tells."""
        options = pa.ipc.IpcReadOptions(
            included_fields=[self.schema.get_field_index(name) for name in names]
        )
        start = 0
        with _open_arrow(self._source, options) as reader:
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                if start + batch.num_rows > first:
                    yield start, batch.select(names)
                start += batch.num_rows


def _mapped(file: BinaryIO) -> Any:
    """The file mapped into memory where it can be: a batch may be as large as the whole."""
    with contextlib.suppress(OSError, UnicodeEncodeError):  # Arrow takes no names but in UTF-8
        if isinstance(file.name, str):
            return pa.memory_map(file.name)
    return file


def _open_arrow(
    file: Any, options: pa.ipc.IpcReadOptions | None = None
) -> pa.ipc.RecordBatchFileReader:
    file.seek(0)
    return pa.ipc.open_file(file, options=options)


class ArrowStreamTable:
    """An Arrow stream: record batches one after the other."""

    def __init__(self, file: BinaryIO) -> None:
        """Read its schema."""
        self._source = _mapped(file)
        self._source.seek(0)
        self.schema: pa.Schema = pa.ipc.open_stream(self._source).schema

    def count_rows(self) -> int | None:
        """Only its end knows."""
        return None

    def batches(self, first: int, names: list[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """All batches from row ``first`` on; those before are read as well."""
        start = 0
        self._source.seek(0)
        for batch in pa.ipc.open_stream(self._source):
            if start + batch.num_rows > first:
                yield start, batch.select(names)
            start += batch.num_rows


def open_table(file: BinaryIO, name: str, format_name: str) -> Table:
    """Open a Parquet or Arrow file.

    Args:
        file: open for reading bytes, and seekable.
        name: the input's name, for messages.
        format_name: ``parquet`` or ``arrow``.

    Raises:
        InputError: it is not in that format, or damaged.
    """
    with translated(name, format_name):
        if format_name == "parquet":
            return ParquetTable(file)
        file.seek(0)
        if file.read(len(_ARROW_FILE)) == _ARROW_FILE:
            return ArrowFileTable(file)
        return ArrowStreamTable(file)


@contextlib.contextmanager
def translated(name: str, format_name: str) -> Iterator[None]:
    """Arrow's errors as errors of the input."""
    kind = format_name.capitalize()
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{name}: not a {kind} file, or a damaged one: {reason}") from error


def text_columns(schema: pa.Schema) -> list[str]:
    """Names of the columns that hold text."""
    return [field.name for field in schema if _is_text(field.type)]


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def read_table(
    table: Table, columns: Columns, first: int, skips: SourceSkips
) -> Iterator[TextRecord]:
    """The texts of a column from row ``first`` on, counted from 0, and what is kept beside them."""
    for start, batch in table.batches(first, columns.names):
        for offset in range(max(0, first - start), batch.num_rows, _BATCH_ROWS):
            part = batch.slice(offset, _BATCH_ROWS)
            yield from _read_batch(part, start + offset, columns, skips)


def _read_batch(
    batch: pa.RecordBatch, start: int, columns: Columns, skips: SourceSkips
) -> Iterator[TextRecord]:
    kept = _carried(batch, columns) if columns.carried else None
    texts = _decoded(batch.column(columns.text))
    # As bytes: Arrow does not check that what a file calls text is UTF-8.
    for at, value in enumerate(texts.cast(pa.large_binary())):
        row, raw = start + at + 1, value.as_py()
        if raw is None:
            skips.add_bad(row, f"{columns.text} is null")
            continue
        text, invalid_utf8 = repair(raw)
        if is_blank(text):
            skips.add_blank(row)
        else:
            beside = None if kept is None else CarriedRow(kept, at)
            yield TextRecord(text, row, row, invalid_utf8, carried=beside)


def _decoded(array: pa.Array) -> pa.Array:
    """The values themselves where they are kept in a dictionary."""
    if not pa.types.is_dictionary(array.type):
        return array
    return array.dictionary.cast(plain_type(array.type.value_type)).take(array.indices)


def _carried(batch: pa.RecordBatch, columns: Columns) -> pa.RecordBatch:
    arrays = []
    for name, field in zip(columns.carried, columns.schema, strict=True):
        absent = name is None
        array = pa.nulls(batch.num_rows, field.type) if absent else batch.column(name)
        try:
            arrays.append(_decoded(array).cast(field.type))
        except pa.ArrowInvalid as error:
            raise InputError(
                f"the values of {name} do not all fit {field.type}, as those of other inputs do",
                hint="leave that column out of `keep`",
            ) from error
        try:
            arrays[-1].validate(full=True)  # Arrow does not check what files call text
        except pa.ArrowInvalid as error:
            raise InputError(
                f"{name} has values that are not what its type says: {error}",
                hint="leave that column out of `keep`",
            ) from error
    return pa.RecordBatch.from_arrays(arrays, schema=columns.schema)
