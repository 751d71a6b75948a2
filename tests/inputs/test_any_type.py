"""Any type of Arrow goes through as it is, for each of four readers, or is refused by name."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.conftest import Command

ROWS = 5
# Values that Python has for them. Whole numbers stay where a float holds them: pandas makes floats
# of integers with nulls.
SCALARS: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.int8(): st.integers(-128, 127),
    pa.uint16(): st.integers(0, 2**16 - 1),
    pa.int64(): st.integers(-(2**50), 2**50),
    pa.uint64(): st.integers(0, 2**50),
    pa.float32(): st.floats(width=32, allow_nan=False),
    pa.float64(): st.floats(allow_nan=False),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
    pa.large_string(): st.text("aé日", max_size=3),
    pa.string_view(): st.text("aé", max_size=20),
    pa.binary(): st.binary(max_size=5),
    pa.binary_view(): st.binary(max_size=20),
    pa.date32(): st.dates(dt.date(1, 1, 1)),
    pa.timestamp("us"): st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1)),
    pa.timestamp("ms"): st.datetimes(dt.datetime(1, 1, 1)).map(lambda t: t.replace(microsecond=0)),
    pa.decimal128(10, 2): st.decimals(-(10**7), 10**7, places=2),
    pa.decimal32(7, 3): st.decimals(-999, 999, places=3),
    pa.decimal256(20, 0): st.integers(-(10**19), 10**19).map(Decimal),
}
REFUSED: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.decimal256(60, 2): st.just(Decimal(7)),
    pa.month_day_nano_interval(): st.just((1, 2, 3)),
}
WORDS = st.sampled_from(["a", "b", "é"])
Typed = tuple[pa.DataType, st.SearchStrategy[Any]]


def nested(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    """Types made of others, each with a strategy for its values."""

    def lists(of: Typed, make: Any) -> Typed:
        return make(of[0]), st.lists(st.none() | of[1], max_size=3)

    makers = st.sampled_from([pa.list_, pa.large_list, pa.list_view, pa.large_list_view])
    size = st.integers(1, 3)
    return st.one_of(
        st.builds(lists, inner, makers),
        st.builds(
            lambda of, n: (pa.list_(of[0], n), st.lists(of[1], min_size=n, max_size=n)), inner, size
        ),
        st.builds(
            lambda a, b: (
                pa.struct({"a": a[0], "b": b[0]}),
                st.fixed_dictionaries({"a": st.none() | a[1], "b": b[1]}),
            ),
            inner,
            inner,
        ),
        st.builds(
            lambda of: (
                pa.map_(pa.string(), of[0]),
                st.dictionaries(WORDS, st.none() | of[1], max_size=2).map(lambda d: [*d.items()]),
            ),
            inner,
        ),
    )


DICTIONARY: Typed = (pa.dictionary(pa.int16(), pa.string()), WORDS)
TYPES: st.SearchStrategy[Typed] = st.recursive(
    st.sampled_from([*SCALARS.items(), *REFUSED.items(), DICTIONARY]), nested, max_leaves=4
)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    columns: dict[str, pa.Array] = {"text": pa.array([f"text {n}" for n in range(ROWS)])}
    for number in range(6):
        kind, values = draw(TYPES)
        drawn = draw(st.lists(st.none() | values, min_size=ROWS, max_size=ROWS))
        try:
            columns[f"k{number}"] = made(drawn, kind)
        except pa.ArrowNotImplementedError:  # nothing makes such a column
            continue
    return pa.table(columns)


def made(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Two arrays in one, so that neither begins where its buffers do."""
    return pa.array([None, *values, None], kind).slice(1, ROWS)


def plain(value: Any, kind: pa.DataType) -> Any:  # noqa: PLR0911 - one for each kind
    """What a reader gives, in the values that Arrow has for it."""
    if pa.types.is_map(kind):
        if value is None:
            return None
        pairs = value.items() if isinstance(value, dict) else value
        pairs = [(p["key"], p["value"]) if isinstance(p, dict) else tuple(p) for p in pairs]
        return sorted((key, plain(item, kind.item_type)) for key, item in pairs)
    if isinstance(value, np.ndarray | pl.Series | list | tuple):
        return [plain(item, kind.value_type) for item in value]
    if isinstance(value, dict):
        return {field.name: plain(value[field.name], field.type) for field in kind}
    if pd.isna(value):
        return None
    if isinstance(value, np.datetime64 | pd.Timestamp):
        return pd.Timestamp(value).to_pydatetime()
    return value.item() if isinstance(value, np.generic) else value


def readings(path: Path, names: list[str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    yield "pyarrow", pq.read_table(path, columns=names).to_pylist()
    yield "polars", pl.read_parquet(path, columns=names).to_dicts()
    found = duckdb.sql(f"select {', '.join(names)} from '{path}'").fetchall()
    yield "DuckDB", [dict(zip(names, row, strict=True)) for row in found]
    yield "pandas", pd.read_parquet(path, columns=names).to_dict("records")


def write_parquet(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path)


def write_arrow(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("write", [write_parquet, write_arrow])
def test_any_type(cli: Command, tmp_path: Path, tiny_bert: Path, write: Any) -> None:
    @settings(
        max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
    )
    @given(table=tables())
    def check(table: pa.Table) -> None:
        source, output = tmp_path / "in.table", tmp_path / "out.parquet"
        for name in table.column_names[1:]:
            try:
                write(table.select([name]), source)
            except (pa.ArrowNotImplementedError, pa.ArrowInvalid):  # the format has no such type
                table = table.drop(name)
        write(table, source)
        words = ("embed", source, "-m", tiny_bert, "-o", output, "--overwrite", "-q", "--keep", "*")
        words = (*words, "--format", "parquet" if write is write_parquet else "arrow")
        while (done := cli(*words)).code:
            refused = re.search(r"error: (k\d) is (.*), .*cannot be kept", done.err)
            assert refused, done.err
            assert re.search("decimal256|interval", str(table.schema.field(refused[1]).type))
            table = table.drop(refused[1])
            write(table, source)
        names = table.column_names[1:]
        expected = [
            {name: plain(row[name], table.schema.field(name).type) for name in names}
            for row in table.to_pylist()
        ]
        for reader, rows in readings(output, names) if names else ():
            got = [
                {name: plain(row[name], table.schema.field(name).type) for name in names}
                for row in rows
            ]
            assert got == expected, (reader, table.schema)

    check()
