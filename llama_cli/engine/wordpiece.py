"""The WordPiece tokenizer of BERT vocabularies, built from the model file's own vocabulary.

llama.cpp's own WordPiece differs from the original in ways that give plausible but wrong
vectors: it does not decompose Hangul, drops the spacing vowel signs of Indic scripts, splits at
control characters that BERT removes, and has no limit of 100 characters for a word. The
``tokenizers`` library is the original.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

# The library's own thread pool would compete with the decoding threads for the same cores.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# From BERT's reference tokenizer: a longer word is unknown as a whole.
MAX_WORD_CHARS = 100

_PHANTOM_SPACE = "\u2581"
_CHUNK = 1 << 15

# Where a text can be cut without changing its tokens: after white space (not \s, which takes in
# control characters that BERT removes), after ASCII punctuation, and after the commonest
# ideographs, each of which stands alone in BERT.
_BREAK = re.compile(r"[ \t\r\n!-/:-@\[-`{-~\u3400-\u4dbf\u4e00-\u9fff]")


class WordPiece:
    """Token ids of texts under a BERT vocabulary."""

    def __init__(
        self, pieces: list[str], control: set[int], unknown: int, *, lowercase: bool, strip: bool
    ) -> None:
        """Build the tokenizer.

        Args:
            pieces: the vocabulary as a GGUF file holds it, in order of the ids: a piece that
                starts a word begins with U+2581, a piece that continues one has no mark.
            control: ids of the special tokens, which carry no mark either.
            unknown: id of the unknown token.
            lowercase: whether the vocabulary is lower-cased.
            strip: whether accents are dropped.
        """
        from tokenizers import Tokenizer
        from tokenizers.models import WordPiece as Pieces
        from tokenizers.normalizers import BertNormalizer
        from tokenizers.pre_tokenizers import BertPreTokenizer

        vocab = {_unmark(piece, i in control): i for i, piece in enumerate(pieces)}
        tokenizer = Tokenizer(
            Pieces(vocab, unk_token=pieces[unknown], max_input_chars_per_word=MAX_WORD_CHARS)
        )
        tokenizer.normalizer = BertNormalizer(
            clean_text=True, handle_chinese_chars=True, strip_accents=strip, lowercase=lowercase
        )
        tokenizer.pre_tokenizer = BertPreTokenizer()
        self._encode: Any = tokenizer.encode

    def content_ids(self, text: bytes, limit: int) -> list[int]:
        """Ids of the text's own tokens, without special tokens; at most ``limit`` + 1 of them."""
        if len(text) <= _CHUNK:
            return self._ids(text.decode())[: limit + 1]
        ids: list[int] = []
        for part in split_at_breaks(text):
            ids += self._ids(part)
            if len(ids) > limit:
                break
        return ids[: limit + 1]

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._encode(text, add_special_tokens=False).ids
        return ids


def _unmark(piece: str, is_control: bool) -> str:
    """A piece in BERT's own notation: ``##`` before a continuation, nothing before a word."""
    if is_control:
        return piece
    if piece.startswith(_PHANTOM_SPACE):
        return piece.removeprefix(_PHANTOM_SPACE)
    return "##" + piece


def is_cased(pieces: list[str]) -> bool:
    """Whether a vocabulary holds words with capitals, so must not be fed lower-cased text.

    Single capitals do not count: alphabets are often complete in either kind.
    """
    words = (piece[1:] for piece in pieces if piece.startswith(_PHANTOM_SPACE))
    return any(len(word) > 1 and word.isalpha() and word != word.lower() for word in words)


def split_at_breaks(text: bytes, chunk: int = _CHUNK) -> Iterator[str]:
    """Cut a long text where cutting changes no token, in parts of about ``chunk`` bytes.

    A run of ``chunk`` bytes without any break is one over-long word: its head alone makes it
    the unknown token, so the rest of the run is passed over.
    """
    start = 0
    while start < len(text):
        part = text[start : start + chunk].decode(errors="ignore")
        start += len(part.encode())
        if start >= len(text):
            yield part
            return
        end = _last_break(part)
        if end:
            start -= len(part[end:].encode())
            yield part[:end]
        else:
            start = _next_break(text, start)
            yield part


def _last_break(part: str) -> int:
    """Index just after the last break in the part; 0 where there is none."""
    return next((i for i in range(len(part), 0, -1) if _BREAK.match(part[i - 1])), 0)


def _next_break(text: bytes, start: int) -> int:
    """Position of the first break at or after ``start``, or the text's end."""
    while start < len(text):
        part = text[start : start + _CHUNK].decode(errors="ignore")
        if found := _BREAK.search(part):
            return start + len(part[: found.start()].encode())
        start += len(part.encode())
    return start
