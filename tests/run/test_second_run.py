"""Two runs want the same output: the first has it until it ends, however that is."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.run.checks import assert_same_content
from tests.run.runs import Job, children, outcome_of, resuming


@pytest.fixture
def first(unfinished: Job) -> subprocess.Popen[str]:
    """At work, and stopped there."""
    process = unfinished.start_held()
    process.send_signal(signal.SIGSTOP)
    return process


@pytest.mark.parametrize("options", [(), ("--restart", "--overwrite")], ids=["plain", "forced"])
def test_the_second_run_is_refused_and_the_first_is_not_disturbed(
    unfinished: Job, first: subprocess.Popen[str], expected: Path, options: tuple[str, ...]
) -> None:
    before = unfinished.unfinished()
    second = unfinished.run(*options)
    assert second.code == 1
    assert second.err.count("\n") == 1
    assert f"another run (process {first.pid}) is writing out.parquet" in second.err
    assert f"the lock {unfinished.journal}" in second.err
    assert unfinished.unfinished() == before
    first.send_signal(signal.SIGCONT)
    unfinished.release()
    assert outcome_of(first).code == 0
    assert unfinished.left() == ["in.txt", "out.parquet"]
    assert_same_content(unfinished.output, expected)


def test_the_second_run_does_not_load_the_model_first(
    unfinished: Job, first: subprocess.Popen[str], tiny_bert: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(tiny_bert.read_bytes()[:50_000])
    assert Job(unfinished.folder, damaged).run().code == 1
    first.kill()
    assert outcome_of(first).code == -signal.SIGKILL
    assert Job(unfinished.folder, damaged).run().code == 3


def open_files(process: int) -> list[str]:
    return [str(one.readlink()) for one in Path(f"/proc/{process}/fd").iterdir()]


def test_a_killed_run_holds_nothing(
    unfinished: Job, first: subprocess.Popen[str], expected: Path
) -> None:
    """Nor does the process that computes for it, which may outlive it for a moment."""
    # Stopping that one to keep it alive is of no use: the kernel wakes it when its parent ends.
    (worker,) = children(first.pid)
    assert str(unfinished.journal) in open_files(first.pid)
    assert not [path for path in open_files(worker) if path.startswith(str(unfinished.folder))]
    first.kill()
    assert outcome_of(first).code == -signal.SIGKILL
    assert resuming(unfinished.finish())
    assert_same_content(unfinished.output, expected)


def test_of_runs_that_start_together_one_wins(plain: Job, expected: Path) -> None:
    outcomes = [outcome_of(process) for process in [plain.start() for _ in range(3)]]
    codes = sorted(outcome.code for outcome in outcomes)
    assert codes[0] == 0
    assert set(codes[1:]) <= {1, 2}  # 2: the output was there when it came
    assert plain.left() == ["in.txt", "out.parquet"]
    assert_same_content(plain.output, expected)
