"""BERT's tokenizer on texts beyond those of the reference."""

from __future__ import annotations

import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama_cli.engine.model import Model
from llama_cli.engine.native_tokenizer import NativeTokenizer
from llama_cli.engine.wordpiece import WordPiece, build_wordpiece, split_at_breaks
from llama_cli.models.builtin.file import DEFAULT_MODEL
from tests.conftest import CPU

REFERENCE = Path(__file__).parents[1] / "reference"
NO_LIMIT = 10**9


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with Model(DEFAULT_MODEL, CPU) as model:
        yield model


@pytest.fixture(scope="module")
def wordpiece(model: Model) -> WordPiece:
    return build_wordpiece(model)


@given(text=st.text(alphabet=string.ascii_letters + string.digits + string.punctuation + " \t"))
def test_agrees_with_llama_cpp_where_that_is_right(
    model: Model, wordpiece: WordPiece, text: str
) -> None:
    native = NativeTokenizer(model).ids(text.encode(), add_special=False)
    assert wordpiece.content_ids(text.encode(), NO_LIMIT) == native.tolist()


@given(text=st.text(), chunk=st.integers(8, 64))
def test_splitting_keeps_every_character(text: str, chunk: int) -> None:
    spaced = " ".join(text)
    assert "".join(split_at_breaks(spaced.encode(), chunk)) == spaced


@pytest.mark.parametrize("name", ["english", "multilingual", "long"])
def test_splitting_changes_no_token(wordpiece: WordPiece, name: str) -> None:
    """Parts far shorter than in use, but longer than any word."""
    for line in (REFERENCE / f"{name}.txt").read_bytes().splitlines()[:200]:
        parts = split_at_breaks(line, 1024)
        split = [i for part in parts for i in wordpiece.content_ids(part.encode(), NO_LIMIT)]
        assert split == wordpiece.content_ids(line, NO_LIMIT)


def test_a_huge_text_equals_its_whole(wordpiece: WordPiece) -> None:
    text = "Crème brûlée, 3.14 and 한국어 · ".encode() * 4000
    assert len(text) > 100_000
    whole = wordpiece._ids(text.decode())
    assert wordpiece.content_ids(text, NO_LIMIT) == whole
    assert wordpiece.content_ids(text, 50) == whole[:51]


def test_a_huge_word_is_one_unknown_token(wordpiece: WordPiece) -> None:
    ids = wordpiece.content_ids(b"before " + b"a" * 1_000_000 + b" after", NO_LIMIT)
    assert ids == wordpiece.content_ids(b"before " + b"a" * 101 + b" after", NO_LIMIT)
    assert len(ids) == 3


@pytest.mark.parametrize(
    "text",
    [
        "a" * 40_000 + "，" + "，".join(["word"] * 150),
        "\u3000".join(["ヒ" * 101] * 300),
        "\u00a0".join(["water"] * 20_000),
        "—".join(["fire"] * 20_000),
        "\x1c".join(["fire"] * 20_000),
        "e\u0301" * 40_000 + " end",
        "\u0301" * 50_000 + "end",
        "x" * 32_767 + "é" * 50 + " y",
    ],
)
def test_breaks_of_every_script_end_a_huge_word(wordpiece: WordPiece, text: str) -> None:
    assert wordpiece.content_ids(text.encode(), NO_LIMIT) == wordpiece._ids(text)


@given(
    text=st.lists(
        st.sampled_from(
            ["a" * 50, "é" * 30, " ", "\u00a0", "，", "—", "中", "ヒ", "\x0b", "\u0301"]
        ),
        max_size=60,
    ).map("".join)
)
def test_splitting_anywhere_changes_no_token(wordpiece: WordPiece, text: str) -> None:
    parts = split_at_breaks(text.encode(), 16)
    assert [i for part in parts for i in wordpiece._ids(part)] == wordpiece._ids(text)


def test_chinese_without_spaces_is_split_between_characters(wordpiece: WordPiece) -> None:
    text = "\u4e2d\u6587" * 50_000
    assert len(wordpiece.content_ids(text.encode(), NO_LIMIT)) == 100_000
