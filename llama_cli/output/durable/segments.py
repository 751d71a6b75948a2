"""Complete Parquet files end to end in one file, and the one footer that makes them a single one.

Positions in a Parquet footer count from the start of the file. Each segment is written with its
positions already counted from the start of the whole, so at the end its row groups go into the
last footer as they are, and no data is read or written again. The footers in between stay where
they are; readers never look there.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from llama_cli.errors import ParquetFormatError
from llama_cli.output.durable.files import has_name, sync, write_all
from llama_cli.output.schema import fixed_lists, parquet_options, without_sizes

MAGIC = b"PAR1"
# Length of the footer in four bytes, then the magic.
_TAIL_BYTES = 8


def open_segment(path: Path) -> pa.OSFile:
    """Open the file so that Arrow adds a segment at its end.

    Arrow refuses to start a Parquet file at any position but 0, and takes positions from the
    descriptor. It is moved to 0 here; since the file is open for appending, the first write puts it
    at the end, and from then on it tells the true positions. `check_footer` makes sure of it.
    """
    sink = pa.OSFile(os.fsencode(path), "ab")
    os.lseek(sink.fileno(), 0, os.SEEK_SET)
    return sink


def check_footer(footer: pq.FileMetaData, start: int, end: int, rows: int) -> None:
    """Make sure that a segment's footer describes the bytes from ``start`` to ``end``.

    Raises:
        ParquetFormatError: it does not: readers would find other rows there, without any error.
    """
    chunks = [
        footer.row_group(group).column(column)
        for group in range(footer.num_row_groups)
        for column in range(footer.num_columns)
    ]
    starts = [_start_of(chunk) for chunk in chunks]
    inside = all(
        start + len(MAGIC) <= first and first + chunk.total_compressed_size <= end
        for first, chunk in zip(starts, chunks, strict=True)
    )
    first = min(starts, default=start + len(MAGIC))
    if not inside or first != start + len(MAGIC) or footer.num_rows != rows:
        raise ParquetFormatError(
            f"the part from byte {start} to {end} does not hold the {rows} rows that it should"
        )


def _start_of(chunk: pq.ColumnChunkMetaData) -> int:
    if chunk.has_dictionary_page:
        return int(chunk.dictionary_page_offset)
    return int(chunk.data_page_offset)


def read_footers(file: int, ends: Sequence[tuple[int, int]]) -> Iterator[pq.FileMetaData]:
    """Footers of the segments in a file, checked.

    Args:
        file: descriptor of the file, open for reading.
        ends: rows and bytes from the start of the file to the end of each segment.

    Raises:
        ParquetFormatError: a footer is not what it should be.
        OSError: reading failed.
    """
    for (rows_before, start), (rows, end) in pairwise([(0, 0), *ends]):
        tail = os.pread(file, _TAIL_BYTES, end - _TAIL_BYTES)
        size = int.from_bytes(tail[:4], "little")
        if tail[4:] != MAGIC or size > end - start:
            raise ParquetFormatError(f"the part that ends at byte {end} is damaged")
        footer = os.pread(file, size, end - _TAIL_BYTES - size)
        metadata = pq.read_metadata(pa.BufferReader(MAGIC + footer + tail))
        check_footer(metadata, start, end, rows - rows_before)
        yield metadata


def last_footer(
    schema: pa.Schema, footers: Iterator[pq.FileMetaData], key_values: dict[str, str]
) -> tuple[bytes, pq.FileMetaData]:
    """The footer for all segments together.

    pyarrow before 26 cannot read a null in a list of a fixed size. Parquet stores such lists as any
    other, and only the Arrow schema in the footer says their size: it is left out where there is a
    null.

    Returns:
        A file of no rows, its leading magic included, that ends in the footer; and the footer.
    """
    metadata = _empty_footer(schema, key_values)
    for footer in footers:
        metadata.append_row_groups(footer)
    if with_nulls := _fixed_lists_with_nulls(schema, metadata):
        whole = metadata
        metadata = _empty_footer(without_sizes(schema, with_nulls), key_values)
        metadata.append_row_groups(whole)
    sink = pa.BufferOutputStream()
    metadata.write_metadata_file(sink)
    return sink.getvalue().to_pybytes(), metadata


def _empty_footer(schema: pa.Schema, key_values: dict[str, str]) -> pq.FileMetaData:
    collected: list[pq.FileMetaData] = []
    with pq.ParquetWriter(
        pa.BufferOutputStream(), schema, metadata_collector=collected, **parquet_options(schema)
    ) as empty:
        empty.add_key_value_metadata(key_values)
    return collected[0]


def _fixed_lists_with_nulls(schema: pa.Schema, metadata: pq.FileMetaData) -> set[str]:
    """Names of the columns of lists of a fixed size in which a whole list is null."""
    fixed = fixed_lists(schema)
    # In those of lists and structs a null cannot be told from here.
    found = {field.name for field in fixed if pa.types.is_nested(field.type.value_type)}
    sizes = {f"{field.name}.list.element": field.type.list_size for field in fixed}
    for index in range(metadata.num_row_groups) if sizes else ():
        group = metadata.row_group(index)
        for column in map(group.column, range(group.num_columns)):
            size = sizes.get(column.path_in_schema)
            if size is None:
                continue
            # A null list is one value, as is one number of another.
            nulls = column.statistics.null_count if size == 1 else None
            if nulls or (nulls is None and column.num_values != size * group.num_rows):
                found.add(column.path_in_schema.removesuffix(".list.element"))
    return found


class DataFile:
    """The segments on disk, while the output is unfinished: appended to, or truncated.

    The methods raise OSError where the system refuses.
    """

    def __init__(self, path: Path) -> None:
        """Name the file; it is opened when it is needed first."""
        self.path = path
        self._file: io.FileIO | None = None

    @property
    def is_open(self) -> bool:
        """Whether it was made, or opened, by this process."""
        return self._file is not None

    def create(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND
        self._file = io.FileIO(os.open(self.path, flags, 0o666), "r+")

    def fileno(self) -> int:
        """Its descriptor, open for reading and for writing at the end."""
        return self._opened().fileno()

    def open_sink(self) -> pa.OSFile:
        self._check_name()
        return open_segment(self.path)

    def size(self) -> int:
        """Its size in bytes."""
        return os.fstat(self.fileno()).st_size

    def add(self, data: bytes) -> None:
        """Write at its end, and sync."""
        write_all(self._opened(), data)
        self.sync()

    def sync(self) -> None:
        """Wait until what was written is on the disk."""
        sync(self.fileno())

    def truncate(self, end: int) -> None:
        """Drop what comes after so many bytes."""
        os.ftruncate(self.fileno(), end)

    def rename(self, target: Path) -> None:
        """Give it another name, in one step."""
        self._check_name()
        self.path.replace(target)

    def remove(self) -> None:
        """Remove it, unless the name is somebody else's by now."""
        if self._file is None:
            self.path.unlink(missing_ok=True)
            return
        if has_name(self._file, self.path):
            self.path.unlink()
        self._file.close()
        self._file = None

    def close(self) -> None:
        """Close it; never raises."""
        with suppress(OSError):
            if self._file is not None:
                self._file.close()

    def _opened(self) -> io.FileIO:
        if self._file is None:
            flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW
            self._file = io.FileIO(os.open(self.path, flags), "r+")
        return self._file

    def _check_name(self) -> None:
        """Make sure that the name is still the open file's: Arrow opens it by its name."""
        if not has_name(self._opened(), self.path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
