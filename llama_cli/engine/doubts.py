"""What is wrong with a model file, or with what is asked of it.

llama.cpp takes many files whose vectors look right and are not those of the model. What can be told
from the file and from what is known of the model is a refusal or a warning, before any work.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from llama_cli.engine.facts import ATTENDING_TO_BOTH_SIDES, PoolingChoice, reranker_error
from llama_cli.engine.gguf_file import has_tensor
from llama_cli.engine.known_models import find_known, plain_name
from llama_cli.engine.library import llama_cpp
from llama_cli.engine.model import Model
from llama_cli.engine.native_tokenizer import NativeTokenizer
from llama_cli.errors import ModelError

# Encoders whose SentencePiece vocabularies are those of XLM-RoBERTa: unigrams, all of them.
_XLM_ROBERTA = frozenset(["bert", "nomic-bert-moe", "jina-bert-v3"])

# Equal to what SentencePiece makes of both in its usual normalization, NFKC: one ligature.
_LIGATURE, _LETTERS = "\N{LATIN SMALL LIGATURE FI}".encode(), b"fi"

# Decoders that were finetuned to attend to both sides, by their cards on the Hugging Face Hub:
# Alibaba-NLP/gte-Qwen2-*, its offspring NovaSearch/stella_en_1.5B_v5 and infly/inf-retriever-v1,
# GritLM/GritLM-*, McGill-NLP/LLM2Vec-*, nvidia/NV-Embed-* and nvidia/llama-embed-nemotron-8b.
_TRAINED_TO_SEE_BOTH_SIDES = re.compile(
    r"(?:[\w.]+-)??(?:gte-qwen2-.*|stella-en-1\.5b-v5|inf-retriever-v1(?:-1\.5b)?|gritlm-.*|llm2vec-.*"
    r"|nv-embed-v\d|llama-embed-nemotron-8b)"
)

# Turns the pooled vector of a reranker into its score.
_SCORES = "cls.output.weight"
# Two layers that turn the pooled vector of EmbeddingGemma into the one that is wanted.
_DENSE = ("dense_2.weight", "dense_3.weight")


def refuse_unfit(model: Model) -> None:
    """Refuse what does not say that it is a reranker, and what lacks a part that its model has.

    Raises:
        ModelError: it is such a file.
    """
    if model.facts.pooling is None and has_tensor(model.path, _SCORES):
        raise reranker_error(model.facts)
    known = find_known(model.facts.name, model.path.stem)
    if known is not None and known.has_dense_layers and _lacks_dense_layers(model):
        raise ModelError(
            f"{model.facts.name} lacks the dense layers that end the model, so its vectors would "
            "be others than the model's",
            hint="use a file that the converter made with --sentence-transformers-dense-modules",
        )


def find_doubts(model: Model, pooling: PoolingChoice = "auto") -> list[str]:
    """Why vectors may not be those that the model is known for, each to follow the model's name.

    Args:
        model: the model; its weights need not be there.
        pooling: what the user chose.
    """
    native = NativeTokenizer(model)
    found = [
        _doubt_of_words(model),
        _doubt_of_pieces(model),
        _doubt_of_characters(model, native),
        _doubt_of_positions(model),
        _doubt_of_attention(model),
        _doubt_of_layers(model),
        _doubt_of_pooling(model, pooling),
    ]
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


def _doubt_of_characters(model: Model, native: NativeTokenizer) -> str | None:
    if not _has_unigrams(model):
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


def _doubt_of_positions(model: Model) -> str | None:
    """XLM-RoBERTa's first two positions are padding: what is left is 512 or 8192."""
    facts = model.facts
    if facts.architecture != "bert" or not _has_unigrams(model):
        return None
    if (facts.context - 1) & 7 and (facts.context + 1) & 7:
        return None
    return (
        f"has {facts.context} positions, which are one too few or too many: they were shifted when "
        "the file was made, and every vector is wrong: use another GGUF file"
    )


def _doubt_of_attention(model: Model) -> str | None:
    facts = model.facts
    names = map(plain_name, (facts.name, model.path.stem))
    if model.meta(f"{facts.architecture}.attention.causal") == "false":
        return None
    if facts.architecture in ATTENDING_TO_BOTH_SIDES or not any(
        map(_TRAINED_TO_SEE_BOTH_SIDES.fullmatch, names)
    ):
        return None
    return (
        "was trained with tokens that see those after them, and this file does not say so "
        f"({facts.architecture}.attention.causal), so its vectors are others than the model's: "
        "use a GGUF file made since March 2026"
    )


def _doubt_of_layers(model: Model) -> str | None:
    if model.facts.architecture != "gemma-embedding" or not _lacks_dense_layers(model):
        return None
    return (
        "lacks the dense layers that EmbeddingGemma ends with; unless it was trained without them, "
        "its vectors are others than the model's: use a file that the converter made with "
        "--sentence-transformers-dense-modules"
    )


def _doubt_of_pooling(model: Model, choice: PoolingChoice) -> str | None:
    said = model.facts.pooling
    if choice in ("auto", said):
        return None
    if said in ("mean", "cls", "last"):
        return f"says {said} itself; vectors pooled otherwise (`pooling={choice}`) fit less well"
    if model.meta("tokenizer.chat_template"):
        return (
            f"is made for chat and not for embedding; with `pooling={choice}` texts get vectors, "
            "but few models of that kind put alike texts close to each other"
        )
    return None


def _has_unigrams(model: Model) -> bool:
    lib: Any = llama_cpp()
    return bool(lib.llama_vocab_type(model.vocab) == lib.LLAMA_VOCAB_TYPE_UGM)


def _lacks_dense_layers(model: Model) -> bool:
    return not all(has_tensor(model.path, name) for name in _DENSE)
