"""Writes tiny GGUF models with random weights, so that tests need no downloads.

The vectors mean nothing, but the files are complete: llama.cpp loads them, tokenizes with their
vocabulary and computes finite embeddings. The same arguments give the same bytes.
"""

from __future__ import annotations

from .architectures import CLS, LAST, MEAN, write_bert, write_causal, write_lfm2, write_t5
from .byte_pairs import write_bpe
from .gguf_files import rewrite, split_model
from .requantized import FILE_TYPES, requantize
from .vocabularies import COMMON_WORDS

__all__ = [
    "CLS",
    "COMMON_WORDS",
    "FILE_TYPES",
    "LAST",
    "MEAN",
    "requantize",
    "rewrite",
    "split_model",
    "write_bert",
    "write_bpe",
    "write_causal",
    "write_lfm2",
    "write_t5",
]
