"""What the command says of rows that it cannot use."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from llama_cli.errors import BadRowError, InputError
from llama_cli.inputs import skips
from llama_cli.inputs.skips import SkipLog, SkippedRows
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


def test_they_come_in_order_and_once() -> None:
    """A value that does not fit is found after rows behind it were seen to be bad."""
    log = SkipLog(skip_bad_rows=True)
    own = log.of_input(0, "a.csv")
    own.add_bad(7, "later")
    own.add_bad(3, "earlier")
    log.of_input(1, "b.csv").add_blank(1)
    earlier, later = SkippedRows(0, 3, 3, "earlier"), SkippedRows(0, 7, 7, "later")
    assert log.take(0, 2) == []
    assert log.take(0, 9) == [earlier, later]
    assert log.take(0, 9) == []
    assert log.take_all() == [SkippedRows(1, 1, 1, "blank")]


def test_alike_ones_one_after_the_other_are_one_entry() -> None:
    log = SkipLog(skip_bad_rows=True)
    own = log.of_input(0, "a.txt")
    for line in (1, 2, 3, 5):
        own.add_blank(line)
    own.add_bad(6, "broken")
    entries = log.take_all()
    assert [(one.first, one.last, one.rows, one.is_blank) for one in entries] == [
        (1, 3, 3, True),
        (5, 5, 1, True),
        (6, 6, 1, False),
    ]


def test_a_bad_row_is_an_error_unless_it_may_be_left_out() -> None:
    own = SkipLog(skip_bad_rows=False).of_input(0, "a.parquet", "row")
    with pytest.raises(BadRowError, match=r"^a.parquet, row 4: text is null$"):
        own.add_bad(4, "text is null")


def test_hopeless_inputs_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skips, "_MOST_PENDING", 10)
    own = SkipLog(skip_bad_rows=True).of_input(0, "a.csv")
    for line in range(1, 11):
        own.add_bad(line, f"reason {line}")
    with pytest.raises(InputError, match=r"^a.csv, line 11: reason 11, and there is no good row"):
        own.add_bad(11, "reason 11")


def test_the_summary_counts_bad_rows(cli: Command, tmp_path: Path, tiny_bert: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "one"}\nbroken\n', "ascii")
    outcome = cli("embed", path, "-m", tiny_bert, "--on-bad-row", "skip", "--json")
    assert json.loads(outcome.out)["bad_rows"] == 1
    assert "1 bad row" in outcome.err
