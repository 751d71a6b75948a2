"""A failure between computing rows and writing them must not lose them."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from llama_cli.output.durable.journal import JournalFile
from llama_cli.run.sink import RowMaker
from tests.cli.conftest import Command


def test_rows_that_could_not_be_hashed_are_made_by_the_next_run(
    cli: Command, tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in.txt"
    source.write_text("".join(f"water {number}\n" for number in range(1100)), "utf-8")
    make, calls = RowMaker.make, []

    def fail_once(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == 3:
            raise MemoryError
        return make(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(RowMaker, "make", fail_once)
    words = ("embed", source, "-m", tiny_bert)
    assert cli(*words).code == 1
    outcome = cli(*words)
    assert outcome.code == 0
    assert "skipped" not in outcome.err
    texts = pq.read_table(source.with_suffix(".parquet"))["text"].to_pylist()
    assert texts == source.read_text("utf-8").splitlines()


@pytest.mark.parametrize("length", [3, 4])
def test_the_first_decode_is_not_measured_by_the_users_limit(
    cli: Command, tmp_path: Path, length: int
) -> None:
    source = tmp_path / "in.txt"
    source.write_text("\na\nb\n", "utf-8")
    assert cli("embed", source, "--max-length", length, "--on-long", "error").code == 0


def test_a_redirected_input_is_never_taken_for_finished(
    cli: Command, tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run has no identity that could be compared."""
    source, output = tmp_path / "in.txt", tmp_path / "out.parquet"
    source.write_text("water\n", "utf-8")
    words = ("embed", "-", "-m", tiny_bert, "-o", output, "--overwrite")
    with monkeypatch.context() as patch:
        patch.setattr(JournalFile, "remove", lambda _: None)
        redirect(cli, source, *words)
    assert output.with_name("out.parquet.journal").exists()
    redirect(cli, source, *words, "--no-normalize")
    assert b'"normalized": false' in pq.read_metadata(output).metadata[b"llama_cli"]
    assert not output.with_name("out.parquet.journal").exists()


def redirect(cli: Command, source: Path, *words: object) -> None:
    """Run with the file as standard input."""
    kept = os.dup(0)
    with source.open("rb") as file:
        os.dup2(file.fileno(), 0)
    try:
        assert cli(*words).code == 0
    finally:
        os.dup2(kept, 0)
        os.close(kept)
