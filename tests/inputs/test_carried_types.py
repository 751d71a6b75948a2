"""Columns of tables keep their types and values."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from llama_cli.inputs.carried import plain_array, plain_type
from tests.inputs.reading import Reading

TIME = dt.datetime(2024, 2, 29, 12, 30, 1, 999999)
# A value and a null of each.
COLUMNS: dict[str, pa.Array] = {
    "int8": pa.array([-128, None], pa.int8()),
    "uint64": pa.array([2**64 - 1, None], pa.uint64()),
    "half": pa.array([1.5, None], pa.float16()),
    "double": pa.array([float("-inf"), None]),
    "bool": pa.array([True, None]),
    "string": pa.array(["é", None]),
    "large_string": pa.array(["é", None], pa.large_string()),
    "string_view": pa.array(["longer than twelve", None], pa.string_view()),
    "binary": pa.array([b"\xff\0", None]),
    "fixed": pa.array([b"abc", None], pa.binary(3)),
    "date": pa.array([dt.date(1, 1, 1), None]),
    "time": pa.array([dt.time(1, 2, 3, 4), None]),
    "us": pa.array([TIME, None], pa.timestamp("us")),
    "zone": pa.array([TIME, None], pa.timestamp("us", "Europe/Berlin")),
    "ns": pa.array([2**63 - 1, None], pa.timestamp("ns")),
    "duration": pa.array([dt.timedelta(days=-1), None], pa.duration("us")),
    "decimal": pa.array([Decimal("-12345678901234567890.123"), None]),
    "decimal256": pa.array([Decimal("1e30"), None], pa.decimal256(38, 2)),
    "dictionary": pa.array(["b", None]).dictionary_encode(),
    "list": pa.array([[1, None], None]),
    "large_list": pa.array([["a", None], None], pa.large_list(pa.string())),
    "fixed_list": pa.array([[1, 2], None], pa.list_(pa.int16(), 2)),
    "struct": pa.array([{"a": 1, "b": {"c": ["x"]}}, None]),
    "objects": pa.array([[{"a": 1}, {"a": None}], None]),
    "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int32())),
    "null": pa.nulls(2, pa.int64()),
}


def write_parquet(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path)


def write_feather(table: pa.Table, path: Path) -> None:
    pa.feather.write_feather(table, path, compression="zstd")


def write_stream(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("write", [write_parquet, write_feather, write_stream])
@pytest.mark.parametrize("name", COLUMNS)
def test_each_type(tmp_path: Path, name: str, write: Any) -> None:
    path = tmp_path / "in.parquet"
    column = COLUMNS[name]
    write(pa.table({"text": ["one", "two"], "k": column}), path)
    reading = Reading(path, keep="k")
    stored = pq.read_schema(path).field("k").type if write is write_parquet else column.type
    assert reading.schema.field("k").type == plain_type(stored)
    batches = [record.carried.batch for record in reading.records if record.carried]
    (array,) = {id(batch): batch.column("k") for batch in batches}.values()
    array.validate(full=True)
    assert array.cast(plain_type(column.type)).to_pylist() == column.to_pylist()


# What lies under a null may be anything: here an index that the dictionary has not.
HIDING = pa.DictionaryArray.from_arrays(pa.array([9, 0, 9, 9]), ["a", None], safe=False)
NULLS = pa.array([True, False])
UNDER_NULLS: dict[str, pa.Array] = {
    "struct": pa.StructArray.from_arrays([HIDING[:2]], ["a"], mask=NULLS),
    "struct of structs": pa.StructArray.from_arrays(
        [pa.StructArray.from_arrays([HIDING[:2]], ["a"])], ["b"], mask=NULLS
    ),
    "list": pa.ListArray.from_arrays([0, 1, 2], HIDING, mask=NULLS),
    "large list": pa.LargeListArray.from_arrays([2, 4, 4], HIDING, mask=NULLS),
    "list view": pa.ListViewArray.from_arrays([2, 1], [2, 1], HIDING, mask=NULLS),
    "fixed list": pa.FixedSizeListArray.from_arrays(HIDING[:2], 1, mask=NULLS),
    "map": pa.MapArray.from_arrays([0, 1, 2], ["k", "l"], HIDING[:2], mask=NULLS),
    "empty dictionary": pa.StructArray.from_arrays(
        [pa.DictionaryArray.from_arrays(pa.array([0, 0]), pa.nulls(0, pa.string()), safe=False)],
        ["a"],
        mask=pa.array([True, True]),
    ),
}


@pytest.mark.parametrize("name", UNDER_NULLS)
def test_what_lies_under_a_null_does_not_matter(tmp_path: Path, name: str) -> None:
    column = UNDER_NULLS[name]
    write_stream(pa.table({"text": ["one", "two"], "k": column}), tmp_path / "in.arrow")
    reading = Reading(tmp_path / "in.arrow", keep="k")
    assert [row["k"] for row in reading.carried] == column.to_pylist()


WORDS = pa.array(["a", "b"]).dictionary_encode().take(pa.array([0, 1] * 6))


@pytest.mark.parametrize(
    "lists",
    [
        pa.ListArray.from_arrays([0, 2, 5, 5, 12], WORDS),
        pa.ListViewArray.from_arrays([0, 2, 5, 5], [2, 3, 0, 7], WORDS),
        pa.FixedSizeListArray.from_arrays(WORDS, 3),
        pa.MapArray.from_arrays([0, 2, 5, 5, 12], [f"k{n}" for n in range(12)], WORDS),
    ],
    ids=lambda lists: type(lists).__name__,
)
def test_a_slice_takes_its_own_values_alone(lists: pa.Array) -> None:
    """Each slice of a large batch would convert all of the batch otherwise."""
    plain = plain_array(lists.slice(1, 2))
    plain.validate(full=True)
    assert plain.to_pylist() == lists.to_pylist()[1:3]
    assert len(plain.values) == sum(map(len, lists.to_pylist()[1:3]))
    assert plain_array(lists.slice(4)).to_pylist() == []


FRAME = pl.DataFrame(
    {
        "text": ["one", "two", "three"],
        "category": pl.Series(["b", "a", None], dtype=pl.Categorical),
        "enum": pl.Series(["x", "y", None], dtype=pl.Enum(["y", "x"])),
        "vector": pl.Series([[1.0, 2.0], [3.0, 4.0], None], dtype=pl.Array(pl.Float32, 2)),
        "list": [["a"], [], None],
        "struct": [{"a": 1}, {"a": None}, None],
        "time": [TIME, TIME, None],
        "zone": pl.Series([TIME, TIME, None]).dt.replace_time_zone("Asia/Tokyo"),
        "decimal": pl.Series(["1.50", "2", None]).cast(pl.Decimal(10, 2)),
        "wide": pl.Series([2**100, -5, None], dtype=pl.Int128).cast(pl.Decimal(38, 0)),
        "bytes": [b"\0\xff", b"", None],
    }
)


@pytest.mark.parametrize(
    "write", [pl.DataFrame.write_parquet, pl.DataFrame.write_ipc, pl.DataFrame.write_ipc_stream]
)
def test_everything_of_polars(tmp_path: Path, write: Any) -> None:
    path = tmp_path / "in.arrow"
    write(FRAME, path)
    reading = Reading(path, keep="*")
    assert reading.carried == FRAME.drop("text").to_dicts()


def test_columns_whose_names_look_like_paths(tmp_path: Path) -> None:
    table = pa.table({"a": [{"b": 1}], "a.b": [2], "text": ["one"], "": [3], "é ü": [4]})
    pq.write_table(table, tmp_path / "in.parquet")
    assert Reading(tmp_path / "in.parquet", keep="a.b").carried == [{"a.b": 2}]
    assert Reading(tmp_path / "in.parquet", keep="a").carried == [{"a": {"b": 1}}]
    (row,) = Reading(tmp_path / "in.parquet", keep="*").carried
    assert row == {"a": {"b": 1}, "a.b": 2, "": 3, "é ü": 4}


def test_carried_rows_follow_many_batches_with_gaps(tmp_path: Path) -> None:
    """Blank and bad ones between them, over row groups of other sizes."""
    texts = [None if n % 7 == 0 else " " if n % 5 == 0 else f"water {n}" for n in range(5000)]
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"text": texts, "n": range(5000)}), path, row_group_size=1500)
    reading = Reading(path, keep="n", on_bad_row="skip")
    assert [row["n"] for row in reading.carried] == [r.line - 1 for r in reading.records]
    assert reading.texts == [text for text in texts if text and text != " "]


def test_metadata_of_the_input_is_not_taken_along(tmp_path: Path) -> None:
    field = pa.field("k", pa.int64(), nullable=False, metadata={"PARQUET:field_id": "7", "a": "b"})
    schema = pa.schema([pa.field("text", pa.string()), field], metadata={"pandas": "{}"})
    pq.write_table(pa.table({"text": ["one"], "k": [1]}, schema=schema), tmp_path / "in.parquet")
    schema = Reading(tmp_path / "in.parquet", keep="k").schema
    assert schema.metadata is None
    assert schema.field("k").metadata is None
    assert schema.field("k").nullable


def test_timestamps_of_old_spark(tmp_path: Path) -> None:
    """They reach further than 64 bits of nanoseconds; DuckDB reads the same."""
    values = [dt.datetime(9999, 12, 31, 1, 2, 3, 456789), dt.datetime(1, 1, 1), TIME]
    table = pa.table({"text": ["a", "b", "c"], "k": pa.array(values, pa.timestamp("us"))})
    path = tmp_path / "in.parquet"
    pq.write_table(table, path, use_deprecated_int96_timestamps=True)
    reading = Reading(path, keep="k")
    assert reading.schema.field("k").type == pa.timestamp("us")
    assert [row["k"] for row in reading.carried] == values
    assert [k for (k,) in duckdb.sql(f"select k from '{path}'").fetchall()] == values
