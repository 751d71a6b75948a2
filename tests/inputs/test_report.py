"""The report has a line for each text that is not as it was; the footer has the counts."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from gguf import GGUFReader

from llama_cli.output.provenance import Provenance, read_provenance
from tests.cli.conftest import Command
from tests.tiny_models import write_bert

LONG = "time " * 100
CUT = "more than 64 tokens"


@pytest.fixture(scope="module")
def doubtful_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It has no finite vector for a text with the word water."""
    path = write_bert(tmp_path_factory.mktemp("models") / "nan.gguf")
    reader = GGUFReader(path, "r+")
    pieces = reader.fields["tokenizer.ggml.tokens"].contents()
    table = next(t for t in reader.tensors if t.name == "token_embd.weight")
    table.data[pieces.index("\u2581water")] = np.nan
    reader.data.flush()
    return path


@pytest.fixture
def inputs(tmp_path: Path) -> list[Path]:
    """Each kind of trouble in each format."""
    (tmp_path / "a.txt").write_bytes(b"light\n\nb\xffd\n" + LONG.encode() + b"\nwater\n \n")
    csv = f'text,id\n,1\n"{LONG}\n",2\none\nwater,3\nb\ufffd,4\n"x"y,5\nday,6\n'
    (tmp_path / "b.csv.gz").write_bytes(
        gzip.compress(csv.encode().replace(b"\xef\xbf\xbd", b"\xff"))
    )
    rows = ['{"text": "\\ud800"}', "broken", "", '{"text": null}', '{"text": "water"}', "[]", "5"]
    (tmp_path / "c.jsonl").write_text("\n".join([*rows, '{"text": "day"}', "", "{}"]), "utf-8")
    pl.DataFrame({"text": [None, "day", " ", "", LONG, None]}).write_parquet(tmp_path / "d.parquet")
    return [tmp_path / name for name in ("a.txt", "b.csv.gz", "c.jsonl", "d.parquet")]


EXPECTED = {
    "a.txt": [
        (2, "skipped", "blank", None),
        (3, "invalid_utf8", "bytes that are not UTF-8", 1),
        (4, "truncated", CUT, 2),
        (5, "failed", "the model gave no vector", 3),
        (6, "skipped", "blank", None),
    ],
    "b.csv.gz": [
        (2, "skipped", "blank", None),
        (3, "truncated", CUT, 4),
        (5, "skipped", "1 fields instead of 2", None),
        (6, "failed", "the model gave no vector", 5),
        (7, "invalid_utf8", "bytes that are not UTF-8", 6),
        (8, "skipped", "broken CSV: ',' expected after '\"'", None),
    ],
    "c.jsonl": [
        (1, "invalid_utf8", None, 8),
        (2, "skipped", "broken JSON: Expecting value at column 1", None),
        (3, "skipped", "blank", None),
        (4, "skipped", "text is null", None),
        (5, "failed", "the model gave no vector", 9),
        (6, "skipped", "not a JSON object", None),
        (7, "skipped", "not a JSON object", None),
        (9, "skipped", "blank", None),
        (10, "skipped", "there is no text", None),
    ],
    "d.parquet": [
        (1, "skipped", "text is null", None),
        (3, "skipped", "blank", None),
        (4, "skipped", "blank", None),
        (5, "truncated", CUT, 12),
        (6, "skipped", "text is null", None),
    ],
}
COLUMNS = ("--line-numbers", "--with-source", "--on-bad-row", "skip", "--overwrite")


def lines_of(report: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in report.read_text("ascii").splitlines()]


def counts_of(made: Provenance) -> dict[str, int]:
    return {
        "skipped": made.skipped + made.bad_rows,
        "invalid_utf8": made.invalid_utf8,
        "truncated": made.truncated,
        "failed": made.without_vector,
    }


