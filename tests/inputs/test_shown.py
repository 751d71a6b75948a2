"""Bugs that were found in whole runs: each of these fails on the code that it was written for."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Command

COMMAND = [sys.executable, "-m", "llama_cli", "embed", "-"]


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
