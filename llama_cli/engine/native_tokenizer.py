"""llama.cpp's own tokenizer: texts to token ids, without or with special tokens."""

from __future__ import annotations

import ctypes

import numpy as np

from llama_cli.engine.library import llama_cpp
from llama_cli.engine.model import Model
from llama_cli.records import TokenIds

_MARGIN = 64


class NativeTokenizer:
    """llama.cpp's own tokenizer. Special tokens written out in a text are read as plain text."""

    def __init__(self, model: Model) -> None:
        self._vocab = model.vocab
        self._tokenize = llama_cpp().llama_tokenize

    def ids(self, text: bytes, *, add_special: bool) -> TokenIds:
        """All token ids of a text."""
        # A token stands for at least one byte, but for the special ones and a leading space.
        buffer = np.empty(len(text) + 16, np.int32)
        count = self._fill(text, buffer, add_special)
        if count < 0:  # a normalizer made the text longer; llama.cpp says by how much
            buffer = np.empty(-count, np.int32)
            count = self._fill(text, buffer, add_special)
        return buffer[:count]

    def _fill(self, text: bytes, buffer: TokenIds, add_special: bool) -> int:
        pointer = buffer.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        count: int = self._tokenize(
            self._vocab, text, len(text), pointer, len(buffer), add_special, False
        )
        return count

    def content_ids(self, text: bytes, limit: int) -> TokenIds:
        """The text's own tokens: ``limit`` + 1 or more of them where it has that many.

        Of a very long text only as much is read as the limit needs.
        """
        # Tokens near the end of a head may differ from those of the whole text, so a head
        # counts as long enough only well beyond the limit.
        size = max(1 << 12, 8 * limit)
        while size < len(text):
            ids = self.ids(_head(text, size), add_special=False)
            if len(ids) > limit + limit // 4 + _MARGIN:
                return ids
            size *= 2
        return self.ids(text, add_special=False)


def _head(text: bytes, size: int) -> bytes:
    """The first ``size`` bytes, less a character cut in two."""
    return text[:size].decode(errors="ignore").encode()
