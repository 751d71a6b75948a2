"""What segments rest on and pyarrow does not promise, each by itself.

Where one of these fails after an update of pyarrow, ``output.durable.segments`` has to change.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llama_cli.errors import ParquetFormatError
from llama_cli.output.durable.segments import check_footer

SCHEMA = pa.schema([("text", pa.string()), ("vector", pa.list_(pa.float32(), 4))])
MAGIC = b"PAR1"


def make_table(seed: int, rows: int = 50) -> pa.Table:
    texts = [f"{seed} {row}" for row in range(rows)]
    vectors = [[float(seed), float(row), 0.5, -1.0] for row in range(rows)]
    return pa.table({"text": texts, "vector": vectors}, SCHEMA)


def write_segment(sink: pa.NativeFile, seed: int) -> pq.FileMetaData:
    """Two row groups and a footer, which is returned."""
    footers: list[pq.FileMetaData] = []
    options = {"use_dictionary": False, "compression": "none", "store_schema": False}
    with pq.ParquetWriter(sink, SCHEMA, metadata_collector=footers, **options) as writer:
        writer.write_table(make_table(seed), row_group_size=30)
    return footers[0]


def append_segment(path: Path, seed: int) -> pq.FileMetaData:
    with pa.OSFile(str(path), "ab") as sink:
        os.lseek(sink.fileno(), 0, os.SEEK_SET)
        return write_segment(sink, seed)


def positions(footer: pq.FileMetaData) -> list[int]:
    return [
        footer.row_group(group).column(column).data_page_offset
        for group in range(footer.num_row_groups)
        for column in range(footer.num_columns)
    ]


def joined(footers: list[pq.FileMetaData], key_values: dict[str, str]) -> bytes:
    """A file of no rows with a footer over all of them."""
    collected: list[pq.FileMetaData] = []
    with pq.ParquetWriter(pa.BufferOutputStream(), SCHEMA, metadata_collector=collected) as writer:
        writer.add_key_value_metadata(key_values)
    for footer in footers:
        collected[0].append_row_groups(footer)
    sink = pa.BufferOutputStream()
    collected[0].write_metadata_file(sink)
    return sink.getvalue().to_pybytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def test_a_parquet_file_cannot_be_started_at_another_position_than_0(path: Path) -> None:
    """Otherwise the descriptor would not have to be moved."""
    path.write_bytes(b"x" * 100)
    with pa.OSFile(str(path), "ab") as sink, pytest.raises(OSError, match="Appending"):
        write_segment(sink, 1)


def test_a_file_open_for_appending_is_not_written_where_its_descriptor_was_moved(
    path: Path,
) -> None:
    path.write_bytes(b"x" * 100)
    append_segment(path, 1)
    assert path.read_bytes()[:104] == b"x" * 100 + MAGIC


def test_after_the_first_write_the_descriptor_tells_the_true_position(path: Path) -> None:
    path.write_bytes(b"x" * 100)
    with pa.OSFile(str(path), "ab") as sink:
        os.lseek(sink.fileno(), 0, os.SEEK_SET)
        assert sink.tell() == 0
        sink.write(b"abc")
        assert sink.tell() == 103


@pytest.mark.parametrize("before", [0, 1, 1000, 2**31 + 7, 2**33])
def test_positions_in_a_footer_count_from_the_start_of_the_whole_file(
    path: Path, before: int
) -> None:
    path.touch()
    os.truncate(path, before)
    footer = append_segment(path, 1)
    found = positions(footer)
    assert found[0] == before + len(MAGIC)
    assert found == sorted(found)
    assert all(before < position < path.stat().st_size for position in found)


def test_joined_footers_keep_their_positions_and_their_order(path: Path) -> None:
    footers = [append_segment(path, seed) for seed in range(5)]
    metadata = pq.read_metadata(pa.BufferReader(joined(footers, {})))
    assert metadata.num_rows == 250
    assert metadata.num_row_groups == 10
    assert positions(metadata) == [at for footer in footers for at in positions(footer)]


def test_a_file_of_several_segments_with_a_joined_footer_is_read_as_one(path: Path) -> None:
    footers = [append_segment(path, seed) for seed in range(5)]
    with path.open("ab") as file:
        file.write(joined(footers, {})[len(MAGIC) :])
    expected = pa.concat_tables([make_table(seed) for seed in range(5)])
    # The fixed size is known from the schema in the last footer; those before have none.
    assert pq.read_table(path).equals(expected)
    assert pq.read_schema(path) == SCHEMA


def test_a_footer_can_be_read_without_the_rows_before_it(path: Path) -> None:
    append_segment(path, 1)
    start = path.stat().st_size
    footer = append_segment(path, 2)
    tail = path.read_bytes()[start:]
    size = int.from_bytes(tail[-8:-4], "little")
    found = pq.read_metadata(pa.BufferReader(MAGIC + tail[-8 - size :]))
    assert positions(found) == positions(footer)
    assert found.num_rows == 50
    assert found.row_group(1).to_dict() == footer.row_group(1).to_dict()


def test_the_footer_of_a_writer_without_rows_carries_the_key_values() -> None:
    data = joined([], {"key": "Grüße", "other": "x" * 10_000})
    metadata = pq.read_metadata(pa.BufferReader(data)).metadata
    assert metadata[b"key"] == "Grüße".encode()
    assert metadata[b"other"] == b"x" * 10_000
    assert b"ARROW:schema" in metadata
    assert data.startswith(MAGIC)
    assert pq.read_table(pa.BufferReader(data)).num_rows == 0


def test_an_exception_inside_a_writer_still_writes_a_footer(path: Path) -> None:
    """The file looks whole and is not: nothing of a writer may ever have the final name."""

    def fail() -> None:
        with pq.ParquetWriter(path, SCHEMA) as writer:
            writer.write_table(make_table(1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert pq.read_table(path).num_rows == 50


def test_a_writer_truncates_an_existing_file_at_once(path: Path) -> None:
    path.write_bytes(b"an older file")
    with pq.ParquetWriter(path, SCHEMA):
        assert b"older" not in path.read_bytes()


@pytest.mark.parametrize("rows", [0, 50])
def test_no_footer_is_written_once_the_sink_is_closed(path: Path, rows: int) -> None:
    sink = pa.OSFile(str(path), "ab")
    writer = pq.ParquetWriter(sink, SCHEMA)
    if rows:
        writer.write_table(make_table(1, rows))
    before = path.read_bytes()
    sink.close()
    with pytest.raises((ValueError, OSError)):
        writer.close()
    writer.is_open = False
    del writer
    assert path.read_bytes() == before


class Doctored(io.FileIO):
    """A file that claims to be at its start until it is written to."""

    written = False

    def write(self, data: bytes) -> int:
        self.written = True
        return super().write(data)

    def tell(self) -> int:
        return super().tell() if self.written else 0


def test_a_python_file_cannot_be_made_to_tell_the_true_positions(path: Path) -> None:
    """Arrow counts by itself there. Readers then find other rows, and no error."""
    footers = [append_segment(path, 1)]
    start = path.stat().st_size
    with Doctored(path, "a") as file:
        footers.append(write_segment(pa.PythonFile(file, "w"), 2))
    end = path.stat().st_size
    assert positions(footers[1]) == positions(footers[0])
    with path.open("ab") as file:
        file.write(joined(footers, {})[len(MAGIC) :])
    assert pq.read_table(path).equals(pa.concat_tables([make_table(1), make_table(1)]))

    with pytest.raises(ParquetFormatError, match=f"from byte {start} to {end}"):
        check_footer(footers[1], start, end, 50)
    check_footer(footers[0], 0, start, 50)
