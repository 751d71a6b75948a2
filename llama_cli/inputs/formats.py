"""The formats of inputs: the one list of them, and how the format of an input is recognized.

To add a format, write a class in a file of its own in `readers/` and enter it in `FORMATS`:

- Derive it from `TextFormat` (`readers/text.py`) if it is read from start to end, as JSON Lines is.
  It has to find its columns at the start of an input (`detect`), and to read texts (`read`).
  Lines, decompression, pipes, and resuming behind any text come with the class.
- Derive it from `TableFormat` (`readers/tables.py`) if rows can be found by number, as in Parquet.
  It has to open a table, which has a schema and gives Arrow batches from a row on (`open_table`).
  Columns, their types, and resuming behind any text come with the class.
- Derive it from `Format` (`readers/base.py`) if it is like neither.

All else follows from the class: how such inputs are recognized, and the table in the documents
(``make docs``). Only its name has to be given to the command line as well (`Format` in
`cli/options.py`), whose help does not wait for all readers to load. Tests that go through all
formats read what other tools write: `tests/inputs/writers.py` says how they write it.
"""

from __future__ import annotations

import codecs
import dataclasses
import logging
import re
from pathlib import PurePath

from llama_cli.errors import InputError
from llama_cli.inputs.readers.arrow import Arrow
from llama_cli.inputs.readers.base import Candidate, Format
from llama_cli.inputs.readers.delimited import Csv, Tsv
from llama_cli.inputs.readers.json_document import JsonDocument
from llama_cli.inputs.readers.json_lines import JsonLines
from llama_cli.inputs.readers.parquet import Parquet
from llama_cli.inputs.readers.text import PlainText, count_controls, is_binary
from llama_cli.inputs.resolve import Input
from llama_cli.inputs.stream import CHUNK, COMPRESSIONS, ByteStream

log = logging.getLogger(__name__)

FORMATS: tuple[type[Format], ...] = (PlainText, JsonLines, JsonDocument, Csv, Tsv, Parquet, Arrow)

# Formats that stand beside each other in a folder.
_FAMILIES: dict[str, tuple[type[Format], ...]] = {
    "JSON": (JsonLines, JsonDocument),
    "CSV": (Csv, Tsv),
    "Parquet": (Parquet,),
    "Arrow": (Arrow,),
}
# What the library `datasets` and the Hub write beside the files of a data set.
_NOTES = ("dataset_dict.json", "dataset_info.json", "dataset_infos.json", "state.json")
_LISTED = 5  # names in a message

