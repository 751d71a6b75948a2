"""Several inputs of one run, with the column that says which a row is from."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
import xxhash

from llama_cli.output.provenance import read_provenance
from tests.cli.conftest import Command


@pytest.fixture(autouse=True)
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file of each format, and some to be left alone; tests are above it."""
    corpus = tmp_path / "work" / "corpus"
    (corpus / "more" / ".git").mkdir(parents=True)
    monkeypatch.chdir(corpus.parent)
    (corpus / "b.txt").write_text("water\n\ntime\n", "utf-8")
    (corpus / "a.jsonl").write_text('{"text": "light"}\n{"text": "day"}\n', "utf-8")
    (corpus / "c.csv.gz").write_bytes(gzip.compress(b'n,text\n1,"one\nrow"\n2,two\n'))
    pl.DataFrame({"text": ["world", None]}).write_parquet(corpus / "more" / "d.parquet")
    pl.DataFrame({"text": ["house"]}).write_ipc(corpus / "more" / "e.arrow")
    (corpus / "more" / ".hidden.txt").write_text("hidden\n", "utf-8")
    (corpus / "more" / ".git" / "x.txt").write_text("hidden\n", "utf-8")
    Path("single.md").write_text("# title\n", "utf-8")
    return corpus


EXPECTED = [
    ("corpus/a.jsonl", 1, "light"),
    ("corpus/a.jsonl", 2, "day"),
    ("corpus/b.txt", 1, "water"),
    ("corpus/b.txt", 3, "time"),
    ("corpus/c.csv.gz", 2, "one\nrow"),
    ("corpus/c.csv.gz", 4, "two"),
    ("corpus/more/d.parquet", 1, "world"),
    ("corpus/more/e.arrow", 1, "house"),
]
OPTIONS = ("--with-source", "--line-numbers", "--on-bad-row", "skip", "--overwrite")


def rows_of(path: Path | str) -> list[tuple[str, int, str]]:
    table = pq.read_table(path)
    columns = (table[name].to_pylist() for name in ("source", "line", "text"))
    return list(zip(*columns, strict=True))


def test_folder_pattern_and_file_together(cli: Command, tiny_bert: Path) -> None:
    words = ("corpus", "single.md", "corpus/?.txt", "-o", "out.parquet", "-m", tiny_bert)
    assert cli("embed", *words, *OPTIONS).code == 0
    single, again = ("single.md", 1, "# title"), EXPECTED[2:4]
    assert rows_of("out.parquet") == [*EXPECTED, single, *again]
    made = read_provenance("out.parquet")
    assert made is not None
    assert (made.rows, made.skipped, made.bad_rows, made.duplicates) == (11, 2, 1, 2)
    names = ["corpus/a.jsonl", "corpus/b.txt", "corpus/c.csv.gz"]
    names += ["corpus/more/d.parquet", "corpus/more/e.arrow", "single.md", "corpus/b.txt"]
    assert [one.name for one in made.inputs] == names
    for one in made.inputs:
        content = Path(one.name).read_bytes()
        assert (one.bytes, one.xxh3_128) == (len(content), xxhash.xxh3_128(content).hexdigest())
    digests = "".join(one.xxh3_128 for one in made.inputs)
    assert made.input.name == "7 inputs"
    assert made.input.bytes == sum(one.bytes for one in made.inputs)
    assert made.input.xxh3_128 == xxhash.xxh3_128(digests.encode()).hexdigest()


def test_the_source_is_a_column_behind_our_own(cli: Command, tiny_bert: Path) -> None:
    cli("embed", "corpus", "-o", "out.parquet", "-m", tiny_bert, *OPTIONS)
    field = pq.read_schema("out.parquet").field("source")
    assert (str(field.type), field.nullable) == ("string", False)
    assert pq.read_schema("out.parquet").names[-2:] == ["line", "source"]


def test_a_single_input_goes_by_its_name_alone(cli: Command, tiny_bert: Path) -> None:
    cli("embed", "corpus/b.txt", "-o", "out.parquet", "-m", tiny_bert, *OPTIONS)
    assert {source for source, *_ in rows_of("out.parquet")} == {"b.txt"}


def test_an_output_inside_the_folder_is_not_read(cli: Command, tiny_bert: Path) -> None:
    words = ("-o", "corpus/out.parquet", "-m", tiny_bert, "--report", "corpus/z.jsonl", *OPTIONS)
    for _ in range(3):
        assert cli("embed", "corpus", *words).code == 0
        assert rows_of("corpus/out.parquet") == EXPECTED
        assert Path("corpus/z.jsonl").stat().st_size > 0


@pytest.mark.parametrize("words", [("corpus",), ("corpus/*.txt",), ("single.md", "corpus/b.txt")])
def test_several_have_no_name_in_common(cli: Command, tiny_bert: Path, words: list[str]) -> None:
    outcome = cli("embed", *words, "-m", tiny_bert)
    assert outcome.code == 2
    assert "name the output with --output FILE" in outcome.err


def test_an_input_is_never_the_output(cli: Command, tiny_bert: Path) -> None:
    before = Path("corpus/b.txt").read_bytes()
    words = ("corpus/a.jsonl", "corpus/b.txt", "-m", tiny_bert, "--overwrite")
    outcome = cli("embed", *words, "-o", "corpus/b.txt")
    assert (outcome.code, "the output is the input itself" in outcome.err) == (2, True)
    outcome = cli("embed", *words, "-o", "out.parquet", "--report", "corpus/b.txt")
    assert (outcome.code, "is another file of this run" in outcome.err) == (2, True)
    assert Path("corpus/b.txt").read_bytes() == before


def test_names_that_are_not_utf8(cli: Command, tiny_bert: Path) -> None:
    Path("corpus", os.fsdecode(b"caf\xe9.txt")).write_text("coffee\n", "utf-8")
    cli("embed", "corpus", "-o", "out.parquet", "-m", tiny_bert, *OPTIONS)
    sources = pq.read_table("out.parquet")["source"].to_pylist()
    assert sources[6] == "corpus/caf\ufffd.txt"
    assert [one for one in rows_of("out.parquet") if one[2] != "coffee"] == EXPECTED


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv", "a.JSONL.ZST", "a.b.txt.xz"])
def test_the_output_is_called_like_the_input(cli: Command, tiny_bert: Path, name: str) -> None:
    Path(name).write_bytes(gzip.compress(b"text\n" if "csv" in name else b'{"text": "one"}\n'))
    assert cli("embed", name, "-m", tiny_bert).code == 0
    base = name.removesuffix(".gz").removesuffix(".ZST").removesuffix(".xz")
    assert Path(base).with_suffix(".parquet").is_file()


def test_standard_input_among_files_is_read_in_its_place(tiny_bert: Path) -> None:
    words = ("corpus/b.txt", "-", "single.md", "-o", "out.parquet", "-m", str(tiny_bert), *OPTIONS)
    command = [sys.executable, "-m", "llama_cli", "embed", *words]
    subprocess.run(command, input=b"piped\n\nin\n", check=True, capture_output=True)
    piped = [("pipe", 1, "piped"), ("pipe", 3, "in")]
    assert rows_of("out.parquet") == [*EXPECTED[2:4], *piped, ("single.md", 1, "# title")]
    made = json.loads(pq.read_metadata("out.parquet").metadata[b"llama_cli"])
    assert [one["name"] for one in made["inputs"]] == ["corpus/b.txt", "pipe", "single.md"]
