"""Bugs that were found in whole runs: each of these fails on the code that it was written for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Command
from tests.inputs.test_memory import peak_of_reading

COMMAND = [sys.executable, "-m", "llama_cli", "embed", "-"]


def test_a_kept_column_may_be_called_line(cli: Command, tmp_path: Path, tiny_bert: Path) -> None:
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


def test_the_summary_counts_bad_rows(cli: Command, tmp_path: Path, tiny_bert: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "one"}\nbroken\n', "ascii")
    outcome = cli("embed", path, "-m", tiny_bert, "--on-bad-row", "skip", "--json")
    assert json.loads(outcome.out)["bad_rows"] == 1
    assert "1 bad row" in outcome.err


@pytest.mark.parametrize(
    ("first", "rest", "words", "kept"),
    [
        (b"id,body\n", b"1,water\n", ["--format", "csv"], None),
        (b'{"text": null}\n', b'{"text": "water"}\n', ["--format", "jsonl"], None),
        (b"\n", b'{"text": "water", "n": 1}\n', ["--format", "jsonl", "--keep", "n"], 1),
    ],
    ids=["csv", "jsonl", "kept"],
)
def test_a_slow_pipe_is_read_like_a_quick_one(
    tmp_path: Path, tiny_bert: Path, first: bytes, rest: bytes, words: list[str], kept: object
) -> None:
    """The first line comes alone; what columns there are was judged by it."""
    output = tmp_path / "out.parquet"
    command = [*COMMAND, *words, "-m", str(tiny_bert), "-o", str(output), "-q"]
    with subprocess.Popen(
        [*command, "--on-bad-row", "skip"], stdin=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin is not None
        process.stdin.write(first)
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.stdin.write(rest)
        process.stdin.close()
        assert process.wait(20) == 0
    table = pq.read_table(output)
    assert table["text"].to_pylist() == ["water"]
    if kept is not None:
        assert table["n"].to_pylist() == [kept]


@pytest.mark.parametrize("line", [b" " * 999, b'{"text": null, "more": "' + b"x" * 999 + b'"}'])
def test_rows_left_out_do_not_pile_up_in_memory(tmp_path: Path, line: bytes) -> None:
    """A stretch of blank or bad rows may be as long as any."""
    peaks = []
    for size in (1 << 20, 64 << 20):
        source = tmp_path / f"{size}.jsonl"
        source.write_bytes(b'{"text": "one"}\n' + (line + b"\n") * (size // (len(line) + 1)))
        peaks.append(peak_of_reading(source))
    assert peaks[1] - peaks[0] < 20_000_000
