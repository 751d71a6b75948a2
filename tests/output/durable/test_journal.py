"""The journal: what comes out of it is what went in, up to the first thing that is wrong."""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from llama_cli.output.durable.journal import (
    VERSION,
    Commit,
    Entry,
    Journal,
    JournalFile,
    RunHeader,
    RunProcess,
    looks_like_journal,
)
from tests.output.durable.runs import STARTED, damaged_at, make_header
from tests.torture import TORTURE

COMMITS = [
    Commit(rows, rows * 100, STARTED + timedelta(minutes=rows), {"position": rows * 7})
    for rows in (10, 25, 26, 1000)
]
ENTRIES = [
    make_header(),
    RunProcess(4711, "host"),
    *COMMITS[:2],
    RunProcess(4712, "host"),
    *COMMITS[2:],
]


def encode(entries: list[Entry]) -> list[bytes]:
    journal = Journal()
    return [journal.encode(entry) for entry in entries]


LINES = encode(ENTRIES)
WHOLE = b"".join(LINES)


def commits_in(lines: int) -> list[Commit]:
    """The commits among the first lines."""
    return [entry for entry in ENTRIES[:lines] if isinstance(entry, Commit)]


def test_what_is_written_is_read() -> None:
    journal = Journal()
    assert b"".join(map(journal.encode, ENTRIES)) == WHOLE
    assert journal.header == ENTRIES[0]
    assert journal.process == RunProcess(4712, "host")
    assert journal.commits == COMMITS
    assert journal.size == len(WHOLE)
    assert LINES[-1].startswith(journal.checksum.encode() + b" {")
    assert not journal.damaged
    assert Journal.decode(WHOLE) == journal


def test_an_entry_is_a_line_of_ascii() -> None:
    for line in LINES:
        assert line.isascii()
        assert line.count(b"\n") == 1
        assert json.loads(line.split(b" ", 1)[1])


def test_a_run_that_is_not_resumable() -> None:
    header = RunHeader("00" * 16, STARTED)
    assert Journal.decode(b"".join(encode([header]))).header == header


def test_a_time_keeps_its_zone() -> None:
    at = datetime(2026, 3, 29, 1, 59, 59, 999999, timezone(timedelta(hours=5, minutes=45)))
    (*_, line) = encode([make_header(), Commit(1, 2, at, {})])
    assert "+05:45" in line.decode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=4), st.text(), st.integers(0, 2**63))
def test_any_checkpoint_and_any_name_come_back(
    checkpoint: dict[str, Any], name: str, rows: int
) -> None:
    header = replace(make_header(), spec={"input": name, "folder": "\udce4\udcff"})
    commit = Commit(rows, rows, STARTED, checkpoint)
    journal = Journal.decode(b"".join(encode([header, RunProcess(1, name), commit])))
    assert (journal.header, journal.process) == (header, RunProcess(1, name))
    assert journal.commits == [commit]


def test_a_torn_last_line_is_dropped_quietly() -> None:
    ends = [0, *itertools.accumulate(map(len, LINES))]
    for size in range(len(WHOLE)):
        lines = sum(end <= size for end in ends) - 1
        journal = Journal.decode(WHOLE[:size])
        assert journal.commits == commits_in(lines)
        assert (journal.header is None) == (lines == 0)
        assert journal.size == ends[lines]
        assert not journal.damaged


@pytest.mark.parametrize("zeros", [1, 100, 4096])
def test_zeros_at_the_end_are_dropped_quietly(zeros: int) -> None:
    for cut in (0, 1, 30, len(LINES[-1]) - 1):
        data = WHOLE[: len(WHOLE) - cut] + bytes(zeros)
        journal = Journal.decode(data)
        assert journal.commits == (COMMITS[:-1] if cut else COMMITS)
        assert not journal.damaged
        assert looks_like_journal(data)


def test_zeros_alone_are_an_empty_journal() -> None:
    for data in (b"", bytes(1), bytes(4096)):
        assert looks_like_journal(data)
        assert Journal.decode(data) == Journal()


def test_a_later_version_is_refused() -> None:
    text = json.dumps({"journal": VERSION + 1, "run": "ab" * 16, "something": "else"})
    line = f"{xxhash.xxh3_64_hexdigest(text.encode())} {text}\n".encode()
    assert looks_like_journal(line)
    with pytest.raises(ValueError, match=f"version {VERSION + 1}"):
        Journal.decode(line)


