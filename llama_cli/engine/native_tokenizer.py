"""llama.cpp's own tokenizer: texts to token ids, without or with special tokens."""

from __future__ import annotations

import ctypes
import re

import numpy as np

from llama_cli.engine.gguf_file import token_types
from llama_cli.engine.library import llama_cpp
from llama_cli.engine.model import Model
from llama_cli.records import TokenIds

_MARGIN = 64
# SentencePiece writes a space as this, and reads this as a space.
_SPACE_MARK = "\N{LOWER ONE EIGHTH BLOCK}".encode()
# Type of the words that a vocabulary has whole, whatever its merges are (`llama_token_type`).
_USER_DEFINED = 4


class NativeTokenizer:
    """llama.cpp's own tokenizer. Special tokens written out in a text are read as plain text.

    Words that a vocabulary has whole are set right in two cases, of which Gemma's vocabularies
    have both:

    - A word that looks like a special token (``</s>``, a tag of HTML there) llama.cpp takes for
      one, and would not find it in a text.
    - Runs of spaces are such words in the GGUF file; in a text they may be written with the mark
      that SentencePiece has for a space.
    """

    def __init__(self, model: Model) -> None:
        lib = llama_cpp()
        self._vocab = model.vocab
        self._tokenize = lib.llama_tokenize
        whole = np.flatnonzero(token_types(model.path) == _USER_DEFINED).tolist()
        texts = {number: lib.llama_vocab_get_text(model.vocab, number) for number in whole}
        self._marks_are_spaces = (
            lib.llama_vocab_type(model.vocab) == lib.LLAMA_VOCAB_TYPE_SPM
            and b"  " in texts.values()
        )
        self._mistaken = {
            text: np.array([number], np.int32)
            for number, text in texts.items()
            if lib.llama_vocab_get_attr(model.vocab, number) & lib.LLAMA_TOKEN_ATTR_CONTROL
        }
        words = sorted(map(re.escape, self._mistaken), key=len, reverse=True)
        self._find_mistaken = re.compile(b"|".join(words)).finditer

    def ids(self, text: bytes, *, add_special: bool) -> TokenIds:
        """All token ids of a text."""
        if self._marks_are_spaces:
            text = text.replace(_SPACE_MARK, b" ")
        if add_special or not self._mistaken:
            return self._ids(text, add_special)
        parts, start = [], 0
        for found in self._find_mistaken(text):
            parts += [self._ids(text[start : found.start()], False), self._mistaken[found[0]]]
            start = found.end()
        last = self._ids(text[start:], False)
        return np.concatenate([*parts, last]) if parts else last

    def _ids(self, text: bytes, add_special: bool) -> TokenIds:
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
