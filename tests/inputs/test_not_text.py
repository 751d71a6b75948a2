"""What is not text is refused by its name."""

from __future__ import annotations

import gzip
import pickle
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
        (b"FEA1\0\0\0\0", "a Feather file of version 1"),
        (b"\x1f\x9d\x90", "compress data"),
        (b"\x02\x21\x4c\x18\x05", "lz4 data of the old format"),
        (b"h\0e\0l\0l\0o\0\n\0", "binary data or UTF-16 text"),
        (b"\x5d\x00\x00\x80\x00", "lzma data"),
        (b"SQLite format 3\x00", "an SQLite database"),
        (b"\x7fELF\x02", "a program"),
        (b"GGUF\x03\x00\x00\x00", "a GGUF model file"),
        (b"GIF89a\n\0\n\0\xf0\0\0", "a GIF image"),
        (b"RIFF$\x10\x01\x02WEBPVP8 ", "an image or a recording"),
        (b"Obj\x01\x04\x14avro.codec\x08null", "an Avro file"),
        (b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'}\n", "a NumPy array"),
        (b"ORC\x01\x02\x03\x05\n", "an ORC file"),
        (pickle.dumps(["one"]), "a Python pickle"),
        (b"\xff\x06\x00\x00sNaPpY", "snappy data"),
        (b"\0\0\0\x18ftypmp42", "a video or an image"),
        ("Привет, мир! Как дела? Что нового, и где ты был?".encode("utf-16-le"), "binary data or "),
        (b"name.txt" + b"\0" * 249 + b"ustar\x0000", "a tar file"),
    ],
)
def test_other_formats_are_refused_by_name(tmp_path: Path, head: bytes, name: str) -> None:
    path = tmp_path / "input.txt"
    for content in (head, gzip.compress(head)):
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"input.txt: is {name}.*not text in UTF-8"):
            Reading(path)
        assert all(Reading(path, format="text").texts)


@pytest.mark.parametrize(
    "line",
    [
        "GGUF is the file format of llama.cpp models",
        "PAR1 volumes are an old kind of parity file",
        "ARROW1 was the name of the boat",
        "BZh is not a word, and so are Obj, ORC and BM",
        "%PDF- is how such a file begins",
        "MZ",
        "\x1b[31mred\x1b[0m, and a \x00 that strayed into a line that is long enough",
        "fields\x01of\x01a\x01table\x01of\x01Hive\x01and\x01more\x01of\x01them",
        "café in ISO 8859-1".encode("latin-1"),
    ],
)
def test_text_that_begins_with_a_mark_or_has_odd_bytes(tmp_path: Path, line: str | bytes) -> None:
    path = tmp_path / "input.txt"
    data = line if isinstance(line, bytes) else line.encode()
    for content in (data, data + b"\n", data + b"\nmore\n"):
        path.write_bytes(content)
        assert Reading(path).texts[0] == data.decode("utf-8", "replace")


def test_binary_data_after_a_line_of_text(tmp_path: Path) -> None:
    """It ends the run at that line; nothing but the very first megabyte is doubted."""
    path = tmp_path / "input.txt"
    path.write_bytes(b"a line\n" + bytes(range(256)) * 4)
    with pytest.raises(InputError, match=r"input.txt: line \d is binary data, not text"):
        Reading(path)
    assert len(Reading(path, format="text").texts) > 1
    path.write_bytes(b"a line\n" * 200_000 + bytes(range(256)) * 4)
    assert len(Reading(path).texts) > 200_000


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.tsv", "a.jsonl"])
def test_carriage_returns_alone_are_no_line_ends(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b'text\r{"text": "one"}\rtwo\r')
    with pytest.raises(InputError, match="its lines end in carriage returns alone"):
        Reading(path)
    assert Reading(path, format="text").texts == ['text\r{"text": "one"}\rtwo']
