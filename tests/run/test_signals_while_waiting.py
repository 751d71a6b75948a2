"""A signal ends a run soon, even one that waits for something that takes long."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.run.runs import (
    Job,
    children,
    resume_command,
    side_by_side,
    signalled,
    wait_until,
)


def test_a_long_decode(long_text: Job) -> None:
    """The two rows before it are ready, though no commit is due, and are kept."""

    def check(number: int) -> None:
        job = long_text.copy(str(number))
        process = job.start()
        assert process.stderr
        while "2 rows, " not in (line := process.stderr.readline()):
            assert line
        outcome = signalled(process, number)
        assert "error: interrupted; 2 rows kept; " in outcome.err
        assert [commit["rows"] for commit in job.commits()] == [2]

    side_by_side(check, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])


def test_the_model_loads(plain: Job) -> None:
    process = plain.start()
    wait_until(plain.journal.exists, process)
    outcome = signalled(process, signal.SIGINT)
    assert outcome.err == (
        "llama-cli: error: interrupted before any row was committed; nothing was written\n"
    )
    assert plain.left() == ["in.txt"]


def test_the_model_loads_for_a_run_that_resumes(unfinished: Job) -> None:
    before = unfinished.unfinished()
    process = unfinished.start()
    wait_until(lambda: children(process.pid), process)
    outcome = signalled(process, signal.SIGTERM)
    rows = unfinished.commits()[-1]["rows"]
    assert f"error: interrupted; {rows:,} rows kept; resume with: " in outcome.err
    assert resume_command(outcome)
    assert unfinished.unfinished() == before


def test_the_model_loads_for_a_run_that_starts_anew(unfinished: Job) -> None:
    """The rows are still there, but to resume them is not what was asked for."""
    process = unfinished.start("--restart")
    wait_until(lambda: children(process.pid), process)
    outcome = signalled(process, signal.SIGTERM)
    assert outcome.err.endswith("interrupted before any row was committed; nothing was written\n")


@pytest.fixture
def fifo(folder: Path, tiny_bert: Path) -> Job:
    """Its input is a pipe."""
    job = Job(folder, tiny_bert)
    os.mkfifo(job.source)
    return job


def test_a_pipe_that_nobody_writes_to(fifo: Job) -> None:
    process = fifo.start()
    assert process.stderr
    assert "cannot be resumed" in process.stderr.readline()
    outcome = signalled(process, signal.SIGTERM)
    assert outcome.err == (
        "llama-cli: error: interrupted; this input cannot be resumed, so nothing was written\n"
    )
    assert fifo.left() == ["in.txt"]


def test_a_pipe_that_has_fallen_silent(fifo: Job) -> None:
    process = fifo.start("--commit-interval", 0, "--batch-size", 1)
    with fifo.source.open("wb", buffering=0) as pipe:
        pipe.write(b"water and time\n" * 1000)
        wait_until(fifo.partial.exists, process)
        outcome = signalled(process, signal.SIGHUP)
    assert "interrupted; this input cannot be resumed, so nothing was written" in outcome.err
    assert fifo.left() == ["in.txt"]


@contextlib.contextmanager
def full_pipe() -> Iterator[int]:
    """The writing end of a pipe that takes nothing more, as that of a paused pager."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    for size in (65536, 1):
        with contextlib.suppress(BlockingIOError):
            while os.write(write, b"x" * size):
                pass
    os.set_blocking(write, True)
    yield write
    os.close(write)
    os.close(read)


@pytest.mark.parametrize("times", [1, 2])
def test_whoever_reads_stderr_has_stopped_reading(long_text: Job, times: int) -> None:
    """A paused pager, for instance."""
    with full_pipe() as pipe:
        process = long_text.start("--commit-interval", 0, stderr=pipe)
        wait_until(long_text.partial.exists, process)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: not children(process.pid), process)
        if times > 1:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143
