"""Whatever goes in comes out, however it was split."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_cli.output import ParquetWriter, row_groups
from llama_cli.records import EmbeddingResult
from tests.output.samples import as_columns, read, rows_of

DIM = 3
FLOATS = st.floats(width=32, allow_nan=False)
RESULTS = st.builds(
    lambda text, vector, length, ms, line: EmbeddingResult(
        text, hashlib.md5(text.encode()).hexdigest(), vector, length, ms, line
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    st.none() | st.lists(FLOATS, min_size=DIM, max_size=DIM),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(-(2**63), 2**63 - 1),
)


def write(
    path: Path, parts: Sequence[Sequence[EmbeddingResult]], columnar: bool, **options: int
) -> None:
    with ParquetWriter(path, DIM, line_numbers=True, **options) as writer:
        for part in parts:
            writer.write_batch(as_columns(part, DIM) if columnar and part else part)


@settings(max_examples=150, deadline=None)
@given(
    parts=st.lists(st.lists(RESULTS, max_size=12), max_size=8),
    batch_size=st.integers(1, 20),
    row_group_bytes=st.sampled_from([1, 100, 500, 3000, 2**20]),
    text_bytes=st.sampled_from([1, 50, 2**20]),
)
def test_round_trip(
    parts: list[list[EmbeddingResult]], batch_size: int, row_group_bytes: int, text_bytes: int
) -> None:
    results = [result for part in parts for result in part]
    options = {"batch_size": batch_size, "row_group_bytes": row_group_bytes}
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.multiple(row_groups, _LEAST_BATCH_BYTES=1, _MOST_TEXT_BYTES=text_bytes),
    ):
        rows, columns, whole = (Path(folder, name) for name in ("rows", "columns", "whole"))
        write(rows, parts, columnar=False, **options)
        write(columns, parts, columnar=True, **options)
        write(whole, [results], columnar=False)
        assert read(rows).to_pylist() == rows_of(results)
        assert rows.read_bytes() == columns.read_bytes()
        assert read(whole).to_pylist() == rows_of(results)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(width=32), min_size=DIM, max_size=DIM))
def test_every_float_keeps_its_bits(vector: list[float]) -> None:
    values = np.array(vector, np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "out.parquet")
        with ParquetWriter(path, DIM) as writer:
            writer.write_batch([EmbeddingResult("", "", values, 0, 0)])
        stored = read(path).column("embedding").chunk(0).flatten().to_numpy()
    assert stored.tobytes() == values.tobytes()
