"""A mistyped name is answered with the one that was meant, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Command


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("embed --modle x in.txt", "No such option: --modle; did you mean --model?"),
        ("embed --outpt=x in.txt", "No such option: --outpt; did you mean --output?"),
        ("embed --max 3 in.txt", "No such option: --max; did you mean --max-length?"),
        ("embed --no-normalise in.txt", "did you mean --no-normalize?"),
        ("embed --batch_size 3 in.txt", "did you mean --batch-size?"),
        ("embed --Model x in.txt", "did you mean --model?"),
        ("embed --hlep", "did you mean --help?"),
        ("inspect --row 3 x", "did you mean --rows?"),
        ("embde in.txt", "No such command 'embde'; did you mean embed?"),
        ("stat out.parquet", "No such command 'stat'; did you mean status?"),
        (
            "embed in.txt --pooling men",
            "'men' is not one of 'auto', 'mean', 'cls', 'last'; did you mean mean?",
        ),
        ("embed in.txt --pooling CLS", "did you mean cls?"),
        ("embed in.txt --progress jsn", "did you mean json?"),
    ],
)
def test_the_nearest_name(cli: Command, words: str, answer: str) -> None:
    outcome = cli(*words.split())
    assert outcome.code == 2
    (line,) = outcome.err.splitlines()
    assert line.startswith("llama-cli: error: ")
    assert line.endswith(answer)


@pytest.mark.parametrize(
    ("words", "where"),
    [
        ("embed --bogus in.txt", "llama-cli embed"),
        ("embed -Z in.txt", "llama-cli embed"),
        ("embed -m", "llama-cli embed"),
        ("embed --overwrite=3 in.txt", "llama-cli embed"),
        ("embed in.txt --pooling max", "llama-cli embed"),
        ("frobnicate", "llama-cli"),
        ("status", "llama-cli status"),
    ],
)
def test_where_to_look_if_none_is_near(cli: Command, words: str, where: str) -> None:
    (line,) = cli(*words.split()).err.splitlines()
    assert line.endswith(f"; see {where} --help")


def test_a_file_without_a_command(cli: Command, notes: Path) -> None:
    (line,) = cli(notes).err.splitlines()
    assert line.endswith(f"did you mean llama-cli embed {notes}?")
