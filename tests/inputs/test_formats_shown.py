"""Bugs that were found: each of these fails on the code that it was written for."""

from __future__ import annotations

import bz2
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from llama_cli.errors import InputError, UsageError
from llama_cli.inputs.resolve import find_inputs
from tests.inputs.files import Reading

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_rows(*rows: object, name: str = "in.jsonl") -> Path:
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (tmp_path / name).write_text("\n".join(lines) + "\n", "utf-8")
        return tmp_path / name

    return write_rows


class TestCompression:
    def test_xz_with_padding_between_streams(self, tmp_path: Path) -> None:
        """Valid by the format; xz reads it."""
        path = tmp_path / "in.xz"
        path.write_bytes(lzma.compress(b"one\n") + bytes(8) + lzma.compress(b"two\n"))
        assert Reading(path).texts == ["one", "two"]
        path.write_bytes(lzma.compress(b"one\n") + bytes(4))
        assert Reading(path).texts == ["one"]

    @pytest.mark.parametrize("rest", [b"garbage", b"x", lzma.compress(b"two")[6:]])
    def test_xz_with_bytes_behind_its_end(self, tmp_path: Path, rest: bytes) -> None:
        """Else a second member with a damaged head is lost in silence."""
        path = tmp_path / "in.xz"
        path.write_bytes(lzma.compress(b"one\n") + rest)
        with pytest.raises(InputError, match="xz data is damaged"):
            Reading(path)

    def test_empty_members_of_bzip2(self, tmp_path: Path) -> None:
        path = tmp_path / "in.bz2"
        path.write_bytes(bz2.compress(b"one\n") + bz2.compress(b"") + bz2.compress(b"two\n"))
        assert Reading(path).texts == ["one", "two"]


class TestColumnOfJson:
    def test_a_text_of_another_type_near_the_start(self, write: Write) -> None:
        """Another column was taken in its place."""
        path = write({"text": "one", "title": "x"}, {"text": 5, "title": "y"})
        reading = Reading(path, on_bad_row="skip")
        assert reading.texts == ["one"]
        assert reading.left_out == [(2, 2, "text is a number, not text")]
        with pytest.raises(InputError, match=r"in.jsonl, line 2: text is a number, not text"):
            Reading(path)

    def test_a_column_that_is_named(self, write: Write) -> None:
        path = write({"text": 5}, {"text": "one"})
        assert Reading(path, column="text", on_bad_row="skip").texts == ["one"]

    def test_a_first_line_over_a_megabyte(self, write: Write) -> None:
        path = write({"id": 1, "body": "water " * 200_000}, {"id": 2, "body": "two"})
        reading = Reading(path, keep="id")
        assert reading.carried == [{"id": 1}, {"id": 2}]

    def test_a_megabyte_of_blank_lines(self, write: Write) -> None:
        path = write(*["  "] * 400_000, {"text": "one", "id": 1})
        assert Reading(path, keep="id").carried == [{"id": 1}]

    def test_a_suggestion(self, write: Write) -> None:
        path = write({"text": "one", "title": "x"})
        with pytest.raises(InputError) as caught:
            Reading(path, keep="titel")
        assert caught.value.hint == "did you mean title?"


class TestColumnOfCsv:
    def test_one_called_text_whatever_it_looks_like(self, write: Write) -> None:
        assert Reading(write("text,title", "12,a", "13,b", name="in.csv")).texts == ["12", "13"]
        assert Reading(write("text", "12", "13", name="in.csv")).texts == ["12", "13"]

    def test_a_first_row_over_a_megabyte(self, write: Write) -> None:
        path = write("id,body", "1," + "water " * 200_000, "2,two", name="in.csv")
        assert [len(text) for text in Reading(path).texts] == [1_200_000, 3]


class TestLimit:
    @pytest.mark.parametrize(
        ("name", "rows"),
        [
            ("in.csv", ["text,id", "one,1", "", "two"]),
            ("in.jsonl", [{"text": "one", "id": 1}, "", "x"]),
        ],
    )
    def test_rows_behind_it_with_kept_columns(
        self, write: Write, name: str, rows: list[object]
    ) -> None:
        """They are read ahead in blocks: blank ones are counted, bad ones stop the run."""
        path = write(*rows, name=name)
        assert Reading(path, limit=1, keep="id").texts == ["one"]
        assert Reading(path, limit=1, keep="id", on_bad_row="skip").skipped == []


class TestKeep:
    @pytest.mark.parametrize("depth", [600, 900])
    def test_values_nested_deeply(self, write: Write, depth: int) -> None:
        path = write(f'{{"text": "one", "k": {"[" * depth}{"]" * depth}}}')
        with pytest.raises(UsageError):
            Reading(path, keep="k")

    def test_a_key_with_half_a_surrogate(self, write: Write) -> None:
        path = write('{"text": "one", "k\\ud800": 1}')
        assert Reading(path, keep="*").carried == [{"k\ufffd": 1}]

    @pytest.mark.parametrize("value", [{"x": {}}, [{}]])
    def test_empty_objects_inside_others(self, write: Write, value: object) -> None:
        """Parquet has no such type; the model was loaded, and the exit code was 1."""
        with pytest.raises(InputError, match=r"k .*empty object"):
            Reading(write({"text": "one", "k": value}), keep="k")

    def test_strings_of_polars_beside_those_of_others(self, write: Write, tmp_path: Path) -> None:
        frame = pl.DataFrame({"text": ["one"], "k": ["x"]})
        frame.write_ipc(tmp_path / "a.arrow")
        frame.write_parquet(tmp_path / "b.parquet")
        table = write("text,k", "two,y", name="c.csv")
        reading = Reading(tmp_path / "a.arrow", tmp_path / "b.parquet", table, keep="k")
        assert [row["k"] for row in reading.carried] == ["x", "x", "y"]

    def test_categories_beside_strings(self, write: Write, tmp_path: Path) -> None:
        frame = pd.DataFrame({"text": ["one"], "k": pd.Categorical(["x"])})
        frame.to_parquet(tmp_path / "a.parquet")
        reading = Reading(tmp_path / "a.parquet", write("text,k", "two,y", name="c.csv"), keep="k")
        assert [row["k"] for row in reading.carried] == ["x", "y"]

    def test_values_that_do_not_fit_the_type_of_all_inputs(self, tmp_path: Path) -> None:
        """Called a damaged Parquet file, which it is not."""
        for name, k in (("a", pa.array([2**60 + 1])), ("b", pa.array([1.5]))):
            table = pa.table({"text": ["one"], "k": k})
            pa.parquet.write_table(table, tmp_path / f"{name}.parquet")
        with pytest.raises(InputError) as caught:
            Reading(tmp_path / "a.parquet", tmp_path / "b.parquet", keep="k")
        assert "damaged" not in str(caught.value)


def test_a_pattern_does_not_follow_links_round_and_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two such links in one folder take for ever."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_text("one\n", "ascii")
    (tmp_path / "sub" / "loop").symlink_to("..")
    monkeypatch.chdir(tmp_path)
    assert [file.name for file in find_inputs(["**/*.txt"])] == ["a.txt"]