@pytest.mark.parametrize("line", range(len(LINES)))
def test_a_doubled_line_ends_it(line: int) -> None:
    journal = Journal.decode(b"".join(LINES[: line + 1] + LINES[line:]))
    assert journal.commits == commits_in(line + 1)
    assert journal.damaged


@pytest.mark.parametrize("line", range(len(LINES) - 1))
def test_swapped_lines_end_it(line: int) -> None:
    swapped = [*LINES[:line], LINES[line + 1], LINES[line], *LINES[line + 2 :]]
    journal = Journal.decode(b"".join(swapped))
    assert journal.commits == commits_in(line)
    assert journal.damaged


@pytest.mark.parametrize("line", range(len(LINES) - 1))
def test_a_missing_line_ends_it(line: int) -> None:
    journal = Journal.decode(b"".join(LINES[:line] + LINES[line + 1 :]))
    assert journal.commits == commits_in(line)
    assert journal.damaged


def test_a_line_of_another_journal_ends_it() -> None:
    others = encode([make_header(model="other"), *ENTRIES[1:]])
    for line in range(1, len(LINES)):
        journal = Journal.decode(b"".join([*LINES[:line], *others[line:]]))
        assert journal.commits == commits_in(line)


def test_a_second_header_ends_it() -> None:
    journal = Journal.decode(b"".join(encode([*ENTRIES[:3], make_header(), COMMITS[1]])))
    assert journal.commits == COMMITS[:1]
    assert journal.damaged


def test_what_begins_without_a_header_is_nothing() -> None:
    journal = Journal.decode(b"".join(encode(COMMITS)))
    assert (journal.header, journal.commits) == (None, [])


def test_whatever_byte_is_damaged_only_what_comes_before_is_believed() -> None:
    ends = list(itertools.accumulate(map(len, LINES)))
    for position in range(len(WHOLE)):
        for data in damaged_at(WHOLE, position, in_every_way=TORTURE):
            lines = sum(data.startswith(WHOLE[:end]) for end in ends)
            journal = Journal.decode(data)
            assert journal.commits == commits_in(lines)
            assert journal.header == (ENTRIES[0] if lines else None)
            assert journal.size == ([0, *ends])[lines]


@pytest.mark.parametrize("byte", [b"\n", b"\0", b"0", b"x"])
def test_a_byte_too_many_at_the_end_harms_no_commit(byte: bytes) -> None:
    assert Journal.decode(WHOLE + byte).commits == COMMITS


@pytest.mark.parametrize(
    "data", [b"{}\n", b"PAR1", b"\n", b"a user's notes\n", b"d8fadecaea73dea8 file.txt\n"]
)
def test_other_files_do_not_look_like_a_journal(data: bytes) -> None:
    assert not looks_like_journal(data)


def test_whatever_is_left_of_a_first_line_looks_like_a_journal() -> None:
    for size in range(len(WHOLE)):
        assert looks_like_journal(WHOLE[:size])


def open_journal(tmp_path: Path) -> JournalFile:
    file = JournalFile(tmp_path / "journal", tmp_path / "out")
    file.entries = Journal.decode(file.read())
    return file


def test_resuming_cuts_off_what_is_torn(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(WHOLE[:-20] + bytes(100))
    file = open_journal(tmp_path)
    file.resume()
    file.add(COMMITS[-1])
    journal = Journal.decode(file.read())
    assert journal == file.entries
    assert (journal.commits, journal.damaged) == (COMMITS, False)
    assert journal.process == RunProcess(os.getpid(), os.uname().nodename)


@pytest.mark.parametrize("name", ["fsync", "ftruncate"])
def test_an_entry_that_cannot_be_written_is_not_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "journal").write_bytes(WHOLE)
    file = open_journal(tmp_path)
    before = Journal.decode(WHOLE)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        if name == "ftruncate":
            patched.setattr(os, "ftruncate", refuse)
        with pytest.raises(OSError, match="No space left"):
            file.add(Commit(2000, 200_000, STARTED, {}))
    assert file.entries == before
    assert name == "ftruncate" or file.read() == WHOLE
