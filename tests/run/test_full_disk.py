"""The disk is full, or may not be written any more: what was committed stays, to be resumed."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounts import may_mount, on_mount
from tests.run.checks import assert_same_content
from tests.run.deaths import BEFORE_THE_FOOTER, die
from tests.run.programs import COMMAND
from tests.run.runs import PATIENCE, Job, Outcome, outcome_of, resuming

LIMIT_REACHED = "the file reached the limit of its file system or of `ulimit -f`"


def files_up_to(size: int) -> Callable[[], None]:
    """For a process about to begin: the limit on its files, which ends a write in the middle."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def assert_failed(job: Job, outcome: Outcome, reason: str, hint: str) -> None:
    """One line that names the output, what to do, and what is kept."""
    assert outcome.code == 1
    *before, line = outcome.err.splitlines()
    assert all("resuming at row" in other for other in before)
    kept = f"; the first {rows_of(job):,} rows are kept for the next run" if job.commits() else ""
    assert line == f"llama-cli: error: out.parquet: IO error: {reason}; {hint}{kept}"


def rows_of(job: Job) -> int:
    rows: int = job.commits()[-1]["rows"]
    return rows


@pytest.mark.parametrize("size", [0, 20_000])
def test_a_limit_before_the_first_commit_leaves_nothing(plain: Job, size: int) -> None:
    limit = files_up_to(size)
    outcome = plain.run("--commit-interval", 0, "--batch-size", 100, preexec_fn=limit)
    assert_failed(plain, outcome, "File too large", LIMIT_REACHED)
    assert plain.left() == ["in.txt"]


def test_a_limit_after_some_commits(plain: Job, expected: Path) -> None:
    outcome = plain.run("--commit-interval", 0, preexec_fn=files_up_to(80_000))
    assert_failed(plain, outcome, "File too large", LIMIT_REACHED)
    kept = rows_of(plain)
    assert plain.partial.stat().st_size == plain.commits()[-1]["end"]
    assert resuming(plain.finish()) == (kept + 1, kept + 1)
    assert_same_content(plain.output, expected)


def test_no_room_for_the_footer_alone(plain: Job, expected: Path) -> None:
    die(plain, BEFORE_THE_FOOTER)
    limit = files_up_to(plain.partial.stat().st_size + 10)
    outcome = plain.run(preexec_fn=limit)
    assert outcome.code == 1
    assert "; the first 1,100 rows are kept for the next run" in outcome.err
    assert resuming(plain.finish()) == (1101, 1101)
    assert_same_content(plain.output, expected)


# On a mount of its own, gone with the shell. The second time there is room.
TWICE_ON_A_SMALL_DISK = """
mount -t tmpfs -o size=100k tmpfs "$1" && cp in.txt "$1" && cd "$1" && shift || exit
"$@"
echo $? *
mount -o remount,size=9m "$PWD"
"$@"
echo $? *
cp out.parquet ..
"""


@pytest.mark.skipif(not may_mount(), reason="mounting is not allowed here")
def test_a_full_disk_that_gets_room(plain: Job, expected: Path) -> None:
    top = plain.folder.parent
    plain.source.rename(top / "in.txt")
    words = [str(COMMAND), *plain.words("--commit-interval", 0, "--quiet")]
    done = subprocess.run(
        [*on_mount(TWICE_ON_A_SMALL_DISK, plain.folder), *words],
        cwd=top,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "1 in.txt out.parquet.journal out.parquet.partial",
        "0 in.txt out.parquet",
    ]
    assert re.fullmatch(
        "llama-cli: error: out.parquet: IO error: No space left on device; free some space on "
        r"that disk, or write to another one; the first \d+ rows are kept for the next run\n",
        done.stderr,
    )
    assert_same_content(top / "out.parquet", expected)


def without_the_rights_of_root() -> None:
    """For a process about to begin: modes count, even for the owner of everything."""
    drop_capability, override_modes = 24, 1
    if os.getuid() == 0:
        ctypes.CDLL(None).prctl(drop_capability, override_modes, 0, 0, 0)


def test_a_folder_that_may_not_be_written(unfinished: Job, expected: Path) -> None:
    before = unfinished.unfinished()
    unfinished.folder.chmod(0o555)
    outcome = unfinished.run(preexec_fn=without_the_rights_of_root)
    assert outcome.code == 2
    assert outcome.err.endswith(": cannot write in this folder\n")
    assert unfinished.unfinished() == before
    unfinished.folder.chmod(0o755)
    assert resuming(unfinished.finish())
    assert_same_content(unfinished.output, expected)


def test_a_folder_that_may_not_be_written_any_more(unfinished: Job, expected: Path) -> None:
    """The rows can still be written, but the file cannot get its name."""
    process = unfinished.start_held(preexec_fn=without_the_rights_of_root)
    unfinished.folder.chmod(0o555)
    unfinished.release()
    outcome = outcome_of(process)
    unfinished.folder.chmod(0o755)
    assert outcome.code == 1
    assert "error: out.parquet: IO error: Permission denied; " in outcome.err
    assert "1,100 rows are kept" in outcome.err
    assert resuming(unfinished.finish()) == (1101, 1101)
    assert_same_content(unfinished.output, expected)
