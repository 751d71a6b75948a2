"""An unfinished run of the version before, as it left it: refused in one line, not touched."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.run.programs import COMMAND
from tests.run.runs import Job, run_in_shell

# Killed after a commit; its inputs and both files are there.
_LEFT = Path(__file__).parent / "version_1"
_REFUSED = (
    "llama-cli: error: out.parquet: an unfinished run of an earlier version of this program is "
    "there; finish it with that version, or discard it with --restart\n"
)


@pytest.fixture
def job(folder: Path, tiny_bert: Path) -> Job:
    shutil.copytree(_LEFT, folder, dirs_exist_ok=True)
    return Job(folder, tiny_bert)


@pytest.mark.parametrize("options", [(), ("--overwrite",), ("--max-length", "9")])
def test_it_is_refused_and_not_touched(job: Job, options: tuple[str, ...]) -> None:
    before = job.unfinished()
    outcome = job.run(*options)
    assert (outcome.code, outcome.out, outcome.err) == (2, "", _REFUSED)
    assert job.unfinished() == before


def test_it_is_discarded_when_that_is_asked_for(job: Job) -> None:
    job.finish("--restart")
    assert pq.read_table(job.output)["text"].to_pylist() == ["water", "time", "light", "fire"]


def test_its_status(job: Job) -> None:
    before = job.unfinished()
    outcome = run_in_shell(f"{COMMAND} status out.parquet", job.folder)
    assert (outcome.code, outcome.out, outcome.err) == (2, "", _REFUSED)
    assert job.unfinished() == before
