"""Recognising by its first bytes what is not text."""

from __future__ import annotations

from llama_cli.errors import InputError

# The longer mark first: UTF-32's begins with UTF-16's.
_NOT_TEXT = (
    (b"\xff\xfe\x00\x00", "UTF-32 text"),
    (b"\x00\x00\xfe\xff", "UTF-32 text"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
    (b"PAR1", "a Parquet file"),
    (b"\x1f\x8b", "gzip data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"BZh91AY&SY", "bzip2 data"),
    (b"\xfd7zXZ\x00", "xz data"),
    (b"\x04\x22\x4d\x18", "lz4 data"),
    (b"PK\x03\x04", "a zip file"),
    (b"%PDF-", "a PDF file"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"GGUF", "a GGUF model file"),
)

_HINTS = {
    "UTF-32 text": "convert it first: iconv -f UTF-32 -t UTF-8",
    "UTF-16 text": "convert it first: iconv -f UTF-16 -t UTF-8",
    "a Parquet file": "write its text column to a file, one text a line",
    "gzip data": "unpack it on the way: llama-cli embed <(zcat FILE) -o OUT.parquet",
    "zstd data": "unpack it on the way: llama-cli embed <(zstdcat FILE) -o OUT.parquet",
    "bzip2 data": "unpack it on the way: llama-cli embed <(bzcat FILE) -o OUT.parquet",
    "xz data": "unpack it on the way: llama-cli embed <(xzcat FILE) -o OUT.parquet",
    "lz4 data": "unpack it on the way: llama-cli embed <(lz4cat FILE) -o OUT.parquet",
    "a zip file": "unpack it on the way: llama-cli embed <(unzip -p FILE) -o OUT.parquet",
    "a GGUF model file": "models are given with --model",
}


LONGEST_MAGIC = max(len(magic) for magic, _ in _NOT_TEXT)


def refuse_binary(head: bytes, name: str) -> None:
    """Refuse an input whose first bytes belong to another format.

    Raises:
        InputError: naming the format.
    """
    for magic, found in _NOT_TEXT:
        if head.startswith(magic):
            raise InputError(f"{name}: is {found}, not lines of UTF-8 text", hint=_HINTS.get(found))
