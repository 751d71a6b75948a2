"""Texts to token ids: the model's own tokenizer and special tokens, truncated at the limit."""

from __future__ import annotations

import ctypes
import logging
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from llama_cli.engine.library import llama_cpp
from llama_cli.engine.model import Model
from llama_cli.engine.vocabulary import complete_frame, vocabulary_warnings
from llama_cli.engine.wordpiece import build_wordpiece
from llama_cli.errors import UsageError
from llama_cli.records import TokenIds

log = logging.getLogger(__name__)

_MARGIN = 64


@dataclass(frozen=True, slots=True)
class Tokens:
    """One text as the model reads it.

    Attributes:
        ids: int32[n], special tokens included.
        truncated: whether the text had more tokens than allowed.
    """

    ids: TokenIds
    truncated: bool


class ContentTokenizer(Protocol):
    """Gives the ids of a text's own tokens, without special tokens."""

    def content_ids(self, text: bytes, limit: int) -> list[int] | TokenIds:
        """The first tokens of the text; ``limit`` + 1 or more of them when it has that many."""
        ...


class Tokenizer:
    """Frames each text with the model's special tokens and truncates it to the limit."""

    def __init__(self, model: Model, max_length: int, prompt: str = "") -> None:
        """Prepare for texts.

        Args:
            model: the model.
            max_length: most tokens of a text, special tokens and prompt included.
            prompt: put before each text.

        Raises:
            ModelError: the vocabulary lacks a special token that the model needs.
            UsageError: ``max_length`` or the prompt leaves no room for text.
        """
        native = NativeTokenizer(model)
        self._frame = complete_frame(model, native)
        self._room = self._frame.room(max_length)
        self._content: ContentTokenizer = native
        for warning in vocabulary_warnings(model, native):
            log.warning("%s %s", model.facts.name, warning)
        if llama_cpp().llama_vocab_type(model.vocab) == llama_cpp().LLAMA_VOCAB_TYPE_WPM:
            self._content = build_wordpiece(model)
        self._prompt = prompt.encode()
        self._check_prompt()

    def _check_prompt(self) -> None:
        tokens = len(self._content.content_ids(self._prompt, self._room)) if self._prompt else 0
        if tokens >= self._room:
            raise UsageError(
                f"the prompt has {tokens} tokens, and a text may have {self._room}",
                hint="shorten the prompt, or raise `max_length`",
                option="prompt",
            )

    def tokenize(self, text: bytes) -> Tokens:
        """Tokens of one text behind the prompt. The closing special token is never cut off."""
        content = self._content.content_ids(self._prompt + text, self._room)
        ids = np.asarray(content[: self._room], np.int32)
        framed = np.concatenate((self._frame.opening, ids, self._frame.closing))
        return Tokens(framed, len(content) > self._room)


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
        """The text's own tokens; of a very long text only as much is read as the limit needs."""
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
