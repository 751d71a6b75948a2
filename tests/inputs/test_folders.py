"""Folders as Spark, Hive, Arrow and the Hub leave them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from llama_cli.errors import InputError, UsageError
from llama_cli.inputs.formats import of_one_kind
from llama_cli.inputs.resolve import find_inputs
from llama_cli.storage.glob import find_names
from llama_cli.storage.retry import RefusedError
from tests.inputs.reading import Reading

Write = Callable[[str, list[dict[str, Any]]], Path]


@pytest.fixture(autouse=True)
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes rows into a file of the suffix's format; names are relative to the folder ``set``."""
    monkeypatch.chdir(tmp_path)

    def rows_to(name: str, rows: list[dict[str, Any]]) -> Path:
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frame = pl.DataFrame(rows)
        {
            ".parquet": frame.write_parquet,
            ".csv": frame.write_csv,
            ".jsonl": frame.write_ndjson,
            ".arrow": frame.write_ipc,
        }[path.suffix](path)
        return path

    return rows_to


def found(word: str = "set") -> list[str]:
    files = find_inputs([word], choose=of_one_kind)
    return [str(Path(file.address).relative_to(Path("set").absolute())) for file in files]


def test_notes_of_spark_and_empty_files_are_left_out(write: Write) -> None:
    for name in ("part-0.parquet", "part-1.parquet", "_temporary/0/part-0.parquet"):
        write(name, [{"text": "a"}])
    for name in (
        "_SUCCESS",
        "_metadata",
        "_common_metadata",
        ".part-0.parquet.crc",
        "part-2.parquet",
    ):
        Path("set", name).touch()
    Path("set", "_metadata").write_bytes(b"PAR1")
    assert found() == ["part-0.parquet", "part-1.parquet"]
    names = [str(path) for path in Path("set").rglob("*") if path.is_file()]
    remote = find_names(names, "set", is_pattern=False)
    assert remote == ["set/part-0.parquet", "set/part-1.parquet", "set/part-2.parquet"]
    assert [file.name for file in find_inputs(["set/_metadata"])] == ["_metadata"]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl", "arrow"])
def test_partitions_of_hive_are_columns(write: Write, suffix: str) -> None:
    """DuckDB sees the same values; ours stay texts, so that 007 is itself."""
    for year, name in [("2023", "a%20b"), ("007", "__HIVE_DEFAULT_PARTITION__")]:
        write(f"year={year}/name={name}/part.{suffix}", [{"text": f"in {year}", "n": len(year)}])
    reading = Reading("set", keep="*")
    got = dict(zip(reading.texts, reading.carried, strict=True))
    assert got == {
        "in 2023": {"n": got["in 2023"]["n"], "year": "2023", "name": "a b"},
        "in 007": {"n": got["in 007"]["n"], "year": "007", "name": None},
    }
    if suffix == "parquet":
        query = "select text, n, year, name from read_parquet('set/**/*.parquet', "
        query += "hive_partitioning=true, hive_types_autocast=false)"
        theirs = {
            text: {"n": n, "year": y, "name": x} for text, n, y, x in duckdb.sql(query).fetchall()
        }
        assert theirs == got
    one = Reading("set", keep="name=called")
    assert {row["called"] for row in one.carried} == {"a b", None}
    assert one.schema.names == ["called"]


def test_a_column_of_the_file_comes_before_its_folders(write: Write) -> None:
    write("year=2023/part.parquet", [{"text": "a", "year": 1}])
    assert Reading("set", keep="*").carried == [{"year": 1}]


def test_what_tells_of_tables_is_named_and_left_out(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    write("data/train.parquet", [{"text": "a"}])
    for name in ("README.md", "LICENSE", "dataset_infos.json"):
        Path("set", name).write_text("{}\n", "utf-8")
    with caplog.at_level(logging.WARNING, "llama_cli"):
        assert found() == ["data/train.parquet"]
    (record,) = caplog.records
    assert "3 of its files left out" in record.getMessage()
    assert "set/LICENSE, set/README.md, set/dataset_infos.json" in record.getMessage()


def test_kinds_that_are_mixed_are_said(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    write("a.csv", [{"text": "a"}])
    write("b.jsonl", [{"text": "b"}])
    Path("set/c.txt").write_text("c\n", "utf-8")
    with caplog.at_level(logging.INFO, "llama_cli"):
        assert found() == ["a.csv", "b.jsonl", "c.txt"]
    assert "has files of several kinds: CSV, JSON, text" in caplog.text


def test_documents_stay_together(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("set/a.md", "set/b.txt", "set/NOTES"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("a line\n", "utf-8")
    with caplog.at_level(logging.WARNING, "llama_cli"):
        assert found() == ["NOTES", "a.md", "b.txt"]
    assert not caplog.records


@pytest.mark.parametrize(
    ("mark", "kind"),
    [
        ("_delta_log/00000000000000000000.json", "Delta"),
        (".hoodie/hoodie.properties", "Hudi"),
        ("metadata/v1.metadata.json", "Iceberg"),
    ],
)
def test_tables_with_a_log_are_refused(write: Write, mark: str, kind: str) -> None:
    """Their log may say that a file does not count any more."""
    write("part-0.parquet", [{"text": "removed"}])
    Path("set", mark).parent.mkdir()
    Path("set", mark).write_text("{}", "utf-8")
    for word in ("set", "."):
        with pytest.raises(InputError, match=f"is a table of {kind}, whose log says"):
            find_inputs([word])
    with pytest.raises(RefusedError, match=f"is a table of {kind}"):
        find_names(["set/part-0.parquet", f"set/{mark}"], "set", is_pattern=False)
    assert found("set/*.parquet") == ["part-0.parquet"]


@pytest.mark.parametrize(
    ("columns", "keep", "clash"),
    [
        (["text", "Embedding"], "*", "cannot be called Embedding"),
        (["text", "id", "ID"], "*", "id and ID are one column"),
        (["text", "id", "n"], "id,n=Id", "id and Id are one column"),
    ],
)
def test_names_that_differ_in_case_only(
    write: Write, columns: list[str], keep: str, clash: str
) -> None:
    """DuckDB and Spark cannot tell them apart."""
    path = write("a.parquet", [dict.fromkeys(columns, "x")])
    with pytest.raises(UsageError, match=clash) as caught:
        Reading(path, keep=keep)
    assert "`keep=" in (caught.value.hint or "")
