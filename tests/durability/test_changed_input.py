"""The input of an unfinished run is another one when the run is to go on."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import xxhash

from tests.durability.checks import assert_refused, assert_same_content, footer
from tests.durability.deaths import BEFORE_THE_FOOTER, die
from tests.durability.runs import Job, going_on

Change = Callable[[bytes, int], bytes]


def position_of(job: Job) -> int:
    """Up to where the input was read for the rows that are safe."""
    position: int = job.commits()[-1]["state"]["input"]["position"]
    return position


def change(job: Job, how: Change) -> None:
    job.source.write_bytes(how(job.source.read_bytes(), position_of(job)))


def made_anew(job: Job) -> Path:
    """The output for the input as it is now, of a run that nothing disturbs."""
    again = Job(job.folder.parent / "again", job.model, job.options)
    again.folder.mkdir()
    shutil.copy(job.source, again.source)
    again.finish()
    return again.output


@pytest.mark.parametrize(
    "how",
    [
        lambda data, position: data.replace(b"water and time 7\n", b"water and tide 7\n"),
        lambda data, position: data[: position - 1] + b" " + data[position:],
        lambda data, position: data[: position - 1],
    ],
    ids=["a byte", "its last byte", "cut short"],
)
def test_the_part_already_read_has_changed(unfinished: Job, how: Change) -> None:
    position = position_of(unfinished)
    change(unfinished, how)
    assert_refused(unfinished, naming=f"in.txt: its first {position} bytes are not what the")


def test_the_input_is_what_it_was_again(unfinished: Job, expected: Path) -> None:
    data = unfinished.source.read_bytes()
    unfinished.source.write_bytes(data[:100])
    assert_refused(unfinished, naming="its first")
    unfinished.source.write_bytes(data)
    assert going_on(unfinished.finish())
    assert_same_content(unfinished.output, expected)


def test_a_changed_input_with_restart(unfinished: Job) -> None:
    change(unfinished, lambda data, position: data[100:])
    assert going_on(unfinished.finish("--restart")) is None
    assert_same_content(unfinished.output, made_anew(unfinished))


@pytest.mark.parametrize(
    "how",
    [
        lambda data, position: data[:position] + b"\n\nall else has changed\r\n" + data[:99],
        lambda data, position: data + b"\nit has grown",
        lambda data, position: data[:position],
    ],
    ids=["changed", "grown", "cut off"],
)
def test_the_part_not_yet_read_has_changed(unfinished: Job, how: Change) -> None:
    change(unfinished, how)
    rows = unfinished.commits()[-1]["rows"]
    assert going_on(unfinished.finish()) == (rows + 1, rows + 1)  # the first line is blank
    data = unfinished.source.read_bytes()
    lines = data.decode().replace("\r\n", "\n").split("\n")
    assert pq.read_table(unfinished.output)["text"].to_pylist() == list(filter(None, lines))
    made = footer(unfinished.output)
    assert made["input"] == {
        "name": "in.txt",
        "bytes": len(data),
        "xxh3_128": xxhash.xxh3_128_hexdigest(data),
    }
    assert made["skipped"] == lines.count("") - (not lines[-1])


def test_the_input_was_downloaded_again(unfinished: Job, expected: Path) -> None:
    """Another file, another time, another place and name: the same bytes are enough."""
    (unfinished.folder / "elsewhere").mkdir()
    moved = unfinished.folder / "elsewhere" / "copy.txt"
    shutil.copyfile(unfinished.source, moved)
    os.utime(moved, (0, 0))
    unfinished.source.unlink()
    outcome = Job(unfinished.folder, unfinished.model, name="elsewhere/copy.txt").run()
    assert outcome.code == 0
    assert re.search(r"llama-cli: going on at row \d+, after line \d+ of copy.txt\n", outcome.err)
    moved.rename(unfinished.source)
    left, right = (pq.read_table(p) for p in (unfinished.output, expected))
    assert left["text"] == right["text"]
    assert footer(unfinished.output)["input"]["name"] == "copy.txt"


@pytest.fixture(scope="module")
def _all_read(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Job:
    job = Job(tmp_path_factory.mktemp("all read"), tiny_bert, ("--line-numbers",))
    job.source.write_bytes(b"first\n\nthird\n \nthe last one")
    die(job, BEFORE_THE_FOOTER)
    return job


@pytest.fixture
def all_read(_all_read: Job, folder: Path) -> Job:
    """Killed when every line was safe, of which the last one has no end."""
    shutil.copytree(_all_read.folder, folder, dirs_exist_ok=True)
    return Job(folder, _all_read.model, _all_read.options)


def append(job: Job, data: bytes) -> None:
    with job.source.open("ab") as file:
        file.write(data)


@pytest.mark.parametrize("more", [b"s", b"\rnot an end\n"])
def test_the_last_line_has_grown(all_read: Job, more: bytes) -> None:
    append(all_read, more)
    assert_refused(all_read, naming="in.txt: line 5 is longer than when")


@pytest.mark.parametrize(
    ("more", "lines", "skipped"),
    [
        (b"", [1, 3, 5], 2),
        (b"\n", [1, 3, 5], 2),
        (b"\r\n", [1, 3, 5], 2),
        (b"\n\n\nanother\n", [1, 3, 5, 8], 4),
        (b"\r\nanother", [1, 3, 5, 6], 2),
    ],
)
def test_the_last_line_got_its_end(
    all_read: Job, more: bytes, lines: list[int], skipped: int
) -> None:
    append(all_read, more)
    assert going_on(all_read.finish()) == (4, 5)
    table = pq.read_table(all_read.output)
    texts = ["first", "third", "the last one", "another"]
    assert table["text"].to_pylist() == texts[: len(lines)]
    assert table["line"].to_pylist() == lines
    made = footer(all_read.output)
    assert made["skipped"] == skipped
    assert made["input"]["bytes"] == all_read.source.stat().st_size
