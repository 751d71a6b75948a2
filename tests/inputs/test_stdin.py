"""Standard input in each format, and a limit on a pipe that stays open."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from tests.compressors import LIBRARIES, usual_compressor
from tests.inputs.writers import CSV, JSON, Write

COMMAND = [sys.executable, "-m", "llama_cli", "embed", "-"]
CONTENT = {
    "text": b"water\n\ntime\n",
    "jsonl": b'{"text": "water", "n": 1}\n\n{"text": "time"}\n',
    "csv": b"n;text\n1;water\n\n2;time\n",
    "tsv": b"n\ttext\n1\twater\n\n2\ttime\n",
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("text", "plain"), ("text", "xz"), ("jsonl", "zstd"), ("csv", "plain"), ("tsv", "gzip")],
)
def test_standard_input(tmp_path: Path, tiny_bert: Path, name: str, kind: str) -> None:
    content = CONTENT[name] if kind == "plain" else LIBRARIES[kind](CONTENT[name])
    output = tmp_path / "out.parquet"
    words = ["--format", name, "-m", str(tiny_bert), "-o", str(output), "-q", "--line-numbers"]
    keep = [] if name == "text" else ["--keep", "n"]
    subprocess.run([*COMMAND, *words, *keep], input=content, check=True)
    table = pq.read_table(output)
    first = 2 if name in {"csv", "tsv"} else 1
    assert table["text"].to_pylist() == ["water", "time"]
    assert table["line"].to_pylist() == [first, first + 2]
    if keep:
        assert table["n"].to_pylist() == ([1, None] if name == "jsonl" else ["1", "2"])


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("csv", CSV["DuckDB ;"]),
        ("csv", CSV["pandas with BOM and CRLF"]),
        ("tsv", CSV["polars tabs"]),
        ("jsonl", JSON["polars"]),
        ("jsonl", JSON["DuckDB"]),
    ],
    ids=["DuckDB csv", "pandas csv", "polars tsv", "polars jsonl", "DuckDB jsonl"],
)
def test_what_other_tools_write_and_compress(
    tmp_path: Path, tiny_bert: Path, name: str, write: Write, kind: str
) -> None:
    texts, numbers = ['water; "and" time', "größe\nof the day"], ["one", "two"]
    source, output = tmp_path / "in", tmp_path / "out.parquet"
    write({"n": numbers, "text": texts}, source)
    words = ["--format", name, "--keep", "n", "-m", str(tiny_bert), "-o", str(output), "-q"]
    subprocess.run(
        [*COMMAND, *words], input=usual_compressor(kind)(source.read_bytes()), check=True
    )
    table = pl.read_parquet(output)
    assert (table["text"].to_list(), table["n"].to_list()) == (texts, numbers)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        *((content, ["--format", name]) for name, content in CONTENT.items()),
        *((CONTENT[name], ["--format", name, "--keep", "n"]) for name in ("csv", "jsonl")),
        *((LIBRARIES[kind](b"water\ntime\n"), []) for kind in ("gzip", "bzip2", "xz")),
    ],
    ids=[*CONTENT, "csv, carried", "jsonl, carried", "gzip", "bzip2", "xz"],
)
def test_a_limit_ends_it_while_the_pipe_stays_open(
    tmp_path: Path, tiny_bert: Path, content: bytes, words: list[str]
) -> None:
    output = tmp_path / "out.parquet"
    command = [*COMMAND, *words, "-m", str(tiny_bert), "-o", str(output), "-q", "--limit", "2"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(content)
        process.stdin.flush()
        try:
            assert process.wait(10) == 0
        finally:
            process.kill()
    assert pq.read_table(output)["text"].to_pylist() == ["water", "time"]


@pytest.mark.parametrize("name", ["parquet", "arrow"])
def test_tables_do_not_come_through_pipes(tmp_path: Path, tiny_bert: Path, name: str) -> None:
    words = ["--format", name, "-m", str(tiny_bert), "-o", str(tmp_path / "out.parquet")]
    done = subprocess.run([*COMMAND, *words], input=b"PAR1", capture_output=True, check=False)
    assert done.returncode == 2
    assert (
        b"cannot be read from a pipe or decompressed on the way; write it to a file" in done.stderr
    )
    assert list(tmp_path.glob("out*")) == []


@pytest.mark.parametrize(
    ("first", "rest", "words", "carried"),
    [
        (b"id,body\n", b"1,water\n", ["--format", "csv"], None),
        (b'{"text": null}\n', b'{"text": "water"}\n', ["--format", "jsonl"], None),
        (b"\n", b'{"text": "water", "n": 1}\n', ["--format", "jsonl", "--keep", "n"], 1),
    ],
    ids=["csv", "jsonl", "carried"],
)
def test_a_slow_pipe_is_read_like_a_quick_one(
    tmp_path: Path, tiny_bert: Path, first: bytes, rest: bytes, words: list[str], carried: object
) -> None:
    """The first line comes alone; what columns there are was judged by it."""
    output = tmp_path / "out.parquet"
    command = [*COMMAND, *words, "-m", str(tiny_bert), "-o", str(output), "-q"]
    with subprocess.Popen(
        [*command, "--on-bad-row", "skip"], stdin=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin is not None
        process.stdin.write(first)
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.stdin.write(rest)
        process.stdin.close()
        assert process.wait(20) == 0
    table = pq.read_table(output)
    assert table["text"].to_pylist() == ["water"]
    if carried is not None:
        assert table["n"].to_pylist() == [carried]
