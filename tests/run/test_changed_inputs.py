"""The list of inputs, or one of them, is another when an unfinished run is to be resumed."""

from __future__ import annotations

import gzip
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import xxhash

from tests.run.checks import assert_refused, assert_same_content, footer
from tests.run.deaths import IN_THE_SECOND_INPUT, die
from tests.run.many import ManyJob, last_position, make_job, numbered, resuming_after
from tests.run.mixed import make_rows, write_parquet

_OPTIONS = ("--with-source", "--line-numbers", "--on-bad-row", "skip")
_OTHERS = "an unfinished run is there, with other inputs, "


@pytest.fixture(scope="module")
def _killed(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> ManyJob:
    folder = tmp_path_factory.mktemp("killed")
    files = {
        "a.txt.gz": gzip.compress(numbered("water", 300) + b"\n\n"),
        "b.txt.gz": gzip.compress(numbered("time", 900)),
        "c.txt": numbered("light", 300) + b"\n",
    }
    job = make_job(folder / "work", tiny_bert, *_OPTIONS, files=files)
    write_parquet(job.inputs / "d.parquet", make_rows(300, seed=1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        job.finish()
        job.output.rename(folder / "expected.parquet")
        die(job, IN_THE_SECOND_INPUT)
    shutil.copytree(job.folder, folder / "saved")
    return job


@pytest.fixture
def killed(_killed: ManyJob) -> ManyJob:
    """Killed in the second of four inputs, and always in the same place."""
    shutil.rmtree(_killed.folder)
    shutil.copytree(_killed.folder.parent / "saved", _killed.folder)
    _, number, line = last_position(_killed)
    assert number == 1
    assert line < 900
    return _killed


@pytest.fixture
def expected(_killed: ManyJob) -> Path:
    return _killed.folder.parent / "expected.parquet"


def assert_resumes(job: ManyJob, *more: object) -> str:
    """It does, from the last commit, with the inputs as they were called then."""
    rows, number, line = last_position(job)
    outcome = job.run(*more)
    assert outcome.code == 0, outcome.err
    job.assert_done()
    names = [one["name"] for one in footer(job.output)["inputs"]]
    assert names == ["in/a.txt.gz", "in/b.txt.gz", "in/c.txt", "in/d.parquet"]
    assert resuming_after(outcome) == (rows + 1, names[number], line)
    return outcome.err


def rewrite(path: Path, how: Callable[[bytes], bytes]) -> None:
    path.write_bytes(how(path.read_bytes()))


def packed_otherwise(data: bytes) -> bytes:
    other = gzip.compress(gzip.decompress(data), compresslevel=1, mtime=1)
    assert other != data
    return other


def test_nothing_has_changed(killed: ManyJob, expected: Path) -> None:
    assert_resumes(killed)
    assert_same_content(killed.output, expected)


def test_new_files_in_the_folder_are_left_for_later(killed: ManyJob, expected: Path) -> None:
    (killed.inputs / "0.txt").write_text("in front\n", "utf-8")
    (killed.inputs / "more.csv").write_text("text,other\nwater,time\n", "utf-8")
    said = assert_resumes(killed)
    (line,) = (line for line in said.splitlines() if "more are there" in line)
    assert line == (
        "llama-cli: resuming the inputs that the run began with (4); 2 more are there now"
    )
    assert_same_content(killed.output, expected)


def test_the_same_inputs_named_otherwise(killed: ManyJob, expected: Path) -> None:
    """In another order, by patterns, absolute, and one of them twice."""
    names = ("./in//d.parquet", "in/[bc]*", str(killed.inputs / "a.txt.gz"), "in/c.txt")
    assert_resumes(replace(killed, names=names))
    assert_same_content(killed.output, expected)


def test_from_another_folder(killed: ManyJob, expected: Path) -> None:
    elsewhere = replace(killed, folder=killed.folder.parent, names=("work/in",))
    outcome = elsewhere.run("-o", "work/out.parquet")
    assert outcome.code == 0
    assert resuming_after(outcome)
    assert_same_content(killed.output, expected)


def test_an_input_is_missing(killed: ManyJob, expected: Path) -> None:
    """Read or not: the rows of one that is gone cannot be had."""
    read, unread = killed.inputs / "a.txt.gz", killed.inputs / "d.parquet"
    read.rename(killed.folder / "away")
    assert_refused(killed, naming=f"{_OTHERS}{read} among them")
    (killed.folder / "away").rename(read)
    unread.rename(killed.inputs / "renamed.parquet")
    assert_refused(killed, naming=f"{_OTHERS}{unread} among them")
    (killed.inputs / "renamed.parquet").rename(unread)
    assert_resumes(killed)
    assert_same_content(killed.output, expected)


def test_other_inputs_altogether(killed: ManyJob) -> None:
    (killed.folder / "other.txt").write_text("water\n", "utf-8")
    job = replace(killed, names=("other.txt",))
    assert_refused(job, naming=_OTHERS)
    assert resuming_after(job.finish("--restart")) is None
    assert footer(killed.output)["rows"] == 1


READ_CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "its content": lambda data: gzip.compress(gzip.decompress(data).replace(b"7\n", b"8\n")),
    "grown": lambda data: data + gzip.compress(b"more\n"),
    "packed otherwise": packed_otherwise,
    "packed at another time": lambda data: data[:4] + b"\1" + data[5:],
    "empty": lambda data: b"",
}


def test_an_input_that_was_read_to_its_end_has_changed(killed: ManyJob, expected: Path) -> None:
    path = killed.inputs / "a.txt.gz"
    before = path.read_bytes()
    for how in READ_CHANGES.values():
        path.write_bytes(how(before))
        assert_refused(killed, naming="in/a.txt.gz: is not what the unfinished run has read")
    path.write_bytes(before)
    assert_resumes(killed)
    assert_same_content(killed.output, expected)


def test_the_input_that_was_being_read_has_changed(killed: ManyJob) -> None:
    path = killed.inputs / "b.txt.gz"
    rewrite(path, lambda data: gzip.compress(gzip.decompress(data).replace(b"e 7\n", b"e 8\n")))
    said = r"in/b\.txt\.gz: its first \d+ bytes are not what the unfinished run"
    before = killed.unfinished()
    outcome = killed.run()
    assert outcome.code == 2
    assert re.search(said, outcome.err)
    assert killed.unfinished() == before


def test_the_input_that_was_being_read_was_compressed_otherwise(
    killed: ManyJob, expected: Path
) -> None:
    """Its content counts; the footer tells of the bytes that were read in the end."""
    rewrite(killed.inputs / "b.txt.gz", packed_otherwise)
    assert_resumes(killed)
    assert pq.read_table(killed.output)["text"] == pq.read_table(expected)["text"]
    data = (killed.inputs / "b.txt.gz").read_bytes()
    assert footer(killed.output)["inputs"][1] == {
        "name": "in/b.txt.gz",
        "bytes": len(data),
        "xxh3_128": xxhash.xxh3_128_hexdigest(data),
        "version": "",
    }


def test_inputs_that_were_not_read_yet_have_changed(killed: ManyJob) -> None:
    """They are read as they are now."""
    (killed.inputs / "c.txt").write_text("\nanother\n", "utf-8")
    write_parquet(killed.inputs / "d.parquet", make_rows(1, seed=1), group=7)
    assert_resumes(killed)
    made = pq.read_table(killed.output).filter(pq.read_table(killed.output)["line"].is_valid())
    rows = [(row["source"], row["line"], row["text"]) for row in made.to_pylist()[1200:]]
    assert rows[0] == ("in/c.txt", 2, "another")
    assert {source for source, _, _ in rows[1:]} == {"in/d.parquet"}
