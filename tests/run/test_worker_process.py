"""The process that computes dies, or its parent does."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.run.checks import assert_same_content
from tests.run.corpus import plain_lines
from tests.run.runs import Job, children, outcome_of, wait_until

LINES = plain_lines(1500)


@pytest.fixture
def job(folder: Path, slow_model: Path) -> Job:
    job = Job(folder, slow_model, ("--commit-interval", "0.05"))
    job.source.write_text(LINES, "utf-8")
    return job


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, slow_model: Path) -> Path:
    job = Job(tmp_path_factory.mktemp("undisturbed"), slow_model)
    job.source.write_text(LINES, "utf-8")
    job.finish()
    return job.output


def kill_child(process: subprocess.Popen[str], number: int) -> int:
    (worker,) = children(process.pid)
    os.kill(worker, number)
    return worker


@pytest.mark.parametrize(
    ("first", "second"), [(signal.SIGKILL, signal.SIGKILL), (signal.SIGSEGV, signal.SIGABRT)]
)
def test_a_run_survives_two_deaths_of_its_child(
    job: Job, undisturbed: Path, first: signal.Signals, second: signal.Signals
) -> None:
    process = job.start()
    for number in (first, second):
        job.wait_for_commits(process, len(job.commits()) + 1)
        kill_child(process, number)
    outcome = outcome_of(process)
    assert outcome.code == 0, outcome.err
    for number in (first, second):
        assert f"warning: llama.cpp crashed ({number.name}" in outcome.err
    assert outcome.err.count("warning: ") == 2
    assert job.left() == ["in.txt", "out.parquet"]
    assert_same_content(job.output, undisturbed)


def test_a_run_survives_the_death_of_a_child_that_was_just_started_again(
    job: Job, undisturbed: Path
) -> None:
    process = job.start()
    job.wait_for_commits(process)
    first = kill_child(process, signal.SIGKILL)
    wait_until(lambda: set(children(process.pid)) - {first}, process)
    kill_child(process, signal.SIGKILL)
    outcome = outcome_of(process)
    assert outcome.code == 0, outcome.err
    assert_same_content(job.output, undisturbed)


def assert_no_child_outlives(process: subprocess.Popen[str]) -> None:
    (worker,) = children(process.pid)
    process.kill()
    assert outcome_of(process).code == -signal.SIGKILL
    killed = time.monotonic()
    while is_there(worker):
        assert time.monotonic() - killed < 3
        time.sleep(0.01)


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_no_child_outlives_its_parent(job: Job) -> None:
    process = job.start()
    job.wait_for_commits(process)
    assert_no_child_outlives(process)


def test_no_child_outlives_its_parent_in_a_long_decode(long_text: Job) -> None:
    process = long_text.start("--commit-interval", 0)
    long_text.wait_for_commits(process)
    assert_no_child_outlives(process)


def test_no_child_outlives_a_parent_that_was_about_to_load_the_model(job: Job) -> None:
    process = job.start()
    wait_until(lambda: children(process.pid), process)
    assert_no_child_outlives(process)
