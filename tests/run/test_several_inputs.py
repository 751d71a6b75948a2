"""Runs over several inputs as they are seen from outside, finished before, and with pipes."""

from __future__ import annotations

import json
import os
import resource
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.run.checks import footer
from tests.run.deaths import BEFORE_THE_CLEAN_UP, IN_THE_SECOND_INPUT, die
from tests.run.many import ManyJob, counts, last_position, make_job, numbered, write_into_pipe
from tests.run.programs import COMMAND
from tests.run.runs import Outcome, outcome_of, run_in_shell, wait_until
from tests.run.test_not_resumable import CANNOT

_FILES = {"a.txt": numbered("water", 300), "b.txt": b"\n" + numbered("time", 900), "c.txt": b"\n"}


@pytest.fixture
def job(folder: Path, tiny_bert: Path) -> ManyJob:
    return make_job(folder, tiny_bert, "--with-source", files=_FILES)


def status(job: ManyJob, *words: str) -> Outcome:
    return run_in_shell(f"{COMMAND} status out.parquet {' '.join(words)}", job.folder)


def test_status_of_a_killed_run(job: ManyJob) -> None:
    die(job, IN_THE_SECOND_INPUT)
    rows = last_position(job)[0]
    facts = json.loads(status(job, "--json").out)
    assert (facts["state"], facts["rows"], facts["input"]) == ("unfinished", rows, "3 inputs")
    assert facts["resumable"]
    before = job.unfinished()
    first, _, third = status(job).out.splitlines()
    assert first.startswith(f"out.parquet: unfinished, {rows:,} rows committed (")
    assert job.unfinished() == before
    assert run_in_shell(third.removeprefix("resume with: "), job.folder).code == 0
    assert status(job).out.startswith("out.parquet: finished, 1,200 rows, ")


@pytest.fixture
def all_but_done(job: ManyJob) -> ManyJob:
    """The output has its name, and the journal is still to be removed."""
    die(job, BEFORE_THE_CLEAN_UP)
    assert job.left() == ["in", "out.parquet", "out.parquet.journal"]
    return job


def test_finished_before(all_but_done: ManyJob) -> None:
    before = all_but_done.output.read_bytes()
    outcome = all_but_done.finish("--json")
    assert outcome.err.startswith("llama-cli: an earlier run had finished out.parquet\n")
    told = json.loads(outcome.out)
    assert (told["rows"], told["resumed_rows"], told["skipped"]) == (1200, 1200, 2)
    assert all_but_done.output.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "data"),
    [("b.txt", b"another\n"), ("d.txt", b"one more\n"), ("a.txt", None)],
    ids=["changed", "more", "fewer"],
)
def test_finished_before_with_other_inputs(
    all_but_done: ManyJob, name: str, data: bytes | None
) -> None:
    before = all_but_done.output.read_bytes()
    path = all_but_done.inputs / name
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)
    outcome = all_but_done.run()
    assert outcome.code == 2
    assert "out.parquet exists already; replace it with --overwrite" in outcome.err
    assert all_but_done.output.read_bytes() == before
    all_but_done.finish("--overwrite")
    assert counts(all_but_done.output, "rows") == [
        {"b.txt": 301, "d.txt": 1201, "a.txt": 900}[name]
    ]


@pytest.fixture
def with_pipe(job: ManyJob) -> ManyJob:
    """A pipe among files. Whoever opens it gets a few texts."""
    os.mkfifo(job.folder / "pipe")
    return replace(job, names=("in/a.txt", "pipe", "in/b.txt"))


def test_a_pipe_among_files(with_pipe: ManyJob) -> None:
    """The run cannot resume, which it says; its texts are taken in their turn."""
    write_into_pipe(with_pipe, b"from the pipe\n\n")
    outcome = with_pipe.finish("--commit-interval", 0)
    assert outcome.err.startswith(CANNOT)
    assert counts(with_pipe.output) == [1201, 2, 0]
    assert [one["bytes"] for one in footer(with_pipe.output)["inputs"]] == [
        len(_FILES["a.txt"]),
        15,
        len(_FILES["b.txt"]),
    ]


def test_nothing_is_left_of_a_killed_run_with_a_pipe(with_pipe: ManyJob) -> None:
    """But for what the next run removes, without a word about it."""
    write = os.open(with_pipe.folder / "pipe", os.O_RDWR)
    os.write(write, b"water\n")
    process = with_pipe.start("--commit-interval", 0)
    wait_until(with_pipe.partial.exists, process)
    process.kill()
    assert outcome_of(process).code == -signal.SIGKILL
    os.close(write)
    (with_pipe.folder / "pipe").unlink()
    outcome = replace(with_pipe, names=("in",)).finish()
    assert "resuming" not in outcome.err
    assert "warning" not in outcome.err


def few_descriptors() -> None:
    """For a process about to begin."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def test_thousands_of_files_with_few_descriptors(folder: Path, tiny_bert: Path) -> None:
    """They are opened in their turn, and told in the journal once."""
    files = {f"{n:04}.txt": b"water\n\ntime %d" % n for n in range(2000)}
    job = make_job(folder, tiny_bert, "--with-source", files=files)
    die(job, IN_THE_SECOND_INPUT)
    told = [one for commit in job.commits() for one in commit["checkpoint"]["finished"]]
    assert len(told) == last_position(job)[1]
    outcome = job.run(preexec_fn=few_descriptors)
    assert outcome.code == 0, outcome.err
    assert counts(job.output) == [4000, 2000, 0]
    assert len(footer(job.output)["inputs"]) == 2000
