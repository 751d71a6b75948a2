"""Vocabularies that llama.cpp is known to read otherwise than the model was trained.

Files of early converters leave out what says how texts are split. llama.cpp then splits them in
some other way, and vectors look right and are not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from llama_cli.engine.library import llama_cpp
from llama_cli.engine.model import Model
from llama_cli.engine.specials import SpecialAdder

# Encoders whose SentencePiece vocabularies are those of XLM-RoBERTa: unigrams, all of them.
_XLM_ROBERTA = frozenset(["bert", "nomic-bert-moe", "jina-bert-v3"])

# Equal to what SentencePiece makes of both in its usual normalization, NFKC: one ligature.
_LIGATURE, _LETTERS = "\N{LATIN SMALL LIGATURE FI}".encode(), b"fi"


def vocabulary_doubts(model: Model, native: SpecialAdder) -> list[str]:
    """What is wrong with the way in which texts become tokens, each to follow the model's name."""
    found = [_doubt_of_words(model), _doubt_of_pieces(model), _doubt_of_characters(model, native)]
    return [doubt for doubt in found if doubt]


def _doubt_of_words(model: Model) -> str | None:
    if model.meta("tokenizer.ggml.model") == "gpt2" and not model.meta("tokenizer.ggml.pre"):
        return (
            "does not say how its tokenizer divides a text into words; llama.cpp takes a way that "
            "may not be the model's: use a newer GGUF file, one that sets tokenizer.ggml.pre"
        )
    return None


def _doubt_of_pieces(model: Model) -> str | None:
    if model.meta("tokenizer.ggml.model") != "llama":
        return None
    architecture = model.facts.architecture
    if architecture in _XLM_ROBERTA:
        return (
            "calls its vocabulary one of merges, and those of such models are of unigrams; words "
            "are divided otherwise than in training: use a newer GGUF file"
        )
    prefix = model.meta("tokenizer.ggml.add_space_prefix")
    if architecture.startswith("gemma") and prefix != "false":
        return (
            "has llama.cpp put a space before each text, which models of Google's Gemma do not "
            "expect: use a newer GGUF file, one that sets tokenizer.ggml.add_space_prefix to false"
        )
    return None


def _doubt_of_characters(model: Model, native: SpecialAdder) -> str | None:
    lib: Any = llama_cpp()
    if lib.llama_vocab_type(model.vocab) != lib.LLAMA_VOCAB_TYPE_UGM:
        return None
    # The table itself cannot be asked for, but what it does can be seen.
    ligature, letters = (native.ids(text, add_special=False) for text in (_LIGATURE, _LETTERS))
    if np.array_equal(ligature, letters):
        return None
    return (
        "lacks the table that its tokenizer normalizes characters with; accents, full-width and "
        "composed ones may be read wrongly: use a newer GGUF file, one with "
        "tokenizer.ggml.precompiled_charsmap"
    )