# Marks of what is not text, of which some byte is in no text. UTF-32's begins with UTF-16's.
_NOT_TEXT = (
    (b"\xff\xfe\x00\x00", "UTF-32 text"),
    (b"\x00\x00\xfe\xff", "UTF-32 text"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
    *((kind.magic, f"{kind.name} data") for kind in COMPRESSIONS if kind.name != "bzip2"),
    (b"\x1f\x9d", "compress data"),
    (b"\x02\x21\x4c\x18", "lz4 data of the old format"),
    (b"\x5d\x00\x00", "lzma data"),
    (b"\xff\x06\x00\x00sNaPpY", "snappy data"),
    (b"PK\x03\x04", "a zip file"),
    (b"PK\x05\x06", "an empty zip file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z file"),
    (b"Rar!\x1a\x07", "a RAR file"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"Obj\x01", "an Avro file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
    (b"\xce\xfa\xed\xfe", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"\x7fELF", "a program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"\x00asm", "a program"),
    (b"\x1aE\xdf\xa3", "a video"),
    *((bytes([0x80, version]), "a Python pickle") for version in range(2, 6)),
)
# Marks that a text may begin with as well: only something later in the file tells.
_SPELLED = (
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"FEA1", "a Feather file of version 1"),
    (b"BZh", "bzip2 data"),
    (b"%PDF-", "a PDF file"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "an image or a recording"),
    (b"BM", "a bitmap"),
    (b"ORC", "an ORC file"),
    (b"GGUF", "a GGUF model file"),
    (b"OggS", "a recording"),
    (b"fLaC", "a recording"),
    (b"ID3", "a recording"),
    (b"MZ", "a program"),
)
_BOM = b"\xef\xbb\xbf"
# A first line that no text has: an object, or what one or a list of them begins with.
_BEGINS_JSON = re.compile(rb"[\[{]$|(\[\s*)?\{\s*\"")
_UNUSUAL = re.compile(rb"[^\t-\r\x1b\x20-\x7e\x80-\xff]")
_PDF = re.compile(rb"%PDF-\d\.\d(\s|$)")
_TAR_AT = 257  # of its mark, by POSIX

_HINTS = {
    "UTF-32 text": "say `encoding=utf-32`",
    "UTF-16 text": "say `encoding=utf-16`",
    "binary data or UTF-16 text": "if it is text, say `encoding=utf-16-le` or what it is",
    "a Feather file of version 1": "write it anew with version 2",
    "a Python pickle": "write it anew as Parquet or JSON Lines",
    "a NumPy array": "write it anew as Parquet or JSON Lines",
    "an Avro file": "write it anew as Parquet, with DuckDB for instance",
    "an ORC file": "write it anew as Parquet, with pyarrow for instance",
    "a zip file": "unpack it on the way: llama-cli embed <(unzip -p FILE) -o OUT.parquet",
    "a tar file": "unpack it on the way: llama-cli embed <(tar -xOf FILE) -o OUT.parquet",
    "a GGUF model file": "models are given with `model`",
}

# Every other byte of Latin text in UTF-16 is NUL, and many of most binary files. One that strayed
# into a text is no reason to refuse it.
_NUL_SHARE = 4
_SECTOR = 512
_OTHERWISE = "if it is text all the same, say `format=text`"


def detect_format(candidate: Candidate, wanted: str | None) -> Format:
    """Find out an input's format, and which of its columns are read.

    Args:
        candidate: the input.
        wanted: the name of the format that the user says it has, or None.

    Raises:
        InputError: it does not have its format, or not the columns.
        UsageError: a carried column would have the name of another.
    """
    stream = candidate.stream
    head = stream.peek(_first_line)
    if wanted == PlainText.name:
        return dataclasses.replace(PlainText.detect(candidate), is_surely_text=True)
    kind = _find_format(candidate.file.file_name, head, stream, wanted)
    if kind.streamed:
        _refuse_binary(head, stream)
        if kind is not JsonDocument:
            _refuse_carriage_returns(head, stream.name)
    return kind.detect(candidate)


def of_one_kind(folder: str, files: list[Input]) -> list[Input]:
    """The files of a folder that are inputs, as their names tell.

    Where there are tables, files beside them that have another suffix tell of these, as the README
    of a data set does: they are named in a warning and left out. Several kinds are said, too.
    Empty files that could not be read, as Spark makes them, are left out.

    Raises:
        InputError: none is left.
    """
    files = [file for file in files if file.size != 0 or _may_be_empty(file.file_name)]
    if not files:
        raise InputError(f"{folder}: has empty files only")
    kinds = [_kind_of_rows(file.file_name) for file in files]
    found = sorted({kind for kind in kinds if kind})
    if found in ([], [PlainText.name]):
        return files
    if len(found) > 1:
        log.info("%s: has files of several kinds: %s", folder, ", ".join(found))
    others = [file.name for file, kind in zip(files, kinds, strict=True) if not kind]
    if others:
        log.warning(
            "%s: %d of its files left out, as they are no tables and others are: %s",
            folder,
            len(others),
            ", ".join(others[:_LISTED]) + (", …" if len(others) > _LISTED else ""),
        )
    return [file for file, kind in zip(files, kinds, strict=True) if kind]


def _may_be_empty(name: str) -> bool:
    kind = _find_by_suffix(name)
    return kind is None or kind.streamed


def _kind_of_rows(name: str) -> str | None:
    """What kind of rows a file has by its name; None for what may be a note about others."""
    kind = _find_by_suffix(name)
    if kind is None or name in _NOTES or name.lower().endswith(".md"):
        return None
    return next((family for family, kinds in _FAMILIES.items() if kind in kinds), kind.name)


def _first_line(ahead: bytes) -> int | None:
    """Where the first line ends, or the first megabyte of it."""
    if end := ahead.find(b"\n", 0, CHUNK) + 1:
        return end
    return CHUNK if len(ahead) >= CHUNK else None


def _find_format(name: str, head: bytes, stream: ByteStream, wanted: str | None) -> type[Format]:
    """The user's choice; else that of the first bytes; else that of the suffix; else by the line.

    A suffix that tells of compression counts for nothing.
    """
    if wanted is not None:
        return next(kind for kind in FORMATS if kind.name == wanted)
    for kind in FORMATS:
        if head.startswith(kind.magics) and not _is_plain(stream):
            return kind
    unknown = JsonLines if _BEGINS_JSON.match(head.removeprefix(_BOM).strip()) else PlainText
    return _find_by_suffix(name) or unknown


def _find_by_suffix(name: str) -> type[Format] | None:
    suffixes = [suffix.lower() for suffix in PurePath(name).suffixes]
    compressed = {compression.suffix for compression in COMPRESSIONS}
    suffix = next((suffix for suffix in reversed(suffixes) if suffix not in compressed), "")
    return next((kind for kind in FORMATS if suffix in kind.suffixes), None)


def _refuse_binary(head: bytes, stream: ByteStream) -> None:
    name = stream.name
    for magic, content in _NOT_TEXT:
        if head.startswith(magic):
            raise _not_text(name, content)
    for magic, content in _SPELLED:
        if head.startswith(magic) and not _is_plain(stream):
            raise _not_text(name, content)
    if head[4:8] == b"ftyp":
        raise _not_text(name, "a video or an image")
    if head[_TAR_AT:].startswith(b"ustar"):
        raise _not_text(name, "a tar file")
    if len(head) < _NUL_SHARE * head.count(0) or is_binary(count_controls(head), len(head)):
        raise _not_text(name, "binary data or UTF-16 text")


def _is_plain(stream: ByteStream) -> bool:
    """Whether the input begins as text does, and not as a PDF file does."""
    sector = stream.peek(lambda ahead: _SECTOR if len(ahead) >= _SECTOR else None)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sector)
    except UnicodeDecodeError:
        return False
    return not _UNUSUAL.search(sector) and not _PDF.match(sector)


def _refuse_carriage_returns(head: bytes, name: str) -> None:
    if not head.endswith(b"\n") and b"\r" in head.rstrip(b"\r"):
        raise InputError(
            f"{name}: its lines end in carriage returns alone, as on old Macs",
            hint=r"make them line ends on the way: llama-cli embed <(tr '\r' '\n' < FILE) -o "
            f"OUT.parquet; {_OTHERWISE}",
        )


def _not_text(name: str, content: str) -> InputError:
    return InputError(
        f"{name}: is {content}, not text in UTF-8", hint=_HINTS.get(content, _OTHERWISE)
    )
