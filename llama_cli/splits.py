"""Models in several files, named as llama.cpp names them: ``name-00001-of-00003.gguf``."""

from __future__ import annotations

import re
from pathlib import Path

_PART = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf", re.DOTALL)


def part_names(name: str) -> list[str]:
    """The names of all files of a model, in order, from that of any one of them."""
    match = _PART.fullmatch(name)
    if match is None:
        return [name]
    stem, _, total = match.groups()
    numbers = range(1, int(total) + 1)
    return [f"{stem}-{number:05}-of-{total}.gguf" for number in numbers] or [name]


def first_part_name(name: str) -> str:
    """The name of a model's first file, from that of any one of them."""
    match = _PART.fullmatch(name)
    return f"{match[1]}-00001-of-{match[3]}.gguf" if match else name


def model_parts(path: Path) -> list[Path]:
    """The files of the model that a file belongs to, in order; llama.cpp is given the first."""
    return [path.with_name(name) for name in part_names(path.name)]


def size_of_parts(path: Path) -> int:
    """Bytes of all files of a model.

    Raises:
        OSError: one of them cannot be looked at.
    """
    return sum(part.stat().st_size for part in model_parts(path))
