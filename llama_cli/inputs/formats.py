"""Which formats inputs may have, and how one is recognized: the one table of them."""

from __future__ import annotations

from pathlib import PurePath
from typing import NamedTuple

from llama_cli.errors import InputError
from llama_cli.inputs.compression import COMPRESSIONS


class Format(NamedTuple):
    """A format that inputs may have."""

    name: str
    suffixes: tuple[str, ...]
    magics: tuple[bytes, ...]
    content: str
    """What one row is, in words for the documentation."""
    columns: str
    """Where its columns come from, in words for the documentation; empty where it has none."""
    compressible: bool
    """Whether it is read from start to end, so that it may be packed or come through a pipe."""


TEXT = Format("text", (".txt", ".text", ".md"), (), "a line that is not blank", "", True)
JSON = Format(
    "jsonl",
    (".jsonl", ".ndjson", ".json"),
    (),
    "a line with a JSON object",
    "the keys; types of the whole file",
    True,
)
CSV = Format(
    "csv",
    (".csv",),
    (),
    "a row; its header shows what separates fields: comma, semicolon, tab or bar",
    "by the header; kept as text",
    True,
)
TSV = Format(
    "tsv",
    (".tsv", ".tab"),
    (),
    "a row with tabs between fields",
    "by the header; kept as text",
    True,
)
PARQUET = Format("parquet", (".parquet", ".pq"), (b"PAR1",), "a row", "by the schema", False)
ARROW = Format(
    "arrow",
    (".arrow", ".feather", ".ipc", ".arrows"),
    (b"ARROW1", b"\xff\xff\xff\xff"),
    "a row of an Arrow file (Feather 2) or stream",
    "by the schema",
    False,
)
FORMATS = (TEXT, JSON, CSV, TSV, PARQUET, ARROW)

# The longer mark first: UTF-32's begins with UTF-16's.
_NOT_TEXT = (
    (b"\xff\xfe\x00\x00", "UTF-32 text"),
    (b"\x00\x00\xfe\xff", "UTF-32 text"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"FEA1", "a Feather file of version 1"),
    *((kind.magic, f"{kind.name} data") for kind in COMPRESSIONS if kind.name != "bzip2"),
    (b"BZh91AY&SY", "bzip2 data"),
    (b"\x1f\x9d", "compress data"),
    (b"\x02\x21\x4c\x18", "lz4 data of the old format"),
    (b"\x5d\x00\x00", "lzma data"),
    (b"PK\x03\x04", "a zip file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z file"),
    (b"%PDF-", "a PDF file"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x7fELF", "a program"),
    (b"GGUF", "a GGUF model file"),
)
_TAR_AT = 257  # of its mark, by POSIX

_HINTS = {
    "UTF-32 text": "convert it first: iconv -f UTF-32 -t UTF-8",
    "UTF-16 text": "convert it first: iconv -f UTF-16 -t UTF-8",
    "binary data or UTF-16 text": "convert text first: iconv -f UTF-16LE -t UTF-8",
    "a Feather file of version 1": "write it anew with version 2",
    "a zip file": "unpack it on the way: llama-cli embed <(unzip -p FILE) -o OUT.parquet",
    "a tar file": "unpack it on the way: llama-cli embed <(tar -xOf FILE) -o OUT.parquet",
    "a GGUF model file": "models are given with `model`",
}

# Every other byte of Latin text in UTF-16 is NUL, and many of most binary files. One that strayed
# into a text is no reason to refuse it.
_NUL_SHARE = 4

LONGEST_MAGIC = _TAR_AT + 5


def find_format(name: str, head: bytes, wanted: str | None) -> Format:
    """The format of an input.

    Args:
        name: its name; what tells that it is compressed counts for nothing.
        head: the first bytes of its unpacked content.
        wanted: the name of the format that the user says it has, or None.

    Returns:
        The user's choice; else Parquet or Arrow where it begins like it; else what the suffix of
        its name says; else text.
    """
    if wanted is not None:
        return next(one for one in FORMATS if one.name == wanted)
    for one in FORMATS:
        if head.startswith(one.magics):
            return one
    suffixes = [suffix.lower() for suffix in PurePath(name).suffixes]
    packed = {kind.suffix for kind in COMPRESSIONS}
    suffix = next((suffix for suffix in reversed(suffixes) if suffix not in packed), "")
    return next((one for one in FORMATS if suffix in one.suffixes), TEXT)


def refuse_binary(head: bytes, name: str) -> None:
    """Refuse a stream whose first bytes belong to what is not text.

    Raises:
        InputError: naming the format.
    """
    for magic, found in _NOT_TEXT:
        if head.startswith(magic):
            raise _not_text(name, found)
    if head[_TAR_AT:].startswith(b"ustar"):
        raise _not_text(name, "a tar file")
    if len(head) < _NUL_SHARE * head.count(0):
        raise _not_text(name, "binary data or UTF-16 text")


def _not_text(name: str, found: str) -> InputError:
    return InputError(f"{name}: is {found}, not text in UTF-8", hint=_HINTS.get(found))
