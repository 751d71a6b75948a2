"""The few facts of a GGUF file that a list shows, read without llama.cpp.

Loading each file's vocabulary in a process of its own would take seconds for a full cache; the
header says the same in milliseconds. Its sizes are not trusted, but held against the file's.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from llama_cli.errors import ModelError

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_MOST_KEYS = 1 << 16
_LONGEST_STRING = 1 << 26

# Formats of the types 0 to 12 in the specification; 8 is a string and 9 an array.
_FORMATS = ["B", "b", "H", "h", "I", "i", "f", "?", "-", "-", "Q", "q", "d"]
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What a list shows of a file.

    Attributes:
        architecture: llama.cpp's name of it.
        dimension: width of the vectors; None where the file does not say.
        context: the longest text in tokens; None where the file does not say.
    """

    architecture: str
    dimension: int | None
    context: int | None


def read_header(path: Path) -> HeaderFacts:
    """The facts in a file's header.

    Raises:
        ModelError: it cannot be read, or is no sound GGUF file.
    """
    try:
        with path.open("rb") as file:
            values = _Reader(file, path.stat().st_size).values()
    except OSError as error:
        raise ModelError(f"{path}: cannot read: {error.strerror}") from error
    except (ValueError, struct.error) as error:
        raise ModelError(f"{path}: is not a sound GGUF file ({error})") from error
    architecture = str(values.get("general.architecture", "unknown"))
    width = values.get(f"{architecture}.embedding_length")
    return HeaderFacts(
        architecture,
        _number(values.get(f"{architecture}.embedding_length_out", width)),
        _number(values.get(f"{architecture}.context_length")),
    )


def _number(value: Any) -> int | None:
    return value if type(value) is int else None


class _Reader:
    """Reads keys and single values, and passes over lists."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size

    def values(self) -> dict[str, Any]:
        if self._read(4) != _MAGIC:
            raise ValueError("it does not begin as one")
        version = self._number("I")
        if version not in _VERSIONS:
            raise ValueError(f"version {version}")
        self._number("Q")  # tensors
        keys = self._number("Q")
        if keys > _MOST_KEYS:
            raise ValueError(f"{keys} keys")
        return {self._string(): self._value(self._number("I")) for _ in range(keys)}

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._pass_over(self._number("I"), self._number("Q"))
        return self._number(self._format(kind))

    def _format(self, kind: int) -> str:
        if kind >= len(_FORMATS) or _FORMATS[kind] == "-":
            raise ValueError(f"a value of type {kind}")
        return _FORMATS[kind]

    def _pass_over(self, kind: int, count: int) -> None:
        if kind == _STRING:
            if count > self._size:
                raise ValueError(f"a list of {count} strings")
            for _ in range(count):
                self._read(int.from_bytes(self._read(8), "little"))
            return
        size = count * struct.calcsize(f"<{self._format(kind)}")
        if size > self._size:
            raise ValueError(f"a list of {count} values")
        self._file.seek(size, 1)

    def _string(self) -> str:
        return self._read(self._number("Q")).decode("utf-8", "replace")

    def _number(self, letter: str) -> Any:
        layout = f"<{letter}"
        return struct.unpack(layout, self._read(struct.calcsize(layout)))[0]

    def _read(self, size: int) -> bytes:
        if size > _LONGEST_STRING:
            raise ValueError(f"a string of {size} bytes")
        data = self._file.read(size)
        if len(data) < size:
            raise ValueError("it ends within its header")
        return data
