"""Texts to token ids: the model's own tokenizer, its special tokens, and the cut at the limit."""

from __future__ import annotations

import ctypes
import logging
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from llama_cli.engine.library import llama_cpp
from llama_cli.engine.model import Model
from llama_cli.engine.specials import complete_frame
from llama_cli.engine.warnings import vocabulary_doubts
from llama_cli.engine.wordpiece import WordPiece, is_cased
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
    """Frames each text with the model's special tokens and cuts it to the limit."""

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
        for doubt in vocabulary_doubts(model, native):
            log.warning("%s %s", model.facts.name, doubt)
        if llama_cpp().llama_vocab_type(model.vocab) == llama_cpp().LLAMA_VOCAB_TYPE_WPM:
            self._content = build_wordpiece(model)
        self._prompt = prompt.encode()
        self._check_prompt()

    def _check_prompt(self) -> None:
        taken = len(self._content.content_ids(self._prompt, self._room)) if self._prompt else 0
        if taken >= self._room:
            raise UsageError(
                f"the prompt has {taken} tokens, and a text may have {self._room}",
                hint="shorten the prompt, or raise `max_length`",
                option="prompt",
            )

    def tokenize(self, text: bytes) -> Tokens:
        """Tokens of one text behind the prompt. If cut, it keeps its closing special token."""
        content = self._content.content_ids(self._prompt + text, self._room)
        return Tokens(self._frame.around(content[: self._room]), len(content) > self._room)


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


def build_wordpiece(model: Model) -> WordPiece:
    """The tokenizer of a BERT vocabulary; warns where the file leaves its case open."""
    pieces, control = _read_pieces(model)
    lowercase = model.facts.lowercase
    if lowercase is None:
        lowercase = not is_cased(pieces)
        case = "lower-cased" if lowercase else "cased"
        log.warning(
            "%s does not say whether its vocabulary is lower-cased; "
            "judging by its words it is %s, and is used so",
            model.facts.name,
            case,
        )
    strip = model.facts.strip_accents
    return WordPiece(
        pieces,
        control,
        _unknown_id(model),
        lowercase=lowercase,
        strip=lowercase if strip is None else strip,
    )


def _read_pieces(model: Model) -> tuple[list[str], set[int]]:
    lib: Any = llama_cpp()
    count = lib.llama_vocab_n_tokens(model.vocab)
    texts = [lib.llama_vocab_get_text(model.vocab, i) for i in range(count)]
    special = lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_UNKNOWN
    control = {i for i in range(count) if lib.llama_vocab_get_attr(model.vocab, i) & special}
    return [text.decode("utf-8", "replace") for text in texts], control


def _unknown_id(model: Model) -> int:
    # The binding has no call for it; 100 is BERT's own and llama.cpp's default.
    return int(model.meta("tokenizer.ggml.unknown_token_id") or 100)
