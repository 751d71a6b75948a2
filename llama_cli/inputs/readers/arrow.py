"""Arrow files and streams."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa

from llama_cli.inputs.readers.tables import Table, TableFormat

_FILE_MAGIC = b"ARROW1"  # how a file begins, unlike a stream

_BYTES = {
    pa.string(): pa.binary(),
    pa.large_string(): pa.large_binary(),
    pa.string_view(): pa.binary_view(),
}
_LISTS = {
    pa.ListType: pa.list_,
    pa.LargeListType: pa.large_list,
    pa.ListViewType: pa.list_view,
    pa.LargeListViewType: pa.large_list_view,
}


@dataclass(frozen=True)
class Arrow(TableFormat):
    """An Arrow file, also called Feather, or an Arrow stream."""

    name = "arrow"
    suffixes = (".arrow", ".feather", ".ipc", ".arrows")
    magics = (_FILE_MAGIC, b"\xff\xff\xff\xff")
    documented_rows = "a row of an Arrow file (Feather 2) or stream"

    @classmethod
    def open_table(cls, file: BinaryIO) -> Table:
        """Read the file's footer, or a stream's schema."""
        file.seek(0)
        if file.read(len(_FILE_MAGIC)) == _FILE_MAGIC:
            return ArrowFileTable(file)
        return ArrowStreamTable(file)


class ArrowFileTable:
    """An open Arrow file: record batches that can be found by number."""

    rows: int | None = None  # only its batches know

    def __init__(self, file: BinaryIO) -> None:
        self._source = _map_file(file)
        self.mapped = self._source is not file
        with _open_arrow(self._source) as reader:
            self.schema: pa.Schema = reader.schema

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
                    yield start, _checked(batch.select(names))
                start += batch.num_rows


def _map_file(file: BinaryIO) -> Any:
    """The file, mapped into memory where it can be: a batch may be as large as the whole."""
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
    """An open Arrow stream: record batches one after the other."""

    rows: int | None = None  # only its end knows

    def __init__(self, file: BinaryIO) -> None:
        self._source = _map_file(file)
        self.mapped = self._source is not file
        self._source.seek(0)
        self.schema: pa.Schema = pa.ipc.open_stream(self._source).schema

    def batches(self, first: int, names: list[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """All batches from row ``first`` on; those before are read as well."""
        start = 0
        self._source.seek(0)
        for batch in pa.ipc.open_stream(self._source):
            if start + batch.num_rows > first:
                yield start, _checked(batch.select(names))
            start += batch.num_rows


def _checked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same batch, whose offsets and sizes all lie in their buffers.

    Arrow takes that for granted of a file, and a damaged one ends the process.

    Raises:
        pa.ArrowInvalid: some do not.
    """
    batch.validate()
    for column in batch.columns:
        _check(column)
    return batch


def _check(array: pa.Array) -> None:
    """Check all but what conversion checks: that text is UTF-8, and indices of dictionaries.

    `validate` alone would look for the latter under nulls as well, where they may be anything.
    """
    kind = array.type
    if as_bytes := _BYTES.get(kind):
        array.view(as_bytes).validate(full=True)
    elif isinstance(kind, pa.BaseExtensionType):
        _check(array.storage)
    elif pa.types.is_dictionary(kind):
        _check(array.indices)
        _check(array.dictionary)
    elif pa.types.is_struct(kind):
        for number in range(kind.num_fields):
            _check(array.field(number))
    elif pa.types.is_fixed_size_list(kind):
        _check(array.values)
    elif pa.types.is_map(kind):
        _check_offsets(array, pa.list_(pa.null()), len(array.keys))
        _check(array.keys)
        _check(array.items)
    elif make := _LISTS.get(type(kind)):
        _check_offsets(array, make(pa.null()), len(array.values))
        _check(array.values)
    else:
        array.validate(full=True)


def _check_offsets(array: pa.Array, kind: pa.DataType, values: int) -> None:
    """Check lists as if their values were nothing: the type is that, and the offsets theirs."""
    own = 3 if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind) else 2
    lists = pa.Array.from_buffers(
        kind,
        len(array),
        array.buffers()[:own],  # validity, offsets and perhaps sizes
        array.null_count,
        array.offset,
        [pa.nulls(values)],
    )
    lists.validate(full=True)
