"""Small vocabularies of the kinds that embedding models have."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from typing import Any

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
"""Types of tokens in GGUF."""

WORD_START = "\u2581"
COMMON_WORDS = (
    *("hello", "world", "the", "a", "of", "and", "to", "in", "is", "that", "it", "for", "on"),
    *("with", "as", "was", "at", "by", "an", "be", "this", "are", "from", "or", "one", "two"),
    *("red", "green", "blue", "cat", "dog", "tree", "house", "water", "light", "time", "day"),
)
COMMON_ENDINGS = ("s", "ed", "ing", "er", "ly", "ness")
OTHER_LETTERS = "éüñаеоδあ世界"

# The ids are those of Google's BERT, which llama.cpp assumes where a file names none.
BERT_PAD, BERT_UNK, BERT_CLS, BERT_SEP, BERT_MASK = 0, 100, 101, 102, 103
BERT_SPECIAL = {
    BERT_PAD: "[PAD]",
    BERT_UNK: "[UNK]",
    BERT_CLS: "[CLS]",
    BERT_SEP: "[SEP]",
    BERT_MASK: "[MASK]",
}
SPM_UNK, SPM_BOS, SPM_EOS = 0, 1, 2


def bert_metadata(
    words: Sequence[str], *, lowercase: bool | None, add_special: bool
) -> dict[str, Any]:
    """A WordPiece vocabulary; values that are None are to be left out."""
    tokens = _bert_tokens(words)
    types = [CONTROL if number in BERT_SPECIAL else NORMAL for number in range(len(tokens))]
    return {
        "tokenizer.ggml.token_type_count": 2,
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.bos_token_id": BERT_CLS,
        "tokenizer.ggml.eos_token_id": BERT_SEP if add_special else None,
        "tokenizer.ggml.unknown_token_id": BERT_UNK,
        "tokenizer.ggml.seperator_token_id": BERT_SEP,  # spelled so in the format
        "tokenizer.ggml.padding_token_id": BERT_PAD,
        "tokenizer.ggml.mask_token_id": BERT_MASK,
        "tokenizer.ggml.add_bos_token": True if add_special else None,
        "tokenizer.ggml.add_eos_token": True if add_special else None,
        "tokenizer.ggml.add_sep_token": False if add_special else None,
        "tokenizer.ggml.normalizer.lowercase": lowercase,
    }


def spm_metadata(model: str, words: Sequence[str]) -> dict[str, Any]:
    """A SentencePiece vocabulary: ``model`` is ``llama`` (merging) or ``t5`` (unigrams)."""
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    types = [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256
    pieces = dict.fromkeys(_spm_pieces(words))
    # Longer pieces score higher, so that merging prefers them.
    scores = [0.0] * len(tokens) + [float(len(piece) - 100) for piece in pieces]
    return {
        "tokenizer.ggml.model": model,
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": [*tokens, *pieces],
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.token_type": types + [NORMAL] * len(pieces),
        "tokenizer.ggml.bos_token_id": SPM_BOS,
        "tokenizer.ggml.eos_token_id": SPM_EOS,
        "tokenizer.ggml.unknown_token_id": SPM_UNK,
        "tokenizer.ggml.add_space_prefix": True,
    }


def _bert_tokens(words: Sequence[str]) -> list[str]:
    """Tokens as GGUF writes them: a mark starts a word, and no mark continues one."""
    first = [
        BERT_SPECIAL.get(number, f"{WORD_START}[unused{number}]")
        for number in range(max(BERT_SPECIAL) + 1)
    ]
    characters = string.ascii_letters + string.digits + OTHER_LETTERS
    starts = [WORD_START + piece for piece in (*string.punctuation, *characters, *words)]
    return list(dict.fromkeys([*first, *starts, *characters, *COMMON_ENDINGS]))


def _spm_pieces(words: Sequence[str]) -> Iterator[str]:
    """Each word with all its beginnings: merging can only reach a word through its parts."""
    yield from WORD_START + string.ascii_letters + string.digits + string.punctuation
    yield from OTHER_LETTERS
    for word in words:
        marked = WORD_START + word
        yield from (marked[:length] for length in range(2, len(marked) + 1))
