"""How the file is encoded, and that damage is noticed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llama_cli.output import ParquetWriter, output_schema
from tests.output.samples import make_results, read

COLUMNS = [
    "text",
    "text_hash",
    "embedding.list.element",
    "sequence_length",
    "processing_time_ms",
    "line",
]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("format") / "out.parquet"
    with ParquetWriter(path, 64, line_numbers=True) as writer:
        writer.write_batch(make_results(2000, 64, lines=True))
    return path


def columns(path: Path) -> dict[str, pq.ColumnChunkMetaData]:
    group = pq.read_metadata(path).row_group(0)
    chunks = [group.column(number) for number in range(group.num_columns)]
    return {chunk.path_in_schema: chunk for chunk in chunks}


def test_version_and_columns(written: Path) -> None:
    assert pq.read_metadata(written).format_version == "2.6"
    assert list(columns(written)) == COLUMNS


def test_the_schema_is_stored(written: Path) -> None:
    assert pq.read_schema(written).equals(output_schema(64, line_numbers=True))
    assert pq.read_schema(written).field("embedding").type == pa.list_(pa.float32(), 64)
    assert b"ARROW:schema" in pq.read_metadata(written).metadata


def test_only_the_embedding_may_be_null_in_parquet_too(written: Path) -> None:
    schema = pq.ParquetFile(written).schema
    levels = {column.path: column.max_definition_level for column in schema}
    assert [name for name, level in levels.items() if level] == ["embedding.list.element"]


def test_compression_and_encoding(written: Path) -> None:
    for chunk in columns(written).values():
        assert chunk.compression == "ZSTD"
        assert not chunk.has_dictionary_page
        assert set(chunk.encodings) <= {"PLAIN", "RLE"}


def test_statistics_are_on_the_numbers_only(written: Path) -> None:
    with_statistics = [
        name
        for name, chunk in columns(written).items()
        if chunk.statistics is not None and chunk.statistics.has_min_max
    ]
    assert with_statistics == COLUMNS[3:]
    line = columns(written)["line"].statistics
    assert (line.min, line.max) == (1, 3999)


@pytest.mark.parametrize("name", COLUMNS)
def test_one_flipped_bit_is_noticed(written: Path, tmp_path: Path, name: str) -> None:
    chunk = columns(written)[name]
    data = bytearray(written.read_bytes())
    data[chunk.data_page_offset + chunk.total_compressed_size - 1] ^= 0x10
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(data)
    with pytest.raises(OSError, match="CRC checksum verification failed"):
        read(damaged)


def test_the_same_rows_make_the_same_bytes(written: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.parquet"
    results = make_results(2000, 64, lines=True)
    with ParquetWriter(again, 64, line_numbers=True) as writer:
        for start in range(0, 2000, 13):
            writer.write_batch(results[start : start + 13])
    assert again.read_bytes() == written.read_bytes()
