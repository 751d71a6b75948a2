"""The report of a run: what it says of committed rows is as durable as they are."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.mounts import may_mount, on_mount
from tests.run.checks import assert_same_content
from tests.run.deaths import (
    AFTER_TWO_COMMITS,
    BEFORE_THE_RENAME,
    BETWEEN_REPORT_AND_JOURNAL,
    die,
)
from tests.run.many import REPORT, ManyJob, make_job
from tests.run.mixed import json_lines, make_rows, text_lines
from tests.run.programs import COMMAND
from tests.run.runs import PATIENCE, Job

_OPTIONS = ("--on-bad-row", "skip", "--commit-interval", "0")


def new_job(folder: Path, model: Path) -> ManyJob:
    files = {
        "a.txt": text_lines(make_rows(400, seed=1)),
        "b.jsonl": b"\n\nno JSON\n" + json_lines(make_rows(400, seed=2)) + b"\n\nnone\n\n",
    }
    return make_job(folder, model, *_OPTIONS, files=files)


@pytest.fixture
def job(folder: Path, tiny_bert: Path) -> ManyJob:
    return new_job(folder, tiny_bert)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> ManyJob:
    """The same when it is done."""
    job = new_job(tmp_path_factory.mktemp("undisturbed") / "work", tiny_bert)
    job.finish(*REPORT)
    return job


@pytest.fixture
def whole(undisturbed: ManyJob) -> bytes:
    """What the report is to be."""
    return undisturbed.report.read_bytes()


@pytest.fixture
def expected(undisturbed: ManyJob) -> Path:
    return undisturbed.output


def test_what_it_says_of_each_row(undisturbed: ManyJob) -> None:
    """Sorted as the inputs are, each line once; rows by their number in the output."""
    told = undisturbed.reported()
    places = [(one["source"], one["line"]) for one in told]
    assert places == sorted(places)
    assert len(set(places)) == len(places)
    assert {one["what"] for one in told} == {"truncated", "invalid_utf8", "skipped"}
    assert all((one["row"] is None) == (one["what"] == "skipped") for one in told)
    assert told[-1]["line"] == (undisturbed.inputs / "b.jsonl").read_bytes().count(b"\n")


@pytest.mark.parametrize(
    "moment",
    [AFTER_TWO_COMMITS, BETWEEN_REPORT_AND_JOURNAL, BEFORE_THE_RENAME],
    ids=["after a commit", "before the journal knows", "all but done"],
)
def test_killed_and_resumed(job: ManyJob, whole: bytes, expected: Path, moment: str) -> None:
    die(job, moment, *REPORT)
    synced = job.commits()[-1]["checkpoint"]["report_bytes"]
    assert synced <= job.report.stat().st_size
    if moment == BEFORE_THE_RENAME:
        assert job.report.read_bytes() == whole
    job.finish(*REPORT)
    assert job.report.read_bytes() == whole
    assert_same_content(job.output, expected)


def test_what_was_said_of_rows_that_are_made_again_is_cut_off(job: ManyJob, whole: bytes) -> None:
    die(job, AFTER_TWO_COMMITS, *REPORT)
    with job.report.open("ab") as file:
        file.write(b'{"source": "torn')
    job.finish(*REPORT)
    assert job.report.read_bytes() == whole


@pytest.mark.parametrize("how", ["gone", "truncated", "none before"])
def test_a_report_about_the_rest_only(job: ManyJob, whole: bytes, expected: Path, how: str) -> None:
    """It is said that it has nothing about the rows before, and the rows are all there."""
    die(job, AFTER_TWO_COMMITS, *(() if how == "none before" else REPORT))
    if how == "gone":
        job.report.unlink()
    elif how == "truncated":
        job.report.write_bytes(job.report.read_bytes()[:-1])
    outcome = job.finish(*REPORT)
    said = "../report.jsonl has nothing about the rows that were made before\n"
    assert f"llama-cli: warning: {said}" in outcome.err
    assert whole.endswith(job.report.read_bytes())
    assert 0 < job.report.stat().st_size < len(whole)
    assert_same_content(job.output, expected)


def test_no_report_any_more(job: ManyJob, expected: Path) -> None:
    die(job, AFTER_TWO_COMMITS, *REPORT)
    before = job.report.read_bytes()
    assert "warning" not in job.finish().err
    assert job.report.read_bytes() == before
    assert_same_content(job.output, expected)


def test_begun_anew_it_begins_anew(job: ManyJob, whole: bytes) -> None:
    die(job, AFTER_TWO_COMMITS, *REPORT)
    assert "warning" not in job.finish("--restart", *REPORT).err
    assert job.report.read_bytes() == whole


def test_a_report_that_cannot_be_written(job: ManyJob, expected: Path) -> None:
    """At the start nothing is left; of an unfinished run, what was committed stays."""
    paths = ("/dev/full", "in", "missing/report.jsonl")

    def check(path: str) -> None:
        outcome = job.run("--report", path)
        assert outcome.code in {1, 2}
        assert re.fullmatch(r"(.*(resuming|kinds).*\n)*llama-cli: error: [^\n]*\n", outcome.err)
        assert path in outcome.err

    for path in paths[1:]:
        check(path)
        assert job.left() == ["in"]
    die(job, AFTER_TWO_COMMITS)
    rows = job.commits()[-1]["rows"]
    for path in paths:
        check(path)
        assert job.commits()[-1]["rows"] == rows
    job.finish()
    assert_same_content(job.output, expected)


# On a mount of its own, gone with the shell.
FULL = """
mount -t tmpfs -o size=4k tmpfs "$1" || exit 9
shift
"$@"
echo $?
"""


@pytest.mark.skipif(not may_mount(), reason="mounting is not allowed here")
def test_a_disk_that_has_no_room_for_the_report(
    job: ManyJob, whole: bytes, expected: Path, tmp_path: Path
) -> None:
    """The output is on another: what was committed stays, and the run resumes elsewhere."""
    assert len(whole) > 4096
    (tmp_path / "full").mkdir()
    words = [str(COMMAND), *job.words("--report", "../full/report.jsonl")]
    done = subprocess.run(
        [*on_mount(FULL, tmp_path / "full"), *words],
        cwd=job.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stdout == "1\n"
    rows = job.commits()[-1]["rows"]
    assert done.stderr.endswith(
        "\nllama-cli: error: ../full/report.jsonl: cannot write: No space left on device; "
        f"the first {rows:,} rows are kept for the next run\n"
    )
    job.finish()
    assert_same_content(job.output, expected)


def test_a_report_that_goes_into_a_pipe(job: ManyJob, whole: bytes, expected: Path) -> None:
    """Nothing of it can be cut off or kept; the run is what it would be."""
    die(job, AFTER_TWO_COMMITS, *REPORT)
    outcome = job.run("--quiet", "--report", "/dev/stdout")
    assert outcome.code == 0
    assert outcome.out
    assert whole.endswith(outcome.out.encode())
    assert_same_content(job.output, expected)


def test_a_report_over_the_journal(plain: Job) -> None:
    """It empties the journal of an unfinished run; a kill later everything is lost."""
    die(plain, AFTER_TWO_COMMITS)
    before = plain.unfinished()
    assert plain.run("--report", "out.parquet.journal").code == 2
    assert plain.unfinished() == before


@pytest.mark.parametrize("name", ["notes.txt", "model.gguf"])
def test_a_report_over_some_other_file(plain: Job, tiny_bert: Path, name: str) -> None:
    """Also the model, which is empty afterwards. An output needs --overwrite for as much."""
    precious = plain.folder / name
    precious.write_bytes(tiny_bert.read_bytes())
    plain.run("--report", name, "-m", "model.gguf" if name == "model.gguf" else str(tiny_bert))
    assert precious.read_bytes() == tiny_bert.read_bytes()


def test_a_report_resumes_in_another_file(plain: Job) -> None:
    """It is not this run's, and is not touched."""
    plain.source.write_bytes(b"\n".join(b"water %d\n" % n for n in range(900)))
    die(plain, AFTER_TWO_COMMITS, "--report", "../report.jsonl")
    other = plain.folder.parent / "other"
    other.write_bytes(b"something else " * 9999)
    rows = plain.commits()[-1]["rows"]
    outcome = plain.run("--report", "../other")
    assert outcome.code == 2
    assert "../other: exists already, and is no report; replace it with" in outcome.err
    assert other.read_bytes() == b"something else " * 9999
    assert plain.commits()[-1]["rows"] == rows
