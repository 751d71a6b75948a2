"""Texts to token ids: the model's own tokenizer and special tokens, truncated at the limit."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np

from llama_cli.engine.library import llama_cpp
from llama_cli.engine.model import Model
from llama_cli.engine.native_tokenizer import NativeTokenizer
from llama_cli.engine.options import ClosingToken
from llama_cli.engine.vocabulary import complete_frame
from llama_cli.engine.wordpiece import WordPiece, build_wordpiece
from llama_cli.errors import UsageError
from llama_cli.records import TokenIds

# Ways of dividing a text into words whose tokenizers compose its characters first, which llama.cpp
# leaves to the caller: the `NFC` of Qwen's and of GPT-NeoX's in transformers' tokenizers, of which
# OLMo's and ModernBERT's are made.
_COMPOSED_FIRST = frozenset(["qwen2", "qwen35", "olmo", "modern-bert"])


@dataclass(frozen=True, slots=True)
class Tokens:
    """One text as the model reads it.

    Attributes:
        ids: int32[n], special tokens included.
        truncated: whether the text had more tokens than allowed.
    """

    ids: TokenIds
    truncated: bool


class Tokenizer:
    """Frames each text with the model's special tokens and truncates it to the limit."""

    def __init__(
        self,
        model: Model,
        max_length: int,
        prompt: str = "",
        closes: ClosingToken = "auto",
    ) -> None:
        """Prepare for texts.

        Args:
            model: the model.
            max_length: most tokens of a text, special tokens and prompt included.
            prompt: put before each text.
            closes: whether a special token closes each text.

        Raises:
            ModelError: the vocabulary lacks a special token that the model needs.
            UsageError: ``max_length`` or the prompt leaves no room for text.
        """
        native = NativeTokenizer(model)
        self._frame = complete_frame(model, native, closes)
        self._room = self._frame.room(max_length)
        self._content: NativeTokenizer | WordPiece = native
        if llama_cpp().llama_vocab_type(model.vocab) == llama_cpp().LLAMA_VOCAB_TYPE_WPM:
            self._content = build_wordpiece(model)
        self._composes = model.meta("tokenizer.ggml.pre") in _COMPOSED_FIRST
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
        """Tokens of one text behind the prompt. The closing special token always stays."""
        whole = self._prompt + text
        if self._composes and not whole.isascii():
            whole = unicodedata.normalize("NFC", whole.decode()).encode()
        content = self._content.content_ids(whole, self._room)
        ids = np.asarray(content[: self._room], np.int32)
        framed = np.concatenate((self._frame.opening, ids, self._frame.closing))
        return Tokens(framed, len(content) > self._room)
