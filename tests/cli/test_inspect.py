"""`llama-cli inspect`, and how text from outside is printed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llama_cli.cli.terminal import printable
from tests.cli.conftest import Command


@pytest.fixture
def embedded(cli: Command, notes: Path, tiny_bert: Path) -> Path:
    assert cli("embed", notes, "-m", tiny_bert, "-q").code == 0
    return notes.with_suffix(".parquet")


def test_it_shows_origin_counts_and_first_rows(cli: Command, embedded: Path) -> None:
    outcome = cli("inspect", embedded, "-n", 2)
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[0].startswith("3 rows in 1 row group, ")
    assert lines[1].endswith("from notes.txt")
    assert lines[2].startswith("with tiny bert (bert, F32, sha256 ")
    assert lines[2].endswith("mean pooling, normalized")
    assert lines[3].startswith("1 blank line skipped, 0 texts truncated to 64 tokens")
    assert "hello world" in outcome.out
    assert "water and time" in outcome.out
    assert "the light" not in outcome.out
    assert "32 × float" in outcome.out
    assert max(map(len, lines)) <= 88


def test_an_empty_file_and_a_foreign_one(cli: Command, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    assert cli("embed", tmp_path / "empty.txt", "-q").code == 0
    assert cli("inspect", tmp_path / "empty.parquet").out.startswith("0 rows in 0 row groups")
    pq.write_table(pa.table({"name": ["x\x1b[31mred"], "n": [None]}), tmp_path / "foreign.parquet")
    outcome = cli("inspect", tmp_path / "foreign.parquet")
    assert "not made by llama-cli embed" in outcome.out
    assert "x\ufffd[31mred" in outcome.out
    assert "null" in outcome.out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"text\n" * 100, "is not a readable Parquet file"),
        (b"", "readable"),
    ],
)
def test_what_is_no_parquet_file_is_2(
    cli: Command, tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "x.parquet"
    if content is not None:
        path.write_bytes(content)
    outcome = cli("inspect", path)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert cli("inspect", tmp_path).code == 2


def test_a_flipped_bit_is_noticed(cli: Command, embedded: Path) -> None:
    content = bytearray(embedded.read_bytes())
    place = pq.read_metadata(embedded).row_group(0).column(1).data_page_offset + 60
    content[place] ^= 1
    embedded.write_bytes(content)
    outcome = cli("inspect", embedded)
    assert outcome.code == 2
    assert "is not a readable Parquet file" in outcome.err


def test_head_may_close_the_pipe(embedded: Path) -> None:
    line = f'"{sys.executable}" -m llama_cli inspect "$0" -n 1000000 | head -n 1'
    done = subprocess.run(
        ["bash", "-c", line, embedded], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("3 rows")
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 한국어", "plain é 한국어"),
        ("न\u200dमस्ते 👩\u200d👧", "न\u200dमस्ते 👩\u200d👧"),
        ("a\tb", "a b"),
        ("\x1b[2J\x07\x9b", "\ufffd[2J\ufffd\ufffd"),
        ("\u202eevil\u2066\u2028\udc80", "\ufffdevil\ufffd\ufffd\ufffd"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown
