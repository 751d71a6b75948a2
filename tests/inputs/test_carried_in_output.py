"""Columns carried through, as other tools read them from the output."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llama_cli.cli.app import main
from tests.cli.conftest import Command

TIME = dt.datetime(2024, 2, 29, 12, 30, 1, 999999)
OWN = ["text", "text_hash", "embedding", "sequence_length", "processing_time_ms"]
FRAME = pl.DataFrame(
    {
        "text": ["water", None, "time", " ", "water"],
        "int": [1, 2, None, 4, 2**62],
        "float": [1.5, 2.5, None, 4.5, float("inf")],
        "bool": [True, False, None, True, False],
        "string": ["é", "", None, "x", "y"],
        "category": pl.Series(["b", "a", None, "a", "c"], dtype=pl.Categorical),
        "date": [dt.date(2024, 1, 1), None, None, None, dt.date(1900, 1, 1)],
        "time": [TIME, TIME, None, TIME, TIME],
        "zone": pl.Series([TIME] * 5).dt.replace_time_zone("Europe/Berlin"),
        "decimal": pl.Series(
            [Decimal("1.50"), None, None, None, Decimal(-7)], dtype=pl.Decimal(9, 2)
        ),
        "bytes": [b"\0\xff", b"", None, b"x", b"y"],
        "list": [["a", None], [], None, ["b"], []],
        "struct": [{"a": 1, "b": [0.5]}, None, None, None, {"a": None, "b": []}],
        "objects": [[{"k": "v"}], [], None, [], [{"k": None}]],
    }
)
ROWS = [0, 2, 4]  # of the texts


# Without the newest types of strings.
_options = {"parquet": {}, "ipc": {"compat_level": pl.CompatLevel.oldest()}}
_options["ipc_stream"] = _options["ipc"]


@pytest.fixture(scope="module", params=_options)
def output(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path
) -> Path:
    folder = tmp_path_factory.mktemp("keep")
    getattr(FRAME, f"write_{request.param}")(folder / "in.arrow", **_options[request.param])
    words = ["embed", str(folder / "in.arrow"), "-m", str(tiny_bert), "-q", "--keep", "*"]
    assert main([*words, "--on-bad-row", "skip"]) == 0
    return folder / "in.parquet"


def test_polars(output: Path) -> None:
    frame = pl.read_parquet(output)
    assert frame.columns == OWN + FRAME.columns[1:]
    assert frame.drop(OWN).to_dicts() == FRAME.drop("text")[ROWS].to_dicts()
    for name in ("int", "float", "bool", "string", "date", "time", "zone", "decimal", "bytes"):
        assert frame.schema[name] == FRAME.schema[name]


def test_pyarrow(output: Path) -> None:
    table = pq.read_table(output)
    given = FRAME[ROWS].to_arrow()
    for name in FRAME.columns[1:]:
        assert table[name].to_pylist() == given[name].to_pylist()
        assert table.schema.field(name).nullable
    assert table.schema.field("time").type == pa.timestamp("us")
    assert table.schema.field("decimal").type == pa.decimal128(9, 2)


def test_duckdb(output: Path) -> None:
    columns = [name for name in FRAME.columns[1:] if name != "zone"]
    found = duckdb.sql(f"select {', '.join(columns)} from '{output}'")
    assert found.fetchall() == [
        tuple(values[name] for name in columns) for values in FRAME[ROWS].to_dicts()
    ]
    kinds = dict(zip(found.columns, map(str, found.types), strict=True))
    assert kinds["time"] == "TIMESTAMP"
    assert kinds["decimal"] == "DECIMAL(9,2)"
    assert kinds["list"] == "VARCHAR[]"


def test_pandas(output: Path) -> None:
    frame = pd.read_parquet(output)
    assert list(frame.columns) == OWN + FRAME.columns[1:]
    assert frame["string"][0] == "é"
    assert frame["decimal"][2] == Decimal(-7)


def embed(cli: Command, source: Path, model: Path, *words: object) -> pa.Table:
    outcome = cli("embed", source, "-m", model, "-o", source.parent / "out.parquet", *words)
    assert outcome.code == 0, outcome.err
    return pq.read_table(source.parent / "out.parquet").drop(OWN)


def test_json(cli: Command, tmp_path: Path, tiny_bert: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "water", "id": 1, "tags": ["a"], "meta": {"x": 1.5}, "ok": True},
        {"text": "time", "id": None, "tags": [], "meta": {"y": "é"}},
        {"text": "light", "id": 3, "none": None},
    ]
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    table = embed(cli, path, tiny_bert, "--keep", "*")
    assert table.to_pylist() == [
        {"id": 1, "tags": ["a"], "meta": {"x": 1.5, "y": None}, "ok": True, "none": None},
        {"id": None, "tags": [], "meta": {"x": None, "y": "é"}, "ok": None, "none": None},
        {"id": 3, "tags": None, "meta": None, "ok": None, "none": None},
    ]
    assert table.schema.field("id").type == pa.int64()


def test_order_and_names_in_the_output(cli: Command, tmp_path: Path, tiny_bert: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("id,line,body,source\n7,x,water,y\n", "utf-8")
    words = ("--column", "body", "--with-source", "--line-numbers")
    keep = ("--keep", "source=from, id", "--keep", "line=row")
    table = embed(cli, path, tiny_bert, *words, *keep)
    assert table.to_pylist() == [
        {"line": 2, "source": "in.csv", "from": "y", "id": "7", "row": "x"}
    ]


@pytest.mark.parametrize(
    ("option", "name"), [("--with-source", "source"), ("--line-numbers", "line")]
)
def test_names_are_taken_only_by_columns_that_are_there(
    cli: Command, tmp_path: Path, tiny_bert: Path, option: str, name: str
) -> None:
    path = tmp_path / "in.csv"
    path.write_text(f"text,{name}\nwater,x\n", "utf-8")
    outcome = cli("embed", path, "-m", tiny_bert, "--keep", "*", option)
    assert outcome.code == 2
    assert f"a carried column cannot be called {name}" in outcome.err
    assert f"--keep {name}=input_{name}" in outcome.err
    assert not (tmp_path / "in.parquet").exists()


def test_other_columns_may_have_them(cli: Command, tmp_path: Path, tiny_bert: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("text,source\nwater,x\n", "utf-8")
    assert embed(cli, path, tiny_bert, "--keep", "*").to_pylist() == [{"source": "x"}]


def test_equal_texts_keep_their_own_values(cli: Command, tmp_path: Path, tiny_bert: Path) -> None:
    path = tmp_path / "in.csv"
    rows = [(number, "water" if number % 3 else f"time {number}") for number in range(3000)]
    path.write_text("id,text\n" + "".join(f"{n},{text}\n" for n, text in rows), "utf-8")
    table = embed(cli, path, tiny_bert, "--keep", "id", "--batch-size", 7)
    assert table["id"].to_pylist() == [str(number) for number, _ in rows]


def test_a_carried_column_may_be_called_line(cli: Command, tmp_path: Path, tiny_bert: Path) -> None:
    """Where there are no line numbers."""
    path = tmp_path / "in.csv"
    path.write_text("text,line\nwater,x\n", "utf-8")
    assert cli("embed", path, "-m", tiny_bert, "--keep", "line").code == 0
    assert pq.read_table(tmp_path / "in.parquet")["line"].to_pylist() == ["x"]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(["b", "a", "b"], dtype=pl.Categorical),
        pl.Series(["b", "a", "b"], dtype=pl.Enum(["a", "b"])),
        pl.Series([[{"k": "v"}], [], [{"k": None}]]),
    ],
    ids=["categorical", "enum", "objects"],
)
def test_what_polars_writes_to_arrow(
    cli: Command, tmp_path: Path, tiny_bert: Path, column: pl.Series
) -> None:
    path = tmp_path / "in.arrow"
    pl.DataFrame({"text": ["water", " ", "time"], "k": column}).write_ipc(path)
    assert cli("embed", path, "-m", tiny_bert, "--keep", "k").code == 0
    found = pq.read_table(tmp_path / "in.parquet")["k"].to_pylist()
    assert found == [column.to_list()[0], column.to_list()[2]]


def test_many_categories_of_two_inputs(cli: Command, tmp_path: Path, tiny_bert: Path) -> None:
    for name in "ab":
        values = [f"{name}{number}" for number in range(100)]
        frame = pd.DataFrame({"text": values, "k": pd.Categorical(values)})
        frame.to_feather(tmp_path / f"{name}.feather")
    output = tmp_path / "out.parquet"
    words = (tmp_path / "a.feather", tmp_path / "b.feather", "-o", output, "-m", tiny_bert)
    assert cli("embed", *words, "--keep", "k").code == 0
    table = pq.read_table(output)
    assert table["k"].to_pylist() == table["text"].to_pylist()


def test_values_too_deep_for_parquet_are_refused(
    cli: Command, tmp_path: Path, tiny_bert: Path
) -> None:
    """Before any work is done, and without rows that no later run can use."""
    path = tmp_path / "in.jsonl"
    path.write_text(f'{{"text": "one", "k": {"[" * 200}{"]" * 200}}}\n', "ascii")
    outcome = cli("embed", path, "-m", tiny_bert, "--keep", "k")
    assert outcome.code == 2
    assert not list(tmp_path.glob("in.parquet*"))
