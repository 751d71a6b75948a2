"""The file as other tools see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

from llama_cli.output import ParquetWriter
from tests.output.samples import make_results, rows_of

COLUMNS = ["text", "text_hash", "embedding", "sequence_length", "processing_time_ms", "line"]


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Vectors as lists of Python floats, whatever the reader made of them."""
    for row in rows:
        vector = row["embedding"]
        row["embedding"] = None if vector is None else [float(x) for x in vector]
    return rows


@pytest.fixture(scope="module", params=[0, 1, 3000])
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[dict[str, Any]]]:
    """A file of several row groups, and its rows."""
    path = tmp_path_factory.mktemp("readers") / "out.parquet"
    count: int = request.param
    results = make_results(count, 16, nulls=range(0, count, 10), lines=True)
    with ParquetWriter(path, 16, 100, line_numbers=True, row_group_bytes=100_000) as writer:
        writer.write_batch(results)
    return path, rows_of(results)


def test_pandas(written: tuple[Path, list[dict[str, Any]]]) -> None:
    path, rows = written
    frame = pd.read_parquet(path)
    assert list(frame.columns) == COLUMNS
    assert [str(frame[name].dtype) for name in COLUMNS[3:]] == ["uint32", "uint64", "int64"]
    assert plain(frame.to_dict("records")) == rows


def test_polars(written: tuple[Path, list[dict[str, Any]]]) -> None:
    path, rows = written
    frame = pl.read_parquet(path)
    assert frame.schema["embedding"] == pl.Array(pl.Float32, 16)
    assert frame.schema["sequence_length"] == pl.UInt32
    assert frame.to_dicts() == rows


def test_duckdb(written: tuple[Path, list[dict[str, Any]]]) -> None:
    path, rows = written
    relation = duckdb.sql(f"from '{path}'")
    assert [str(kind) for kind in relation.types] == [
        "VARCHAR",
        "VARCHAR",
        "FLOAT[]",
        "UINTEGER",
        "UBIGINT",
        "BIGINT",
    ]
    found = [dict(zip(COLUMNS, row, strict=True)) for row in relation.fetchall()]
    assert plain(found) == rows


def test_duckdb_skips_row_groups_by_line(written: tuple[Path, list[dict[str, Any]]]) -> None:
    path, rows = written
    found = duckdb.sql(f"select text from '{path}' where line > 5990").fetchall()
    assert found == [(row["text"],) for row in rows if row["line"] > 5990]


def test_vectors_come_back_as_one_numpy_matrix(
    written: tuple[Path, list[dict[str, Any]]],
) -> None:
    path, rows = written
    frame = pl.read_parquet(path).drop_nulls("embedding")
    expected = [row["embedding"] for row in rows if row["embedding"] is not None]
    np.testing.assert_array_equal(
        frame["embedding"].to_numpy(), np.array(expected, np.float32).reshape(-1, 16)
    )
