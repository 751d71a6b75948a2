"""Killed when the output had its name already, and only the journal was still to be removed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.run.checks import footer
from tests.run.deaths import BEFORE_THE_CLEAN_UP, die
from tests.run.runs import Job
from tests.tiny_models import write_bert


@pytest.fixture(scope="module")
def _all_but_done(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Job:
    job = Job(tmp_path_factory.mktemp("all but done"), tiny_bert)
    job.source.write_bytes(b"one\ntwo\n\nthree\n")
    die(job, BEFORE_THE_CLEAN_UP)
    assert job.left() == ["in.txt", "out.parquet", "out.parquet.journal"]
    return job


@pytest.fixture
def all_but_done(_all_but_done: Job, folder: Path) -> Job:
    shutil.copytree(_all_but_done.folder, folder, dirs_exist_ok=True)
    return Job(folder, _all_but_done.model)


@pytest.mark.parametrize("options", [(), ("--overwrite",)], ids=["again", "with overwrite"])
def test_the_same_command_cleans_up(all_but_done: Job, options: tuple[str, ...]) -> None:
    before = all_but_done.output.read_bytes(), all_but_done.output.stat()
    outcome = all_but_done.finish(*options)
    assert outcome.err.startswith("llama-cli: an earlier run had finished out.parquet\n")
    assert "warning" not in outcome.err
    after = all_but_done.output.read_bytes(), all_but_done.output.stat()
    assert after[0] == before[0]
    assert (after[1].st_ino, after[1].st_mtime_ns) == (before[1].st_ino, before[1].st_mtime_ns)


def test_json_tells_of_no_new_rows(all_but_done: Job) -> None:
    told = json.loads(all_but_done.finish("--json").out)
    assert (told["rows"], told["resumed_rows"], told["skipped"]) == (3, 3, 1)


def test_a_longer_input_is_another_run(all_but_done: Job) -> None:
    before = all_but_done.output.read_bytes()
    with all_but_done.source.open("a") as file:
        file.write("four\n")
    outcome = all_but_done.run()
    assert outcome.code == 2
    assert "out.parquet exists already; replace it with --overwrite" in outcome.err
    assert all_but_done.output.read_bytes() == before
    all_but_done.finish("--overwrite")
    assert footer(all_but_done.output)["rows"] == 4


def test_another_model_is_another_run(all_but_done: Job, tmp_path: Path) -> None:
    other = Job(all_but_done.folder, write_bert(tmp_path / "other.gguf", dim=64))
    before = all_but_done.output.read_bytes()
    assert other.run().code == 2
    assert all_but_done.output.read_bytes() == before
    other.finish("--overwrite")
    assert footer(other.output)["model"]["dimension"] == 64


def test_restart_embeds_anew(all_but_done: Job) -> None:
    before = footer(all_but_done.output)["run_id"]
    all_but_done.finish("--overwrite", "--restart")
    assert footer(all_but_done.output)["run_id"] != before
