"""Vocabularies like Gemma's, with words that look like special tokens, against SentencePiece."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

from llama_cli.engine.model import Model
from llama_cli.engine.tokenizer import Tokenizer
from tests.conftest import CPU, embed_all, open_embedder
from tests.tiny_models import COMMON_WORDS, MEAN, write_causal
from tests.tiny_models.gguf_files import rewrite
from tests.tiny_models.vocabularies import BYTE, CONTROL, NORMAL, UNKNOWN, USER_DEFINED

# Words that Gemma's vocabulary has whole: runs of white space, and tags of HTML.
RUNS = [mark * count for mark in ("\u2581", "\n", "\t") for count in range(2, 9)]
TAGS = ["<b>", "</b>", "<s>", "</s>", "<table>", "</table>", "<strong>", "</strong>"]
WHOLE = ["\n", "\t", *RUNS, *TAGS]
SIZE = 364  # rows of the embeddings that `write_causal` makes for no words


@pytest.fixture(scope="module")
def original() -> SentencePieceProcessor:
    lines = [" ".join(COMMON_WORDS[i:] + COMMON_WORDS[:i]) for i in range(len(COMMON_WORDS))]
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type="bpe",
        vocab_size=SIZE,
        byte_fallback=True,
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        user_defined_symbols=WHOLE,
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        pad_piece="<pad>",
        eos_piece="<eos>",
        bos_piece="<bos>",
        minloglevel=2,
    )
    return SentencePieceProcessor(model_proto=model.getvalue())


@pytest.fixture(scope="module")
def converted(original: SentencePieceProcessor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same vocabulary in a model, as llama.cpp's converter writes it."""
    folder = tmp_path_factory.mktemp("gemma")
    ids = range(original.get_piece_size())
    pieces = [original.id_to_piece(i) for i in ids]
    types = [_type(original, i) for i in ids]
    words = [
        piece.replace("\u2581", " ") if kind == USER_DEFINED else piece
        for piece, kind in zip(pieces, types, strict=True)
    ]
    source = write_causal(
        folder / "source.gguf",
        arch="gemma-embedding",
        layers=6,  # all of fewer would see a window only, which llama.cpp does not bear
        pooling=MEAN,
        words=(),
    )
    return rewrite(
        source,
        folder / "gemma.gguf",
        changes={
            "tokenizer.ggml.tokens": words,
            "tokenizer.ggml.scores": [original.get_score(i) for i in ids],
            "tokenizer.ggml.token_type": types,
            "tokenizer.ggml.bos_token_id": original.bos_id(),
            "tokenizer.ggml.eos_token_id": original.eos_id(),
            "tokenizer.ggml.unknown_token_id": original.unk_id(),
            "tokenizer.ggml.add_space_prefix": False,
        },
    )


def _type(original: SentencePieceProcessor, number: int) -> int:
    if original.is_unknown(number):
        return UNKNOWN
    if original.is_control(number):
        return CONTROL
    if original.is_byte(number):
        return BYTE
    return USER_DEFINED if original.id_to_piece(number) in WHOLE else NORMAL


TEXTS = st.lists(
    st.sampled_from(
        [*WHOLE, *COMMON_WORDS, " ", "  ", "\u2581", "</", "s>", "<eos>", "<bos>", "<pad>"]
    )
    | st.characters(exclude_categories=("Cs",), exclude_characters="\0"),
    max_size=12,
).map("".join)


def test_tokens_are_those_of_the_original(
    original: SentencePieceProcessor, converted: Path
) -> None:
    with Model(converted, CPU, vocabulary_only=True) as model:
        ours = Tokenizer(model, max_length=512)

        @settings(max_examples=2000, deadline=None)
        @given(text=TEXTS)
        @example(text="a</s>b")
        @example(text="<s></s><eos>")
        @example(text="a \u2581\u2581 b")
        def check(text: str) -> None:
            ids = ours.tokenize(text.encode()).ids.tolist()
            assert ids == [original.bos_id(), *original.encode(text), original.eos_id()]

        check()


def test_spaces_written_as_marks_get_the_vector_of_spaces(converted: Path) -> None:
    with open_embedder(converted) as embedder:
        marked, spaced = embed_all(embedder, ["a\u2581\u2581b", "a  b"]).vectors
        assert np.array_equal(marked, spaced)
