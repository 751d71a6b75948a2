"""Checking and repairing UTF-8, part by part, so that a huge line stays one copy."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

_PART = 1 << 20


def repair(line: bytes) -> tuple[bytes, bool]:
    """The line as valid UTF-8, and whether that took replacing bytes by U+FFFD."""
    if line.isascii():
        return line, False
    try:
        for _ in _decoded(line, "strict"):
            pass
    except UnicodeDecodeError:
        return b"".join(part.encode() for part in _decoded(line, "replace")), True
    return line, False


def is_blank(text: bytes) -> bool:
    """Whether valid UTF-8 is empty or only white space, that of other scripts included."""
    return all(not part or part.isspace() for part in _decoded(text, "strict"))


def _decoded(line: bytes, errors: str) -> Iterator[str]:
    if len(line) <= _PART:
        yield line.decode("utf-8", errors)
        return
    decoder = codecs.getincrementaldecoder("utf-8")(errors)
    for start in range(0, len(line), _PART):
        yield decoder.decode(line[start : start + _PART])
    yield decoder.decode(b"", final=True)
