"""The file as other tools see it."""

from __future__ import annotations

import os
import subprocess
import sys
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
    has_nulls = any(row["embedding"] is None for row in rows)
    assert frame.schema["embedding"] == (
        pl.List(pl.Float32) if has_nulls else pl.Array(pl.Float32, 16)
    )
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
    fixed = pl.Array(pl.Float32, 16)  # which the file does not say where a vector is null
    frame = pl.read_parquet(path).drop_nulls("embedding").cast({"embedding": fixed})
    expected = [row["embedding"] for row in rows if row["embedding"] is not None]
    np.testing.assert_array_equal(
        frame["embedding"].to_numpy(), np.array(expected, np.float32).reshape(-1, 16)
    )


# The last that cannot read a null in a list of a fixed size, and the one of two years ago.
OLDER_PYARROW = ("21.0.0", "25.0.0")
READ = """
import sys, pyarrow, pyarrow.parquet
print(pyarrow.__version__)
for path in sys.argv[1:]:
    vectors = pyarrow.parquet.read_table(path)["embedding"]
    print(vectors.type, vectors.null_count, vectors.to_pylist())
"""


@pytest.mark.parametrize("version", OLDER_PYARROW)
def test_older_pyarrow(version: str, tmp_path: Path) -> None:
    """Vectors of any width, with nulls and without, one number wide among them."""
    library = tmp_path / "library"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
    subprocess.run([*pip, "--no-deps", "-t", library, f"pyarrow=={version}"], check=True)
    files, expected = [], [version]
    for width, nulls in [(1, []), (1, [4]), (3, []), (3, [0, 7]), (3, range(9))]:
        results = make_results(9, width, nulls=nulls)
        files.append(tmp_path / f"{len(files)}.parquet")
        with ParquetWriter(files[-1], width, 4) as writer:
            writer.write_batch(results)
        size = "" if nulls else f"[{width}]"
        kind = f"list<element: float>{size}" if nulls else f"fixed_size_list<element: float>{size}"
        vectors = [row["embedding"] for row in plain(rows_of(results))]
        expected.append(f"{kind} {len(nulls)} {vectors}")
    read = subprocess.run(
        [sys.executable, "-c", READ, *files],
        env=os.environ | {"PYTHONPATH": str(library)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert read.stdout.splitlines() == expected
