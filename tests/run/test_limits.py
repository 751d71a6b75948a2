"""Runs that take so many texts only, or stop at a row that cannot be used."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import xxhash

from tests.run.checks import assert_refused, assert_same_content, footer
from tests.run.deaths import (
    AFTER_TWO_COMMITS,
    BEFORE_THE_CLEAN_UP,
    BEFORE_THE_FOOTER,
    IN_THE_SECOND_INPUT,
    die,
)
from tests.run.many import (
    ManyJob,
    counts,
    last_position,
    make_job,
    numbered,
    objects,
    resuming_after,
)
from tests.run.mixed import make_rows, write_parquet

_FILES = {
    "a.txt": b"\n" + numbered("water", 600),
    "b.txt": b"\n\n" + numbered("time", 600) + b"\n\n\n",
    "c.txt": b"\n" + numbered("light", 9),
}


@pytest.fixture
def job(folder: Path, tiny_bert: Path) -> ManyJob:
    return make_job(folder, tiny_bert, "--with-source", files=_FILES)


@pytest.mark.parametrize("moment", [AFTER_TWO_COMMITS, IN_THE_SECOND_INPUT], ids=["early", "late"])
def test_the_rows_of_earlier_runs_count(job: ManyJob, moment: str) -> None:
    job.finish("--limit", 1100)
    expected = job.output.rename(job.folder.parent / "expected.parquet")
    assert counts(expected) == [1100, 3, 0]
    die(job, moment, "--limit", 1100)
    rows = last_position(job)[0]
    assert rows < 1100
    outcome = job.finish("--limit", 1100)
    assert (resuming_after(outcome) or [0])[0] == rows + 1
    assert_same_content(job.output, expected)


@pytest.mark.parametrize("limit", [600, 1200])
def test_a_limit_at_the_end_of_an_input(job: ManyJob, limit: int) -> None:
    """Nothing after it is read, were it only to find it blank."""
    job.finish("--limit", limit)
    assert counts(job.output) == [limit, 1 if limit == 600 else 3, 0]


def test_a_limit_that_is_never_reached(job: ManyJob) -> None:
    die(job, IN_THE_SECOND_INPUT, "--limit", 10_000)
    job.finish("--limit", 10_000)
    assert counts(job.output) == [1209, 6, 0]


def jsonl(word: str, count: int, bad: int) -> bytes:
    lines = [f'{{"text": "{word} {number}"}}' for number in range(count)]
    lines[bad] = '{"text": null}'
    return "\n".join(lines).encode()


def test_a_bad_row_that_is_left_out_after_all(folder: Path, tiny_bert: Path) -> None:
    """It ends the run, which keeps what it has; allowed to be left out, it is counted once."""
    files = {"a.jsonl": numbered("", 0), "b.jsonl.gz": gzip.compress(jsonl("b", 900, bad=700))}
    files |= {"c.jsonl": jsonl("c", 900, bad=3)}
    job = make_job(folder, tiny_bert, "--line-numbers", "--commit-interval", "0", files=files)
    job.finish("--on-bad-row", "skip")
    expected = job.output.rename(folder.parent / "expected.parquet")
    outcome = job.run()
    assert outcome.code == 2
    assert "error: in/b.jsonl.gz, line 701: text is null; " in outcome.err
    assert "leave such rows out with --on-bad-row skip" in outcome.err
    assert last_position(job)[:2] == (700, 1)
    assert "; the first 700 rows are kept for the next run\n" in outcome.err
    assert job.run().code == 2
    outcome = job.finish("--on-bad-row", "skip")
    assert resuming_after(outcome) == (701, "in/b.jsonl.gz", 700)
    assert_same_content(job.output, expected)
    assert counts(job.output) == [1798, 0, 2]


def test_a_bad_row_that_is_mended(folder: Path, tiny_bert: Path) -> None:
    files = {"a.jsonl": jsonl("a", 900, bad=899), "b.jsonl": jsonl("b", 900, bad=450)}
    job = make_job(folder, tiny_bert, "--line-numbers", "--commit-interval", "0", files=files)
    for name, bad in (("a.jsonl", 899), ("b.jsonl", 450)):
        assert f"in/{name}, line {bad + 1}: text is null" in job.run().err
        data = (job.inputs / name).read_bytes()
        (job.inputs / name).write_bytes(data.replace(b"null", b'"mended"'))
    job.finish()
    assert counts(job.output) == [1800, 0, 0]
    table = pq.read_table(job.output, columns=["text", "line"]).to_pylist()
    assert [row["line"] for row in table] == [*range(1, 901), *range(1, 901)]
    assert [row["line"] for row in table if row["text"] == "mended"] == [900, 451]


# Longer than what is looked at before a run begins.
_LONG = numbered("water", 300) + b"\n" + (b" " * 999 + b"\n") * 1500 + numbered("time", 300)


@pytest.mark.parametrize("cut", [0.9, 1], ids=["cut short", "wrong at its end"])
def test_a_damaged_input_among_others(job: ManyJob, cut: float) -> None:
    """It is named, the rows before it are committed, and once it is mended the run resumes."""
    path, whole = job.inputs / "b.txt", gzip.compress(_LONG)
    path.write_bytes(whole)
    job.finish()
    expected = job.output.rename(job.folder.parent / "expected.parquet")
    path.write_bytes(whole[: int(len(whole) * cut) - 8] + b"\0" * 8 * (cut == 1))
    outcome = job.run("--commit-interval", 0)
    assert outcome.code == 2
    assert "error: in/b.txt: the gzip data is damaged or cut short" in outcome.err
    rows, _, line = last_position(job)
    assert rows >= 600
    assert f"; the first {rows:,} rows are kept for the next run\n" in outcome.err
    path.write_bytes(whole)
    said = resuming_after(job.finish())
    assert said
    assert (said[0], said[2]) == (rows + 1, line)
    assert_same_content(job.output, expected)


def test_nonsense_that_a_damaged_input_was_decompressed_to(job: ManyJob) -> None:
    """Its rows were committed before the checksum at its end was read; they are not resumed."""
    path, whole = job.inputs / "b.txt", gzip.compress(_LONG, compresslevel=0)
    path.write_bytes(whole.replace(b"water and time 7\n", b"water and tide 7\n"))
    outcome = job.run("--commit-interval", 0)
    assert outcome.code == 2
    assert "error: in/b.txt: the gzip data is damaged or cut short" in outcome.err
    assert last_position(job)[1] == 1
    path.write_bytes(whole)
    assert_refused(job, naming="in/b.txt: its first ")


def test_a_limit_that_was_reached_before_the_kill(folder: Path, tiny_bert: Path) -> None:
    """The footer says: 0 inputs, 0 bytes."""
    files = {"a.txt": numbered("water", 300), "b.txt": b"time"}
    job = make_job(folder, tiny_bert, "--limit", "200", files=files)
    job.finish()
    expected = job.output.rename(folder.parent / "expected.parquet")
    die(job, BEFORE_THE_FOOTER)
    job.finish()
    assert_same_content(job.output, expected)


def test_a_limited_run_that_was_finished_before(folder: Path, tiny_bert: Path) -> None:
    """It is not recognized, as its inputs were not all read, nor the last one to its end."""
    files = {"a.txt": numbered("water", 300), "b.txt": b"time"}
    job = make_job(folder, tiny_bert, "--limit", "200", files=files)
    die(job, BEFORE_THE_CLEAN_UP)
    assert "an earlier run had finished" in job.run().err


def test_what_is_left_out_behind_a_limit_does_not_count(folder: Path, tiny_bert: Path) -> None:
    """With columns kept, rows are read 64 at a time, so it depends on where the run resumed."""
    job = make_job(folder, tiny_bert, "--limit", "200", files={"a.jsonl": objects(900, blank=True)})
    job.finish()
    assert counts(job.output) == [200, 199, 0]
    job.finish("--overwrite", "--keep", "title")
    assert counts(job.output) == [200, 199, 0]


@pytest.mark.parametrize("name", ["a.parquet", "a.txt.gz"])
def test_the_size_of_an_input_read_up_to_a_limit(folder: Path, tiny_bert: Path, name: str) -> None:
    """It is the number of rows, or of unpacked bytes; other inputs have the file's own there."""
    job = make_job(folder, tiny_bert, files={name: gzip.compress(numbered("water", 300))})
    if name == "a.parquet":
        write_parquet(job.inputs / name, make_rows(300, seed=1))
    job.finish("--limit", 100, "--on-bad-row", "skip")
    told = footer(job.output)["input"]
    data = (job.inputs / name).read_bytes()
    assert told["xxh3_128"] == xxhash.xxh3_128_hexdigest(data[: told["bytes"]])
