"""The content of an input is another when an unfinished run is to be resumed."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import xxhash

from tests.run.checks import assert_refused, assert_same_content, footer
from tests.run.deaths import BEFORE_THE_FOOTER, die
from tests.run.runs import Job, resuming, side_by_side

Change = Callable[[bytes, int], bytes]


def position_of(job: Job) -> int:
    """Up to where the input was read for the rows that are committed."""
    position: int = job.commits()[-1]["checkpoint"]["position"]["offset"]
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


PART_READ: dict[str, Change] = {
    "a byte": lambda data, position: data.replace(b"time 7\n", b"tide 7\n"),
    "its last byte": lambda data, position: data[: position - 1] + b" " + data[position:],
    "cut short": lambda data, position: data[: position - 1],
    "shifted": lambda data, position: b"one line more\n" + data,
}
PART_NOT_READ: dict[str, Change] = {
    "changed": lambda data, at: data[:at] + b"\n\nall else has changed\r\n" + data[:99],
    "grown": lambda data, at: data + b"\nit has grown",
    "cut off": lambda data, at: data[:at],
}


def test_the_part_already_read_has_changed(unfinished: Job) -> None:
    said = f"in.txt: its first {position_of(unfinished)} bytes are not what the unfinished run"

    def check(case: str) -> None:
        job = unfinished.copy(case)
        change(job, PART_READ[case])
        assert_refused(job, naming=said)

    side_by_side(check, PART_READ)


def test_the_input_is_what_it_was_again(unfinished: Job, expected: Path) -> None:
    data = unfinished.source.read_bytes()
    unfinished.source.write_bytes(data[:100])
    assert_refused(unfinished, naming="its first")
    unfinished.source.write_bytes(data)
    assert resuming(unfinished.finish())
    assert_same_content(unfinished.output, expected)


def test_a_changed_input_with_restart(unfinished: Job) -> None:
    change(unfinished, lambda data, position: data[100:])
    assert resuming(unfinished.finish("--restart")) is None
    assert_same_content(unfinished.output, made_anew(unfinished))


def test_the_part_not_yet_read_has_changed(unfinished: Job) -> None:
    rows = unfinished.commits()[-1]["rows"]

    def check(case: str) -> None:
        job = unfinished.copy(case)
        change(job, PART_NOT_READ[case])
        assert resuming(job.finish()) == (rows + 1, rows + 1)  # the first line is blank
        data = job.source.read_bytes()
        lines = data.decode().replace("\r\n", "\n").split("\n")
        assert pq.read_table(job.output)["text"].to_pylist() == list(filter(None, lines))
        made = footer(job.output)
        assert made["input"]["bytes"] == len(data)
        assert made["input"]["xxh3_128"] == xxhash.xxh3_128_hexdigest(data)
        assert made["skipped"] == lines.count("") - (not lines[-1])

    side_by_side(check, PART_NOT_READ)


def test_the_input_was_downloaded_again(unfinished: Job, expected: Path) -> None:
    """Another file, another time, another place and name: the same bytes are enough."""
    (unfinished.folder / "elsewhere").mkdir()
    moved = unfinished.folder / "elsewhere" / "copy.txt"
    shutil.copyfile(unfinished.source, moved)
    os.utime(moved, (0, 0))
    unfinished.source.unlink()
    outcome = Job(unfinished.folder, unfinished.model, name="elsewhere/copy.txt").run()
    assert outcome.code == 0
    assert re.search(r"llama-cli: resuming at row \d+, after line \d+ of copy.txt\n", outcome.err)
    moved.rename(unfinished.source)
    left, right = (pq.read_table(p) for p in (unfinished.output, expected))
    assert left["text"] == right["text"]
    assert footer(unfinished.output)["input"]["name"] == "copy.txt"


@pytest.fixture
def all_read(folder: Path, tiny_bert: Path) -> Job:
    """Killed when every line was committed, of which the last one has no end."""
    job = Job(folder, tiny_bert, ("--line-numbers",))
    job.source.write_bytes(b"first\n\nthird\n \nthe last one")
    die(job, BEFORE_THE_FOOTER)
    return job


def with_more(job: Job, name: str, data: bytes) -> Job:
    grown = job.copy(name)
    with grown.source.open("ab") as file:
        file.write(data)
    return grown


def test_the_last_line_has_grown(all_read: Job) -> None:
    def check(more: bytes) -> None:
        job = with_more(all_read, more.hex(), more)
        assert_refused(job, naming="in.txt: line 5 is longer than when")

    side_by_side(check, [b"s", b"\rnot an end\n"])


def test_the_last_line_got_its_end(all_read: Job) -> None:
    def check(more: bytes, lines: list[int], skipped: int) -> None:
        job = with_more(all_read, more.hex() or "nothing", more)
        assert resuming(job.finish()) == (4, 5)
        table = pq.read_table(job.output)
        texts = ["first", "third", "the last one", "another"]
        assert table["text"].to_pylist() == texts[: len(lines)]
        assert table["line"].to_pylist() == lines
        made = footer(job.output)
        assert made["skipped"] == skipped
        assert made["input"]["bytes"] == job.source.stat().st_size

    side_by_side(
        check,
        [b"", b"\n", b"\n\n\nanother\n", b"\r\nanother"],
        [[1, 3, 5], [1, 3, 5], [1, 3, 5, 8], [1, 3, 5, 6]],
        [2, 2, 4, 2],
    )
