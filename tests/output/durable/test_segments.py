"""Segments end to end in one file: each is looked at before it counts."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llama_cli.errors import ParquetFormatError
from llama_cli.output import ParquetWriter
from llama_cli.output.durable.segments import check_footer, last_footer, open_segment, read_footers
from llama_cli.output.schema import output_schema, parquet_options, without_sizes
from tests.output.samples import make_results, read, rows_of

SCHEMA = output_schema(8)
ROWS = make_results(60, nulls=[0, 29])
EVERY = 20


def to_table(start: int) -> pa.Table:
    return pa.Table.from_pylist(rows_of(ROWS[start : start + EVERY]), SCHEMA)


def add_segment(path: Path, start: int) -> pq.FileMetaData:
    footers: list[pq.FileMetaData] = []
    with (
        open_segment(path) as sink,
        pq.ParquetWriter(
            sink, SCHEMA, metadata_collector=footers, **parquet_options(SCHEMA)
        ) as file,
    ):
        file.write_table(to_table(start), row_group_size=15)
    return footers[0]


class Written:
    """A file of three segments of 20 rows, two row groups each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.footers: list[pq.FileMetaData] = []
        self.ends: list[tuple[int, int]] = []
        for start in range(0, len(ROWS), EVERY):
            self.footers.append(add_segment(path, start))
            self.ends.append((start + EVERY, path.stat().st_size))

    def read_footers(self) -> list[pq.FileMetaData]:
        with self.path.open("rb") as file:
            return list(read_footers(file.fileno(), self.ends))


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path / "file")


def test_footers_are_read_as_they_were_written(written: Written) -> None:
    found = written.read_footers()
    assert [footer.num_rows for footer in found] == [20, 20, 20]
    assert [footer.row_group(1).to_dict() for footer in found] == [
        footer.row_group(1).to_dict() for footer in written.footers
    ]


def test_the_last_footer_makes_them_one_file(written: Written) -> None:
    data, metadata = last_footer(SCHEMA, iter(written.read_footers()), {"note": "Grüße"})
    with written.path.open("ab") as file:
        file.write(data[4:])
    assert read(written.path).to_pylist() == rows_of(ROWS)
    assert read(written.path).schema.equals(without_sizes(SCHEMA, ["embedding"])), "it has nulls"
    found = pq.read_metadata(written.path)
    assert found.metadata[b"note"] == "Grüße".encode()
    assert found.num_rows == metadata.num_rows == 60
    assert found.num_row_groups == metadata.num_row_groups == 6


def test_without_a_segment_it_is_a_file_of_no_rows(tmp_path: Path) -> None:
    data, metadata = last_footer(SCHEMA, iter([]), {"note": "x"})
    (tmp_path / "file").write_bytes(data)
    table = read(tmp_path / "file")
    assert (table.num_rows, metadata.num_rows) == (0, 0)
    assert table.schema.equals(SCHEMA)
    assert pq.read_metadata(tmp_path / "file").metadata[b"note"] == b"x"


@pytest.mark.parametrize(
    ("start", "end", "rows"),
    [(1, 0, 0), (-1, 0, 0), (0, -100_000, 0), (-100_000, 0, 0), (0, 0, 1), (0, 0, -20)],
)
def test_a_footer_of_other_bytes_or_other_rows_is_refused(
    written: Written, start: int, end: int, rows: int
) -> None:
    first, last = written.ends[0][1], written.ends[1][1]
    check_footer(written.footers[1], first, last, EVERY)
    with pytest.raises(ParquetFormatError, match="does not hold the"):
        check_footer(written.footers[1], first + start, last + end, EVERY + rows)


@pytest.mark.parametrize("other", [0, 2])
def test_the_footer_of_another_segment_is_refused(written: Written, other: int) -> None:
    with pytest.raises(ParquetFormatError):
        check_footer(written.footers[other], written.ends[0][1], written.ends[1][1], EVERY)


def test_a_footer_without_rows_is_refused_where_there_should_be_some(written: Written) -> None:
    empty = pq.read_metadata(pa.BufferReader(last_footer(SCHEMA, iter([]), {})[0]))
    check_footer(empty, 0, 1000, 0)
    with pytest.raises(ParquetFormatError):
        check_footer(empty, 0, 1000, 1)


def damages(written: Written) -> Iterator[bytes]:
    """The file with something wrong around the end of its second segment."""
    whole, end = written.path.read_bytes(), written.ends[1][1]
    tail = whole[end - 8 : end]
    for wrong in (
        tail[:4] + b"PARX",
        bytes(8),
        bytes(4) + b"PAR1",
        (2**31).to_bytes(4, "little") + b"PAR1",
        (int.from_bytes(tail[:4], "little") - 1).to_bytes(4, "little") + b"PAR1",
        (int.from_bytes(tail[:4], "little") + 1).to_bytes(4, "little") + b"PAR1",
        (end - written.ends[0][1] + 1).to_bytes(4, "little") + b"PAR1",
    ):
        yield whole[: end - 8] + wrong + whole[end:]
    yield whole[: end - 1]
    yield whole[: end - 8] + whole[end - 7 :]


def test_a_damaged_end_of_a_segment_is_refused(written: Written) -> None:
    for data in damages(written):
        written.path.write_bytes(data)
        with pytest.raises((ParquetFormatError, OSError, pa.ArrowException)):
            written.read_footers()


@pytest.mark.parametrize("shift", [-8, -1, 1, 8])
def test_a_wrong_end_is_refused(written: Written, shift: int) -> None:
    rows, end = written.ends[1]
    written.ends[1] = (rows, end + shift)
    with pytest.raises((ParquetFormatError, OSError, pa.ArrowException)):
        written.read_footers()


def test_a_commit_too_many_or_too_few_is_refused(written: Written) -> None:
    whole = written.ends
    for ends in (whole[1:], whole[::2], [whole[0], *whole], [(19, whole[0][1]), *whole[1:]]):
        written.ends = ends
        with pytest.raises(ParquetFormatError):
            written.read_footers()


def test_a_flipped_bit_in_any_segment_is_noticed_by_readers(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    with ParquetWriter(path, 8) as writer:
        for start in range(0, len(ROWS), EVERY):
            writer.write_batch(ROWS[start : start + EVERY])
            writer.commit()
    footer = pq.read_metadata(path)
    whole = path.read_bytes()
    for group in range(3):
        for column in range(5):
            chunk = footer.row_group(group).column(column)
            last = chunk.data_page_offset + chunk.total_compressed_size - 1
            data = bytearray(whole)
            data[last] ^= 1
            with pytest.raises(OSError, match="(?i)crc|checksum"):
                pq.read_table(pa.BufferReader(data), page_checksum_verification=True)


def test_a_writer_looks_at_every_segment_it_has_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if an update of Arrow had brought positions that count from the segment's start."""

    class Relative(io.FileIO):
        def tell(self) -> int:
            return 0

    def open_relative(path: Path) -> pa.PythonFile:
        return pa.PythonFile(Relative(os.fsencode(path), "a"), "w")

    def write() -> None:
        with ParquetWriter(tmp_path / "out.parquet", 8) as writer:
            for _ in range(2):
                writer.write_batch(ROWS)
                writer.commit()

    monkeypatch.setattr("llama_cli.output.durable.segments.open_segment", open_relative)
    with pytest.raises(ParquetFormatError, match="does not hold the 60 rows"):
        write()
    assert list(tmp_path.iterdir()) == []