def test_every_kind_in_every_format(
    cli: Command, tmp_path: Path, inputs: list[Path], doubtful_model: Path
) -> None:
    output, report = tmp_path / "out.parquet", tmp_path / "report.jsonl"
    words = ("-o", output, "-m", doubtful_model, "--report", report, *COLUMNS)
    assert cli("embed", *inputs, *words).code == 4
    found = lines_of(report)
    assert [
        (
            Path(one["source"]).name,
            one["line"],
            one["what"],
            None if one["line"] == 1 and one["what"] == "invalid_utf8" else one["reason"],
            one["row"],
        )
        for one in found
    ] == [(name, *entry) for name, entries in EXPECTED.items() for entry in entries]
    made = read_provenance(output)
    assert made is not None
    assert counts_of(made) == Counter(one["what"] for one in found)
    assert made.skipped == sum(one["reason"] == "blank" for one in found) == 7
    assert made.bad_rows == 9
    assert made.rows == 13


def test_rows_are_those_of_the_output(
    cli: Command, tmp_path: Path, inputs: list[Path], doubtful_model: Path
) -> None:
    output, report = tmp_path / "out.parquet", tmp_path / "report.jsonl"
    words = ("-o", output, "-m", doubtful_model, "--report", report, *COLUMNS)
    cli("embed", *inputs, *words)
    table = pq.read_table(output)
    for one in lines_of(report):
        if one["row"] is None:
            continue
        (row,) = table.slice(one["row"], 1).to_pylist()
        assert (row["source"], row["line"]) == (one["source"], one["line"])
        assert ("\ufffd" in row["text"]) == (one["what"] == "invalid_utf8")
        assert (row["sequence_length"] == 64) == (one["what"] == "truncated")
        assert (row["embedding"] is None) == (one["what"] == "failed")


@pytest.mark.parametrize("limit", [1, 2, 4, 7, 9, 12])
def test_with_a_limit_it_ends_with_the_last_row(
    cli: Command, tmp_path: Path, inputs: list[Path], tiny_bert: Path, limit: int
) -> None:
    output, report = tmp_path / "out.parquet", tmp_path / "report.jsonl"
    words = ("-o", output, "-m", tiny_bert, "--report", report, "--limit", limit, *COLUMNS)
    assert cli("embed", *inputs, *words, "--batch-size", 1).code == 0
    found, made, table = lines_of(report), read_provenance(output), pq.read_table(output)
    assert made is not None
    assert (made.rows, made.limit) == (limit, limit)
    none = dict.fromkeys(("skipped", "invalid_utf8", "truncated", "failed"), 0)
    assert counts_of(made) == none | Counter(one["what"] for one in found)
    last = table["source"][-1].as_py(), table["line"][-1].as_py()
    everything = [(str(tmp_path / name), e[0]) for name, es in EXPECTED.items() for e in es]
    behaving = [place for place in everything if place <= last and place[1] not in {5, 6}]
    reported = [(one["source"], one["line"]) for one in found if one["line"] not in {5, 6}]
    assert reported == behaving


def test_other_tools_read_it(
    cli: Command, tmp_path: Path, inputs: list[Path], tiny_bert: Path
) -> None:
    report = tmp_path / "report.jsonl"
    words = ("-o", tmp_path / "out.parquet", "-m", tiny_bert, "--report", report, *COLUMNS)
    cli("embed", *inputs, *words)
    by_polars = pl.read_ndjson(report).rows()
    assert by_polars == [tuple(one.values()) for one in lines_of(report)]
    assert duckdb.sql(f"from read_json('{report}')").fetchall() == by_polars


def test_nothing_to_report_is_an_empty_file(cli: Command, notes: Path, tiny_bert: Path) -> None:
    notes.write_text("water\n", "utf-8")
    report = notes.parent / "report.jsonl"
    report.write_text("of an earlier run\n", "utf-8")
    words = ("embed", notes, "-m", tiny_bert, "--report", report)
    assert "report.jsonl: exists already, and is no report; replace it" in cli(*words).err
    assert report.read_text("utf-8") == "of an earlier run\n"
    assert cli(*words, "--overwrite").code == 0
    assert report.read_bytes() == b""


def test_a_pipe_may_take_it(cli: Command, notes: Path, tiny_bert: Path, tmp_path: Path) -> None:
    assert cli("embed", notes, "-m", tiny_bert, "--report", "/dev/null").code == 0
