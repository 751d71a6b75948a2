"""What is not text is refused by its name."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from llama_cli.errors import InputError
from tests.inputs.reading import Reading


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ("text".encode("utf-16"), "UTF-16 text"),
        (b"\xfe\xff\x00t", "UTF-16 text"),
        ("text".encode("utf-32"), "UTF-32 text"),
        (b"\x00\x00\xfe\xff\x00\x00\x00t", "UTF-32 text"),
        (b"%PDF-1.7", "a PDF file"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"\xff\xd8\xff\xe0", "a JPEG image"),
        (b"PK\x03\x04rest", "a zip file"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z file"),
        (b"FEA1....", "a Feather file of version 1"),
        (b"\x1f\x9d\x90", "compress data"),
        (b"\x02\x21\x4c\x18\x05", "lz4 data of the old format"),
        (b"h\0e\0l\0l\0o\0\n\0", "binary data or UTF-16 text"),
        (b"\x5d\x00\x00\x80\x00", "lzma data"),
        (b"SQLite format 3\x00", "an SQLite database"),
        (b"\x7fELF\x02", "a program"),
        (b"GGUF\x03\x00\x00\x00", "a GGUF model file"),
        (b"name.txt" + b"\0" * 249 + b"ustar\x0000", "a tar file"),
    ],
)
def test_other_formats_are_refused_by_name(tmp_path: Path, head: bytes, name: str) -> None:
    path = tmp_path / "input.txt"
    for content in (head, gzip.compress(head)):
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"input.txt: is {name}, not text in UTF-8"):
            Reading(path)
