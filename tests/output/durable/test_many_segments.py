"""A file of many commits is one like any other, to all who read it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from llama_cli.output import ParquetWriter
from llama_cli.output.durable.journal import Journal
from llama_cli.output.durable.partial import PartialOutput
from llama_cli.records import EmbeddingResult
from tests.output.durable.runs import journal_of, make_header
from tests.output.samples import make_results, read, rows_of
from tests.torture import TORTURE

SEGMENTS = 5000 if TORTURE else 300
COLUMNS = ["text", "text_hash", "embedding", "sequence_length", "processing_time_ms", "line"]
Rows = list[dict[str, Any]]
Written = tuple[Path, Rows]


def write_segments(path: Path, results: list[EmbeddingResult], segments: int) -> None:
    """Segments of one to seven rows, one row group or two."""
    with ParquetWriter(path, 8, line_numbers=True) as writer:
        for segment in range(segments):
            start, end = (n * len(results) // segments for n in (segment, segment + 1))
            writer.write_batch(results[start:end])
            if segment % 3 == 0:
                writer.flush()
                writer.write_batch(results[end:end])
            writer.commit()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    path = tmp_path_factory.mktemp("segments") / "out.parquet"
    results = make_results(SEGMENTS * 4 + 1, 8, nulls=range(0, SEGMENTS * 4, 9), lines=True)
    write_segments(path, results, SEGMENTS)
    return path, rows_of(results)


def plain(rows: Rows) -> Rows:
    """Vectors as lists of Python floats, whatever the reader made of them."""
    for row in rows:
        vector = row["embedding"]
        row["embedding"] = None if vector is None else [float(x) for x in vector]
    return rows


def test_pyarrow(written: Written) -> None:
    path, rows = written
    assert pq.read_metadata(path).num_row_groups == SEGMENTS
    assert read(path).to_pylist() == rows


def test_pyarrow_row_group_by_row_group(written: Written) -> None:
    path, rows = written
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        groups = [file.read_row_group(number) for number in range(file.num_row_groups)]
    assert pa.concat_tables(groups).to_pylist() == rows


def test_a_dataset_of_pyarrow(written: Written) -> None:
    path, rows = written
    assert pyarrow.dataset.dataset(path).to_table().to_pylist() == rows


def test_pandas(written: Written) -> None:
    path, rows = written
    assert plain(pd.read_parquet(path).to_dict("records")) == rows


def test_polars(written: Written) -> None:
    path, rows = written
    assert pl.read_parquet(path).to_dicts() == rows
    last = pl.scan_parquet(path).filter(pl.col("line") == rows[-1]["line"]).collect()
    assert last.to_dicts() == rows[-1:]


def test_duckdb(written: Written) -> None:
    path, rows = written
    found = duckdb.sql(f"from '{path}'").fetchall()
    assert plain([dict(zip(COLUMNS, row, strict=True)) for row in found]) == rows


def test_duckdb_finds_a_row_by_what_the_footer_says_of_each_segment(written: Written) -> None:
    path, rows = written
    for row in (rows[0], rows[len(rows) // 2], rows[-1]):
        found = duckdb.sql(f"select text from '{path}' where line = {row['line']}").fetchall()
        assert found == [(row["text"],)]


def test_hugging_face_datasets(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rows = written
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    dataset = datasets.Dataset.from_parquet(str(path), cache_dir=str(tmp_path))
    assert dataset.column_names == COLUMNS
    assert dataset.features["embedding"] == datasets.List(datasets.Value("float32"))
    assert plain(dataset.to_list()) == rows


def test_every_segment_has_its_own_minimum_and_maximum(written: Written) -> None:
    path, rows = written
    footer = pq.read_metadata(path)
    start = 0
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        lines = group.column(footer.num_columns - 1).statistics
        end = start + group.num_rows
        assert (lines.min, lines.max) == (rows[start]["line"], rows[end - 1]["line"])
        start = end


def best_of(count: int, work: Callable[[], object]) -> float:
    times = []
    for _ in range(count):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "out.parquet"
    write_segments(path, make_results(4000, 8, lines=True), 2000)
    return path


def test_a_file_of_two_thousand_segments_opens_quickly(large: Path) -> None:
    def open_it() -> None:
        with pq.ParquetFile(large) as file:
            assert file.metadata.num_row_groups == 2000
        assert pq.read_schema(large).names == COLUMNS

    assert best_of(7, open_it) < 0.1


def test_vectors_of_two_thousand_segments_come_as_one_matrix(large: Path) -> None:
    vectors = pl.read_parquet(large, columns=["embedding"])["embedding"].to_numpy()
    expected = np.stack([result.embedding for result in make_results(4000, 8)])
    np.testing.assert_array_equal(vectors, expected)


def test_a_run_of_two_thousand_commits_is_resumed_and_finished_quickly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", lambda file: None)
    out = tmp_path / "out.parquet"
    results = make_results(2001)
    with PartialOutput(out, overwrite=True) as partial:
        partial.begin(make_header())
        writer = ParquetWriter(out, 8, partial=partial)
        for row in range(2000):
            writer.write_batch(results[row : row + 1])
            writer.commit({"position": row})
    data = journal_of(out).read_bytes()
    assert best_of(5, lambda: Journal.decode(data)) < 0.2

    partial = PartialOutput(out, overwrite=True)
    partial.resume()
    writer = ParquetWriter(out, 8, partial=partial)
    assert writer.rows_accepted == 2000
    writer.write_batch(results[2000:])
    started = time.perf_counter()
    writer.close()
    assert time.perf_counter() - started < 2
    assert read(out).to_pylist() == rows_of(results)
