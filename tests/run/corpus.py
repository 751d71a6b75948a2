"""Inputs with everything in them that makes counting lines and rows hard."""

from __future__ import annotations

import random

from tests.tiny_models import COMMON_WORDS

# A letter of the tiny models' vocabulary; `poisoned` models have no finite vector for it.
POISON = "δ"

_BLANK = (b"", b" ", b"\t ", b"\r")
_BROKEN = (b"water \xff\xfe light", b"\xc3", b"time \xed\xa0\x80 day", b"cut \xe2\x82")
_UNICODE = ("naïve café", "世界 あ", "👩‍👩‍👧 family", "e\u0301 ü ñ", "\u2028 one line", "\x00 nul")


def hard_lines(count: int, seed: int) -> bytes:
    """Lines of all kinds, most of them plain, the last one without its end."""
    random_ = random.Random(seed)
    lines = [b"\xef\xbb\xbfa byte order mark", b"water " * 260_000]  # over a whole chunk read
    while len(lines) < count:
        lines.append(_line(random_, lines))
    ends = random_.choices([b"\n", b"\r\n"], [4, 1], k=count)
    return b"".join(line + end for line, end in zip(lines, ends, strict=True)) + b"the end"


def _line(random_: random.Random, before: list[bytes]) -> bytes:
    words = random_.choices(COMMON_WORDS, k=random_.randint(1, 25))
    plain = " ".join(words).encode()
    kinds = {
        "plain": (30, plain),
        "blank": (3, random_.choice(_BLANK)),
        "duplicates": (4, random_.choice(before[2:] or [plain])),
        "broken": (1, random_.choice(_BROKEN)),
        "unicode": (2, random_.choice(_UNICODE).encode()),
        "too long": (1, b"time and light " * random_.randint(30, 400)),
        "without vector": (0.1, f"{POISON} {words}".encode()),
    }
    weights = [weight for weight, _ in kinds.values()]
    (chosen,) = random_.choices([line for _, line in kinds.values()], weights)
    return chosen


def plain_lines(count: int) -> str:
    """Texts that are all different."""
    return "".join(f"water and time {number}\n" for number in range(count))
