"""The WordPiece tokenizer of BERT vocabularies, built from the model file's own vocabulary.

llama.cpp's own WordPiece differs from the original in ways that give plausible but wrong
vectors: it does not decompose Hangul, drops the spacing vowel signs of Indic scripts, splits at
control characters that BERT removes, and has no limit of 100 characters for a word. The
``tokenizers`` library is the original.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from llama_cli.engine.library import llama_cpp
from llama_cli.engine.model import Model
from llama_cli.errors import ModelError

log = logging.getLogger(__name__)

# The library's own thread pool would compete with the decoding threads for the same cores.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# From BERT's reference tokenizer: a longer word is unknown as a whole.
MAX_WORD_CHARS = 100

_PHANTOM_SPACE = "\u2581"
_CHUNK = 1 << 15


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

        Raises:
            ModelError: the vocabulary has no unknown token.
        """
        from tokenizers import Tokenizer
        from tokenizers.models import WordPiece as Pieces
        from tokenizers.normalizers import BertNormalizer
        from tokenizers.pre_tokenizers import BertPreTokenizer

        if not 0 <= unknown < len(pieces):
            raise ModelError(f"the vocabulary has no token {unknown}, named as the unknown one")
        vocab = {_unmark(piece, i in control): i for i, piece in enumerate(pieces)}
        # By its id: a damaged file may mark it as a piece of a word.
        name = next(piece for piece, i in vocab.items() if i == unknown)
        tokenizer = Tokenizer(
            Pieces(vocab, unk_token=name, max_input_chars_per_word=MAX_WORD_CHARS)
        )
        tokenizer.normalizer = BertNormalizer(
            clean_text=True, handle_chinese_chars=True, strip_accents=strip, lowercase=lowercase
        )
        tokenizer.pre_tokenizer = BertPreTokenizer()
        self._unknown = unknown
        self._encode: Any = tokenizer.encode

    def content_ids(self, text: bytes, limit: int) -> list[int]:
        """Ids of the text's own tokens, without special tokens; at most ``limit`` + 1 of them."""
        if len(text) <= _CHUNK:
            return self._ids(text.decode())[: limit + 1]
        ids: list[int] = []
        for part in split_at_breaks(text):
            ids += self._word_ids(part) if len(part) > _CHUNK else self._ids(part)
            if len(ids) > limit:
                break
        return ids[: limit + 1]

    def _word_ids(self, word: str) -> list[int]:
        """Ids of a word of many KB: a part of it is enough to know that it is unknown."""
        head = self._ids(word[:_CHUNK])
        return head if head == [self._unknown] else self._ids(word)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._encode(text, add_special_tokens=False).ids
        return ids


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
    # The binding has no call for it; 100 is BERT's own and llama.cpp's default.
    unknown = int(model.meta("tokenizer.ggml.unknown_token_id") or 100)
    return WordPiece(
        pieces,
        control,
        unknown,
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
    """Split a long text where that changes no token, in parts of about ``chunk`` bytes.

    A word that is longer than that comes whole, in a part of its own.
    """
    start = 0
    while start < len(text):
        part = _decode_head(text, start, chunk)
        end = len(part)
        if start + len(part.encode()) < len(text):
            end = _after_last_break(part)
        if end == 0:  # in the middle of a huge word
            part = text[start : _next_break(text, start)].decode()
            end = len(part)
        yield part[:end]
        start += len(part[:end].encode())


def _decode_head(text: bytes, start: int, size: int) -> str:
    """Up to ``size`` bytes of valid UTF-8 from ``start``, less a character cut in two."""
    return text[start : start + size].decode(errors="ignore")


def _after_last_break(part: str) -> int:
    """Index just after the last break in the part; 0 where there is none."""
    breaks = _breaks()
    return next((i for i in range(len(part), 0, -1) if breaks.match(part[i - 1])), 0)


def _next_break(text: bytes, start: int) -> int:
    """Position of the first break at or after ``start``, or the text's end."""
    while start < len(text):
        part = _decode_head(text, start, _CHUNK)
        if found := _breaks().search(part):
            return start + len(part[: found.start()].encode())
        start += len(part.encode())
    return start


@functools.cache
def _breaks() -> re.Pattern[str]:
    """The characters at which BERT ends a word whatever follows, each a token or white space.

    White space, punctuation of every script, the symbols of ASCII, and ideographs. Control
    characters are not among them: BERT removes them and joins what is around.
    """
    spaces = "".join(char for char in map(chr, range(0x3001)) if _is_space(char))
    marks = "".join(
        re.escape(char) for char in map(chr, range(0x20000)) if unicodedata.category(char)[0] == "P"
    )
    return re.compile(f"[{spaces}{marks}!-/:-@\\[-`{{-~\u3400-\u4dbf\u4e00-\u9fff]")


def _is_space(char: str) -> bool:
    return char in "\t\n\r" or unicodedata.category(char) in ("Zs", "Zl", "Zp")
