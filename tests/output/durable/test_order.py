"""The order of writes and syncs on which it rests that a commit outlasts a power failure."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from llama_cli.errors import OutputRefusedError
from tests.output.durable.fault_cases import run_anew, write_alone
from tests.output.durable.runs import (
    contents,
    copy_of,
    run,
)
from tests.output.durable.trace import Files, Step, Trace, after_power_failure

BEGIN = [
    ("ftruncate", "journal"),
    ("write", "journal"),
    ("fsync", "journal"),
    ("fsync", "folder"),
]
RESUME = [
    ("ftruncate", "data"),
    ("ftruncate", "journal"),
    ("write", "journal"),
    ("fsync", "journal"),
]
COMMIT = [
    ("rows", "data"),
    ("fsync", "data"),
    ("write", "journal"),
    ("fsync", "journal"),
]
FINISH = [
    ("write", "data"),
    ("fsync", "data"),
    ("replace", "data"),
    ("fsync", "folder"),
    ("unlink", "journal"),
]


def trace(out: Path, work: Callable[..., None] = run) -> Trace:
    with pytest.MonkeyPatch.context() as monkeypatch:
        found = Trace(out, monkeypatch)
        work(out, on_commit=found.note_commit)
    return found


def test_a_run_of_five_commits(tmp_path: Path) -> None:
    found = trace(tmp_path / "out.parquet")
    assert found.calls == [*BEGIN, *COMMIT * 5, *FINISH]


def test_a_run_that_is_resumed_after_three(killed: Path, tmp_path: Path) -> None:
    found = trace(copy_of(killed, tmp_path / "folder"))
    assert found.calls == [*RESUME, *COMMIT * 2, *FINISH]


def test_a_run_that_starts_anew(killed: Path, tmp_path: Path) -> None:
    found = trace(copy_of(killed, tmp_path / "folder"), run_anew)
    discard = [("ftruncate", "journal"), ("unlink", "data")]
    assert found.calls == [*discard, *BEGIN, *COMMIT * 5, *FINISH]


def test_a_run_that_is_not_resumable_is_synced_only_in_the_end(tmp_path: Path) -> None:
    found = trace(tmp_path / "out.parquet", write_alone)
    (*before, _, _, _, _, _) = found.calls
    assert found.calls[-5:] == FINISH
    assert "fsync" not in {call for call, _ in before}


def steps_before(steps: list[Step], call: str, file: str) -> list[tuple[Step, Step]]:
    """Every such call after the beginning, with the step before it."""
    return [
        (before, step)
        for before, step in itertools.pairwise(steps)
        if (step.call, step.file) == (call, file) and commits_in(step)
    ]


def commits_in(step: Step) -> int:
    return step.now.get("out.parquet.journal", b"").count(b'{"commit"')


def test_nothing_is_written_to_the_rows_between_their_sync_and_the_journals(
    tmp_path: Path,
) -> None:
    steps = trace(tmp_path / "out.parquet").steps
    written = steps_before(steps, "write", "journal")
    assert len(written) == 5
    for before, step in written:
        assert (before.call, before.file) == ("fsync", "data")
        assert step.durable["out.parquet.partial"] == step.now["out.parquet.partial"]
    for before, step in steps_before(steps, "fsync", "journal"):
        assert before.now["out.parquet.partial"] == step.durable["out.parquet.partial"]


def test_a_commit_is_told_when_it_is_durable(tmp_path: Path) -> None:
    steps = trace(tmp_path / "out.parquet").steps
    for before, step in itertools.pairwise(steps):
        if step.committed > before.committed:
            assert (before.call, before.file) == ("fsync", "journal")
            assert commits_in(before) == step.committed // 10


def test_the_output_is_durable_before_its_journal_is_removed(
    tmp_path: Path, finished: bytes
) -> None:
    steps = trace(tmp_path / "out.parquet").steps
    replaced = next(step for step in steps if step.call == "replace")
    assert replaced.durable["out.parquet.partial"] == finished
    assert steps[-1].call == "unlink"
    assert steps[-2].durable["out.parquet"] == steps[-2].now["out.parquet"] == finished


def power_failures(steps: list[Step]) -> list[tuple[int, Files]]:
    """What a power failure may leave, with the rows that were told to be committed by then."""
    found = {
        (step.committed, frozenset(files.items()))
        for step in steps
        for files in after_power_failure(step, "out.parquet")
    }
    return [(committed, dict(files)) for committed, files in found]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "out.parquet"


def put(files: Files, folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("resumes", [False, True])
def test_a_power_failure_at_any_moment_loses_no_commit(
    out: Path, killed: Path, finished: bytes, resumes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(contents(killed) if resumes else {"out.parquet": b"older"}, out.parent)
    failures = power_failures(trace(out).steps)
    assert len(failures) > 40
    monkeypatch.setattr("os.fsync", lambda file: None)
    for committed, files in failures:
        put(files, out.parent)
        assert files.get("out.parquet", b"older") in {b"older", finished}
        started: list[int] = []
        run(out, on_commit=started.append)
        assert files.get("out.parquet") == finished or started[0] >= committed
        assert contents(out.parent) == {"out.parquet": finished}


def test_a_power_failure_while_a_run_is_discarded(
    out: Path, killed: Path, finished: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems may empty the journal for good before they remove the rows for good."""
    put(contents(killed), out.parent)
    failures = power_failures(trace(out, run_anew).steps)
    monkeypatch.setattr("os.fsync", lambda file: None)
    refused = 0
    for _, files in failures:
        put(files, out.parent)
        try:
            run(out)
        except OutputRefusedError:
            assert files["out.parquet.partial"] == contents(killed)["out.parquet.partial"]
            assert contents(out.parent).items() <= files.items()
            refused += 1
        else:
            assert contents(out.parent) == {"out.parquet": finished}
    assert refused < len(failures) / 10
