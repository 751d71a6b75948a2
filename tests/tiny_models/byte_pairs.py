"""A tiny model with a vocabulary of byte pairs, as Qwen's and ModernBERT have."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from gguf import GGUFReader

from .architectures import LAST, write_causal
from .gguf_files import rewrite
from .vocabularies import CONTROL, NORMAL

_SPECIAL = ["<unk>", "<s>", "<|endoftext|>"]
_DIGITS = "12345"


def write_bpe(path: Path, *, pre: str | None) -> Path:
    """Write a decoder with a vocabulary of byte pairs; returns ``path``.

    Args:
        path: the file to write.
        pre: how texts are divided into words, as llama.cpp calls it; None leaves the key out.
    """
    source = write_causal(path.with_suffix(".source"), arch="qwen3", pooling=LAST)
    count = len(GGUFReader(source).fields["tokenizer.ggml.tokens"].data)
    grown = [_DIGITS[:length] for length in range(1, len(_DIGITS) + 1)]
    tokens = [*_SPECIAL, *_byte_letters(), *grown[1:]]
    tokens += [f"<unused{number}>" for number in range(count - len(tokens))]
    changes = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [CONTROL] * len(_SPECIAL) + [NORMAL] * (count - len(_SPECIAL)),
        "tokenizer.ggml.merges": [f"{left} {longer[-1]}" for left, longer in pairwise(grown)],
    }
    drop = {"tokenizer.ggml.scores"}
    if pre is None:
        drop.add("tokenizer.ggml.pre")
    else:
        changes["tokenizer.ggml.pre"] = pre
    return rewrite(source, path, changes=changes, drop=drop)


def _byte_letters() -> list[str]:
    """The letter that stands for each byte: itself where it can be seen, else one beyond."""
    seen = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    letters, beyond = [], 0x100
    for byte in range(0x100):
        letters.append(chr(byte if byte in seen else beyond))
        beyond += byte not in seen
    return letters
