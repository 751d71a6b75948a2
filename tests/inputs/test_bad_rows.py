"""What the command says of rows that it cannot use."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from llama_cli.output.provenance import read_provenance
from tests.cli.conftest import Command


@pytest.fixture(params=["in.csv", "in.jsonl", "in.parquet", "in.arrow"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The third of its texts is bad."""
    path: Path = tmp_path / request.param
    frame = pl.DataFrame({"text": ["water", "", None, "time"]})
    if path.suffix == ".csv":
        path.write_text("id,text\n0,water\n1,\n2\n3,time\n", "ascii")
    elif path.suffix == ".jsonl":
        frame.write_ndjson(path)
    elif path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        frame.write_ipc(path)
    return path


REASONS = {
    "in.csv": "line 4: 1 fields instead of 2",
    "in.jsonl": "line 3: text is null",
    "in.parquet": "row 3: text is null",
    "in.arrow": "row 3: text is null",
}


def test_one_ends_the_run(cli: Command, path: Path, tiny_bert: Path) -> None:
    outcome = cli("embed", path, "-m", tiny_bert, "-o", path.parent / "out.parquet", "--json", "-q")
    message = f"{path.name}, {REASONS[path.name]}"
    assert outcome.code == 2
    assert message in json.loads(outcome.out)["error"]
    assert f"error: {message}; leave such rows out with --on-bad-row skip" in outcome.err
    assert not list(path.parent.glob("out.parquet*"))


def test_they_can_be_left_out_and_are_counted(cli: Command, path: Path, tiny_bert: Path) -> None:
    output = path.parent / "out.parquet"
    words = ("embed", path, "-m", tiny_bert, "-o", output, "--on-bad-row", "skip")
    assert cli(*words).code == 0
    made = read_provenance(output)
    assert made is not None
    assert (made.rows, made.skipped, made.bad_rows) == (2, 1, 1)
    assert pq.read_table(output)["text"].to_pylist() == ["water", "time"]


def test_the_variable_of_the_environment(
    cli: Command, path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMA_CLI_ON_BAD_ROW", "skip")
    assert cli("embed", path, "-m", tiny_bert, "-o", path.parent / "out.parquet").code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--format", "xml"), "--format"),
        (("--on-bad-row", "ignore"), "--on-bad-row"),
        (("--limit", "0"), "--limit"),
        (("--column", "absent"), "absent"),
        (("--keep", "absent"), "absent"),
    ],
)
def test_options_that_are_wrong(
    cli: Command, path: Path, tiny_bert: Path, words: tuple[str, str], message: str
) -> None:
    outcome = cli("embed", path, "-m", tiny_bert, "-o", path.parent / "out.parquet", *words)
    assert outcome.code == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert not list(path.parent.glob("out.parquet*"))
