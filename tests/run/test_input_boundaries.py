"""Where one input ends and the next begins, and inputs that give no text at all."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.run.checks import assert_same_content, footer, lasting
from tests.run.deaths import BEFORE_THE_FOOTER, IN_THE_SECOND_INPUT, die
from tests.run.many import (
    ManyJob,
    counts,
    last_position,
    make_job,
    numbered,
    resuming_after,
)
from tests.run.mixed import make_rows, write_parquet
from tests.run.runs import Outcome

_OPTIONS = ("--with-source", "--line-numbers", "--on-bad-row", "skip")


def finish_and_keep(job: ManyJob) -> Path:
    """What an undisturbed run makes."""
    job.finish()
    return job.output.rename(job.folder.parent / "expected.parquet")


def assert_resumes(job: ManyJob, expected: Path) -> Outcome:
    rows, _, line = last_position(job)
    outcome = job.finish()
    said = resuming_after(outcome)
    assert said
    assert (said[0], said[2]) == (rows + 1, line)
    assert_same_content(job.output, expected)
    return outcome


def test_an_input_without_a_last_line_end(folder: Path, tiny_bert: Path) -> None:
    """Its last text and the next input's first are two, also where the run stopped between."""
    files = {"a.txt": b"one\n\ntwo", "b.txt": b"three", "c.txt": b"\xef\xbb\xbffour\r"}
    job = make_job(folder, tiny_bert, *_OPTIONS, files=files)
    expected = finish_and_keep(job)
    table = pq.read_table(expected)
    assert table["text"].to_pylist() == ["one", "two", "three", "four"]
    assert table["line"].to_pylist() == [1, 3, 1, 1]
    assert table["source"].to_pylist() == ["in/a.txt", "in/a.txt", "in/b.txt", "in/c.txt"]
    die(job, BEFORE_THE_FOOTER)
    assert last_position(job) == (4, 2, 1)
    assert_resumes(job, expected)


BLANK = {
    "a.txt": b"",
    "b.txt": b"\n \n\t\n",
    "c.txt": numbered("water", 600) + b"\n\n",
    "d.txt": b"\n" * 5,
    "e.txt.gz": gzip.compress(b""),
    "f.csv": b"",
    "g.csv": b"text,more\n",
    "h.csv": b"text,more\n\nwater,1\n,2\nbad\n",
    "i.jsonl": b"\n{}\n",
    "j.txt": numbered("time", 600),
    "k.txt": b"\n\n \n",
    "l.txt": b"",
}
# Blank lines, and bad rows, by hand.
BLANK_COUNTS = [1201, 3 + 1 + 5 + 2 + 1 + 3, 2]


@pytest.fixture
def blank(folder: Path, tiny_bert: Path) -> ManyJob:
    return make_job(folder, tiny_bert, *_OPTIONS, "--report", "../report.jsonl", files=BLANK)


@pytest.mark.parametrize(
    "moment", [IN_THE_SECOND_INPUT, BEFORE_THE_FOOTER], ids=["among", "at the end"]
)
def test_what_is_left_out_is_counted_once(blank: ManyJob, moment: str) -> None:
    """At the start, in the middle, and after the last row, which no commit knows of."""
    expected = finish_and_keep(blank)
    assert counts(expected) == BLANK_COUNTS
    reported = blank.report.read_bytes()
    assert len(blank.reported()) == sum(BLANK_COUNTS[1:])
    die(blank, moment)
    assert_resumes(blank, expected)
    assert blank.report.read_bytes() == reported
    sizes = [one["bytes"] for one in footer(blank.output)["inputs"]]
    assert sizes == [len(data) for data in BLANK.values()]


def test_a_run_without_any_text(folder: Path, tiny_bert: Path) -> None:
    """No commit is made, so a kill leaves nothing to resume from, and nothing in the way."""
    files = {"a.txt": b"", "b.txt": b"\n\n", "c.jsonl": b"\n"}
    job = make_job(folder, tiny_bert, *_OPTIONS, files=files)
    expected = finish_and_keep(job)
    assert counts(expected) == [0, 3, 0]
    die(job, BEFORE_THE_FOOTER)
    assert job.commits() == []
    assert resuming_after(job.finish()) is None
    assert lasting(footer(job.output)) == lasting(footer(expected))


@pytest.mark.parametrize("packed", [False, True])
def test_the_last_commit_is_at_the_very_end_of_an_input(
    folder: Path, tiny_bert: Path, packed: bool
) -> None:
    """The next one is there now, but was not then: it is left for later, and said so."""
    name, data = "a.txt", numbered("water", 300)
    files = {f"{name}.gz": gzip.compress(data)} if packed else {name: data}
    job = make_job(folder, tiny_bert, *_OPTIONS, files=files | {"b.txt": b"\n\n"})
    die(job, BEFORE_THE_FOOTER)
    assert last_position(job) == (300, 0, 300)
    (job.inputs / "b.txt").write_bytes(b"\n\nthe end")
    outcome = job.finish()
    assert resuming_after(outcome) == (301, f"in/{next(iter(files))}", 300)
    assert counts(job.output) == [301, 2, 0]
    assert pq.read_table(job.output)["line"].to_pylist()[-2:] == [300, 3]


def test_a_table_with_the_same_rows_in_other_bytes(folder: Path, tiny_bert: Path) -> None:
    """Rows are found by number, so that nothing but the file itself is good enough."""
    job = make_job(folder, tiny_bert, *_OPTIONS, files={"a.txt": b"one"})
    path = job.inputs / "b.parquet"
    write_parquet(path, make_rows(900, seed=1))
    expected = finish_and_keep(job)
    die(job, IN_THE_SECOND_INPUT)
    before, unfinished = path.read_bytes(), job.unfinished()
    write_parquet(path, make_rows(900, seed=1), group=500)
    outcome = job.run()
    assert outcome.code == 2
    assert "in/b.parquet: is not the file that the unfinished run has read" in outcome.err
    assert job.unfinished() == unfinished
    path.write_bytes(before)
    assert_resumes(job, expected)
