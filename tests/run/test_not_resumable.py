"""Runs that nobody can resume, with pipes or of a writer alone: nothing of them is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.run.deaths import BEFORE_THE_RENAME, die
from tests.run.many import ManyJob, make_job, write_into_pipe
from tests.run.runs import Job, Outcome, outcome_of, run_in_shell, signalled, wait_until

CANNOT = "llama-cli: this input cannot be resumed: if this run is interrupted, it starts over\n"


@pytest.fixture
def stdin(folder: Path, tiny_bert: Path) -> Job:
    return Job(folder, tiny_bert, name="-")


def test_it_is_said_at_the_start(stdin: Job) -> None:
    process = stdin.start(stdin=-1)
    assert process.stdin
    assert process.stderr
    assert process.stderr.readline() == CANNOT
    process.stdin.write("one\ntwo\n")
    assert outcome_of(process).code == 0
    assert stdin.left() == ["out.parquet"]
    assert pq.read_table(stdin.output)["text"].to_pylist() == ["one", "two"]


@pytest.mark.parametrize("command", ["cat in.txt | {}", "{} < in.txt"])
def test_it_is_not_said_when_quiet(plain: Job, command: str) -> None:
    words = " ".join(Job(plain.folder, plain.model, name="-").words("--quiet"))
    outcome = run_in_shell(command.format(f"llama-cli {words}"), plain.folder)
    assert outcome == Outcome(0, "", "")
    assert plain.left() == ["in.txt", "out.parquet"]


def test_nothing_is_left_of_an_interrupted_run(stdin: Job) -> None:
    stdin.output.write_bytes(b"older")
    process = stdin.start("--overwrite", "--commit-interval", 0, "--quiet", stdin=-1)
    assert process.stdin
    process.stdin.write("water and time\n" * 1000)
    process.stdin.flush()
    wait_until(stdin.partial.exists, process)
    outcome = signalled(process, signal.SIGINT)
    said = "interrupted; this input cannot be resumed, so nothing was written"
    assert outcome.err == f"llama-cli: error: {said}\n"
    assert stdin.left() == ["out.parquet"]
    assert stdin.output.read_bytes() == b"older"


def test_what_a_killed_run_leaves_is_in_nobodys_way(stdin: Job, plain: Job) -> None:
    process = stdin.start("--commit-interval", 0, stdin=-1)
    assert process.stdin
    process.stdin.write("water and time\n" * 1000)
    process.stdin.flush()
    wait_until(stdin.partial.exists, process)
    process.kill()
    assert outcome_of(process).code == -signal.SIGKILL
    outcome = plain.finish()
    assert "cannot be resumed" not in outcome.err
    assert "warning" not in outcome.err
    assert "resuming" not in outcome.err


def test_a_pipe_cannot_resume_the_run_of_a_file(unfinished: Job) -> None:
    before = unfinished.unfinished()
    outcome = Job(unfinished.folder, unfinished.model, name="-").run(stdin=os.open("/dev/null", 0))
    assert outcome.code == 2
    assert "an unfinished run is there, which this one cannot resume" in outcome.err
    assert unfinished.unfinished() == before


def test_a_killed_writer_is_in_nobodys_way(plain: Job) -> None:
    program = """
import os, signal, numpy
from llama_cli import EmbeddingResult, ParquetWriter
writer = ParquetWriter("out.parquet", 2)
writer.write_batch([EmbeddingResult("a", "0" * 32, numpy.ones(2, "float32"), 1, 1)])
writer.commit()
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=plain.folder, check=False)
    assert done.returncode == -signal.SIGKILL
    plain.finish()


def test_a_killed_run_with_a_pipe_is_in_nobodys_way(folder: Path, tiny_bert: Path) -> None:
    job = make_job(folder, tiny_bert, files={"a.txt": b"one\n", "b.txt": b"two\n"})
    os.mkfifo(folder / "pipe")
    killed = ManyJob(folder, tiny_bert, names=("in/a.txt", "pipe"))
    write_into_pipe(killed, b"three\n")
    die(killed, BEFORE_THE_RENAME)
    (folder / "pipe").unlink()
    job.finish()
