"""The special tokens around a text, where GGUF files leave them out.

Models are trained with them, and those that pool on the last token depend on them entirely. Some
files, early conversions of bge-m3 and Qwen3-Embedding among them, do not say that the tokens belong
there, and llama.cpp then leaves them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from llama_cli.engine.library import llama_cpp
from llama_cli.engine.model import Model
from llama_cli.engine.native_tokenizer import NativeTokenizer
from llama_cli.engine.options import ClosingToken
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

# Those whose embedding models do not close it, where their files do not ask for that.
_OPEN_ENDED = frozenset(["lfm2", "llama-embed", "qwen2vl"])


@dataclass(frozen=True, slots=True)
class Frame:
    """The special tokens before and after each text.

    Attributes:
        opening: int32[n] ids, may be empty.
        closing: int32[n] ids, may be empty.
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


def complete_frame(model: Model, native: NativeTokenizer, closes: ClosingToken = "auto") -> Frame:
    """The special tokens llama.cpp puts around a text, completed where the file leaves them out.

    Args:
        model: the model.
        native: its tokenizer.
        closes: whether a text is closed: ``auto`` for what the file says or else is known.

    Raises:
        ModelError: there is no closing token, and it is not known what it should be.
    """
    frame = _native_frame(native)
    architecture = model.facts.architecture
    opening, closing = frame.opening, frame.closing
    if closes == "no":
        closing = _ids(_NO_TOKEN)
    elif not len(closing) and (closes == "yes" or architecture not in _OPEN_ENDED):
        closing = _known_closing(model, wanted=closes == "yes")
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


def _known_closing(model: Model, *, wanted: bool) -> TokenIds:
    lib: Any = llama_cpp()
    architecture = model.facts.architecture
    token = _NO_TOKEN
    if architecture in _ENCODERS:
        token = lib.llama_vocab_sep(model.vocab)
    text = _DECODERS.get(architecture)
    if text is not None:
        token = _find_token(model, text)
    if token == _NO_TOKEN and (wanted or architecture in _ENCODERS or architecture in _DECODERS):
        token = lib.llama_vocab_eos(model.vocab)
    if token == _NO_TOKEN:
        raise ModelError(
            f"{model.facts.name} does not close texts with a special token, and which one "
            f"belongs there is not known for the architecture {architecture}",
            hint="say with `closing_token=yes` or `closing_token=no` what the model's own "
            "documentation does",
        )
    return _ids(token)


def _find_token(model: Model, text: bytes) -> int:
    """Id of the token with that text, searched from the end, where special tokens stand."""
    lib: Any = llama_cpp()
    ids = range(lib.llama_vocab_n_tokens(model.vocab) - 1, -1, -1)
    return next((i for i in ids if lib.llama_vocab_get_text(model.vocab, i) == text), _NO_TOKEN)


def _ids(token: int) -> TokenIds:
    return np.array([] if token == _NO_TOKEN else [token], np.int32)
