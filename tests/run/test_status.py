"""What can be seen of a run from outside."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Outcome
from tests.run.deaths import AFTER_TWO_COMMITS, die
from tests.run.many import make_job
from tests.run.programs import COMMAND
from tests.run.runs import Job, outcome_of, run_in_shell


@pytest.fixture
def stopped(plain: Job) -> Job:
    """A run that was told to end after its first commits."""
    process = plain.start_held()
    process.send_signal(signal.SIGTERM)
    assert outcome_of(process).code == 143
    return plain


def status(job: Job, *words: str) -> Outcome:
    return run_in_shell(f"{COMMAND} status out.parquet {' '.join(words)}", job.folder)


def test_an_unfinished_run_and_the_command_that_resumes(stopped: Job) -> None:
    rows = stopped.commits()[-1]["rows"]
    before = stopped.unfinished()
    outcome = status(stopped)
    first, second, third = outcome.out.splitlines()
    assert first.startswith(f"out.parquet: unfinished, {rows:,} rows committed (")
    assert first.endswith(f"% of {stopped.source}")
    assert second.startswith("last commit 20")
    assert second.endswith(" ago")
    assert stopped.unfinished() == before
    assert run_in_shell(third.removeprefix("resume with: "), stopped.folder).code == 0
    assert status(stopped).out.startswith("out.parquet: finished, ")


def test_from_another_folder_the_command_says_where(stopped: Job, tmp_path: Path) -> None:
    elsewhere = run_in_shell(f"{COMMAND} status {stopped.output}", tmp_path)
    command = elsewhere.out.splitlines()[-1].removeprefix("resume with: ")
    assert command.startswith("cd ")
    assert run_in_shell(command, tmp_path).code == 0
    assert stopped.left() == ["in.txt", "out.parquet"]


def test_for_scripts(stopped: Job) -> None:
    facts = json.loads(status(stopped, "--json").out)
    assert facts["state"] == "unfinished"
    assert facts["rows"] == stopped.commits()[-1]["rows"]
    assert facts["bytes"] == stopped.commits()[-1]["end"]
    assert 0 < facts["share"] < 1
    assert (facts["resumable"], facts["process"]) == (True, None)
    assert facts["input"] == str(stopped.source)


def test_a_run_at_work(plain: Job) -> None:
    process = plain.start_held()
    seen = status(plain)
    assert f"running (process {process.pid})" in seen.out
    assert "resume" not in seen.out
    process.send_signal(signal.SIGTERM)
    assert outcome_of(process).code == 143
    assert "unfinished" in status(plain).out


def test_no_run_at_all(plain: Job) -> None:
    outcome = status(plain)
    assert outcome.code == 2
    assert outcome.err == (
        "llama-cli: error: out.parquet: no run has written this, finished or not\n"
    )


def test_the_share_of_a_table_that_is_done(folder: Path, tiny_bert: Path) -> None:
    job = make_job(folder, tiny_bert, files={"a.parquet": b""})
    content = [f"water and time {number}" for number in range(600)]
    pq.write_table(pa.table({"text": content}), job.inputs / "a.parquet")
    die(job, AFTER_TWO_COMMITS)
    facts = json.loads(run_in_shell(f"{COMMAND} status out.parquet --json", folder).out)
    assert facts["share"] == pytest.approx(facts["rows"] / 600, abs=0.02)
