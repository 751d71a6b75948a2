"""The same table written by other tools, in each of their formats."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq

# Columns of equal length by their names; all values are strings or None.
Table = dict[str, Sequence[str | None]]
Write = Callable[[Table, Path], None]


def to_arrow(table: Table, kind: Any = None) -> pa.Table:
    return pa.table({name: pa.array(values, kind or pa.string()) for name, values in table.items()})


def to_polars(table: Table) -> pl.DataFrame:
    return pl.DataFrame(table, schema=dict.fromkeys(table, pl.String))


def to_pandas(table: Table) -> pd.DataFrame:
    return pd.DataFrame(table, dtype=object)


def duckdb_copy(table: Table, path: Path, options: str) -> None:
    arrow = to_arrow(table)
    with duckdb.connect() as connection:
        connection.register("given", arrow)
        connection.execute(f"copy given to '{path}' ({options})")


def _pyarrow_ipc(table: Table, path: Path, kind: Any = None, batch_rows: int = 3) -> None:
    arrow = to_arrow(table, kind)
    with pa.ipc.new_stream(path, arrow.schema) as writer:
        writer.write_table(arrow, max_chunksize=batch_rows)


def _csv_module(table: Table, path: Path, **options: Any) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, **options)
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))


def _json_module(table: Table, path: Path) -> None:
    rows = zip(*table.values(), strict=True)
    lines = [json.dumps(dict(zip(table, row, strict=True))) + "\n" for row in rows]
    path.write_text("".join(lines), "utf-8")


def _string_view(table: Table, path: Path) -> None:
    pq.write_table(to_arrow(table, pa.string_view()), path)


def _dictionary(table: Table, path: Path) -> None:
    pq.write_table(to_arrow(table, pa.dictionary(pa.int32(), pa.string())), path)


PARQUET: dict[str, Write] = {
    "polars": lambda t, p: to_polars(t).write_parquet(p),
    "polars, row groups of one": lambda t, p: to_polars(t).write_parquet(p, row_group_size=1),
    "pandas": lambda t, p: to_pandas(t).to_parquet(p, index=False),
    "pandas categories": lambda t, p: to_pandas(t).astype("category").to_parquet(p),
    "DuckDB": partial(duckdb_copy, options="format parquet"),
    "DuckDB zstd": partial(duckdb_copy, options="format parquet, compression zstd"),
    "pyarrow dictionaries": _dictionary,
    "pyarrow string_view": _string_view,
    "pyarrow large_string": lambda t, p: pq.write_table(to_arrow(t, pa.large_string()), p),
    "pyarrow row groups of 2": lambda t, p: pq.write_table(to_arrow(t), p, row_group_size=2),
    "pyarrow pages of v2": lambda t, p: pq.write_table(to_arrow(t), p, data_page_version="2.0"),
} | {
    f"pyarrow {kind}": partial(
        lambda t, p, kind: pq.write_table(to_arrow(t), p, compression=kind), kind=kind
    )
    for kind in ("none", "snappy", "gzip", "brotli", "zstd", "lz4")
}

ARROW: dict[str, Write] = {
    f"polars ipc {kind}": partial(
        lambda t, p, kind: to_polars(t).write_ipc(p, compression=kind), kind=kind
    )
    for kind in ("uncompressed", "zstd", "lz4")
} | {
    "polars ipc old strings": lambda t, p: to_polars(t).write_ipc(p, compat_level=_OLDEST),
    "polars stream": lambda t, p: to_polars(t).write_ipc_stream(p),
    "pandas feather": lambda t, p: to_pandas(t).to_feather(p),
    "pandas categories": lambda t, p: to_pandas(t).astype("category").to_feather(p),
    "pyarrow feather": lambda t, p: pa.feather.write_feather(to_arrow(t), p, chunksize=2),
    "pyarrow stream": _pyarrow_ipc,
    "pyarrow stream large_string": partial(_pyarrow_ipc, kind=pa.large_string()),
    "pyarrow stream string_view": partial(_pyarrow_ipc, kind=pa.string_view(), batch_rows=1),
}
_OLDEST = pl.CompatLevel.oldest()

CSV: dict[str, Write] = {
    "csv": _csv_module,
    "csv unix": partial(_csv_module, dialect="unix"),
    "pandas": lambda t, p: to_pandas(t).to_csv(p, index=False),
    "pandas ;": lambda t, p: to_pandas(t).to_csv(p, index=False, sep=";"),
    "pandas with BOM and CRLF": lambda t, p: to_pandas(t).to_csv(
        p, index=False, encoding="utf-8-sig", lineterminator="\r\n"
    ),
    "polars": lambda t, p: to_polars(t).write_csv(p),
    "polars tabs": lambda t, p: to_polars(t).write_csv(p, separator="\t"),
    "polars bars": lambda t, p: to_polars(t).write_csv(p, separator="|", quote_style="always"),
    "polars with BOM": lambda t, p: to_polars(t).write_csv(p, include_bom=True),
    "DuckDB": partial(duckdb_copy, options="format csv, header"),
    "DuckDB ;": partial(duckdb_copy, options="format csv, header, delimiter ';', force_quote *"),
    "pyarrow": lambda t, p: pa.csv.write_csv(to_arrow(t), p),
}

JSON: dict[str, Write] = {
    "json": _json_module,
    "polars": lambda t, p: to_polars(t).write_ndjson(p),
    "pandas": lambda t, p: to_pandas(t).to_json(p, orient="records", lines=True),
    "pandas unescaped": lambda t, p: to_pandas(t).to_json(
        p, orient="records", lines=True, force_ascii=False
    ),
    "DuckDB": partial(duckdb_copy, options="format json"),
}
FORMATS: dict[str, dict[str, Write]] = {
    ".parquet": PARQUET,
    ".arrow": ARROW,
    ".csv": CSV,
    ".jsonl": JSON,
}
