"""What vocabularies of GGUF files leave out.

Models are trained with special tokens around the text, and those that pool on the last token
depend on them entirely. Some GGUF files, early conversions of bge-m3 and Qwen3-Embedding among
them, do not say that the tokens belong there, and llama.cpp then leaves them out. Others leave out
what says how texts are divided: llama.cpp then does that in some other way than in training, and
vectors look right and are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from llama_cli.engine.library import llama_cpp
from llama_cli.engine.model import Model
from llama_cli.engine.native_tokenizer import NativeTokenizer
from llama_cli.errors import ModelError, UsageError
from llama_cli.records import TokenIds

_NO_TOKEN = -1

# Encoders trained as `[CLS] text [SEP]` or `<s> text </s>`: BERT and its kin.
_ENCODERS = frozenset(
    [
        "bert",
        "nomic-bert",
        "nomic-bert-moe",
        "jina-bert-v2",
        "jina-bert-v3",
        "modern-bert",
        "neo-bert",
        "eurobert",
        "gemma-embedding",
    ]
)

# Decoders whose embedding models close the text, and the text of the closing token where it is
# not the vocabulary's end-of-sequence token: Qwen's embedding models close with the token that
# separates documents, while their chat models' files name the end of a turn.
_DECODERS = {
    "llama": None,
    "mistral3": None,
    "qwen2": b"<|endoftext|>",
    "qwen3": b"<|endoftext|>",
    "gemma": None,
    "gemma2": None,
    "gemma3": None,
}


# Encoders whose SentencePiece vocabularies are those of XLM-RoBERTa: unigrams, all of them.
_XLM_ROBERTA = frozenset(["bert", "nomic-bert-moe", "jina-bert-v3"])

# Equal to what SentencePiece makes of both in its usual normalization, NFKC: one ligature.
_LIGATURE, _LETTERS = "\N{LATIN SMALL LIGATURE FI}".encode(), b"fi"


@dataclass(frozen=True, slots=True)
class Frame:
    """The special tokens before and after each text.

    Attributes:
        opening: int32[n] ids, may be empty.
        closing: int32[n] ids, at least one.
    """

    opening: TokenIds
    closing: TokenIds

    def room(self, max_length: int) -> int:
        """Tokens left for the text itself.

        Raises:
            UsageError: none are left.
        """
        room = max_length - len(self.opening) - len(self.closing)
        if room < 1:
            least = max_length - room + 1
            raise UsageError(
                f"`max_length={max_length}`: this model needs at least {least}",
                option="max_length",
            )
        return room


def complete_frame(model: Model, native: NativeTokenizer) -> Frame:
    """The special tokens llama.cpp puts around a text, completed where the file leaves them out.

    Raises:
        ModelError: there is no closing token, and it is not known what it should be.
    """
    frame = _native_frame(native)
    architecture = model.facts.architecture
    opening, closing = frame.opening, frame.closing
    if not len(closing):
        closing = _known_closing(model)
    if not len(opening) and architecture in _ENCODERS:
        opening = _ids(llama_cpp().llama_vocab_bos(model.vocab))
    return Frame(opening, closing)


def _native_frame(native: NativeTokenizer) -> Frame:
    """What llama.cpp adds, found by comparing a probe with and without special tokens."""
    plain = native.ids(b"a", add_special=False)
    framed = native.ids(b"a", add_special=True)
    extra = len(framed) - len(plain)
    for start in range(extra + 1):
        if np.array_equal(framed[start : start + len(plain)], plain):
            return Frame(framed[:start].copy(), framed[start + len(plain) :].copy())
    raise ModelError("the model's special tokens change the tokens of the text itself")


def _known_closing(model: Model) -> TokenIds:
    lib: Any = llama_cpp()
    architecture = model.facts.architecture
    token = _NO_TOKEN
    if architecture in _ENCODERS:
        token = lib.llama_vocab_sep(model.vocab)
    wanted = _DECODERS.get(architecture)
    if wanted is not None:
        token = _find_token(model, wanted)
    if token == _NO_TOKEN and (architecture in _ENCODERS or architecture in _DECODERS):
        token = lib.llama_vocab_eos(model.vocab)
    if token == _NO_TOKEN:
        raise ModelError(
            f"{model.facts.name} does not close texts with a special token, and which one "
            f"belongs there is not known for the architecture {architecture}",
            hint="use a GGUF file that sets tokenizer.ggml.add_eos_token",
        )
    return _ids(token)


def _find_token(model: Model, text: bytes) -> int:
    """Id of the token with that text, searched from the end, where special tokens stand."""
    lib: Any = llama_cpp()
    ids = range(lib.llama_vocab_n_tokens(model.vocab) - 1, -1, -1)
    return next((i for i in ids if lib.llama_vocab_get_text(model.vocab, i) == text), _NO_TOKEN)


def _ids(token: int) -> TokenIds:
    return np.array([] if token == _NO_TOKEN else [token], np.int32)


def vocabulary_warnings(model: Model, native: NativeTokenizer) -> list[str]:
    """What is wrong with the way in which texts become tokens, each to follow the model's name."""
    found = [
        _warning_of_words(model),
        _warning_of_pieces(model),
        _warning_of_characters(model, native),
    ]
    return [warning for warning in found if warning]


def _warning_of_words(model: Model) -> str | None:
    if model.meta("tokenizer.ggml.model") == "gpt2" and not model.meta("tokenizer.ggml.pre"):
        return (
            "does not say how its tokenizer divides a text into words; llama.cpp takes a way that "
            "may not be the model's: use a newer GGUF file, one that sets tokenizer.ggml.pre"
        )
    return None


def _warning_of_pieces(model: Model) -> str | None:
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


def _warning_of_characters(model: Model, native: NativeTokenizer) -> str | None:
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
