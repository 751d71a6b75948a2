"""Ways of compressing bytes: by libraries, and by the commands that this machine has."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import subprocess
from collections.abc import Callable
from functools import partial

import pyarrow as pa

Compress = Callable[[bytes], bytes]

SUFFIXES = {"gzip": ".gz", "bzip2": ".bz2", "xz": ".xz", "zstd": ".zst", "lz4": ".lz4"}


def _by_arrow(data: bytes, kind: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, kind) as compressed:
        compressed.write(data)
    return bytes(sink.getvalue())


def _by_command(data: bytes, words: tuple[str, ...]) -> bytes:
    return subprocess.run([*words, "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


# Always there.
LIBRARIES: dict[str, Compress] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": partial(_by_arrow, kind="zstd"),
    "lz4": partial(_by_arrow, kind="lz4"),
}
_COMMANDS = {
    "gzip": [("gzip",), ("gzip", "-1"), ("pigz",)],
    "bzip2": [("bzip2",), ("pbzip2", "-q")],
    "xz": [("xz",), ("xz", "-T2", "--block-size=4096"), ("xz", "--check=none")],
    "zstd": [("zstd", "-q"), ("zstd", "-q", "--ultra", "-22"), ("pzstd", "-q")],
    "lz4": [("lz4", "-q"), ("lz4", "-q", "-BD", "-9"), ("lz4", "-q", "--content-size")],
}
COMPRESSORS: dict[str, tuple[str, Compress]] = {
    f"{kind} by a library": (kind, compress) for kind, compress in LIBRARIES.items()
} | {
    " ".join(words): (kind, partial(_by_command, words=words))
    for kind, commands in _COMMANDS.items()
    for words in commands
    if shutil.which(words[0])
}


def usual_compressor(kind: str) -> Compress:
    """As most files are compressed: by the first command for it, where there is one."""
    words = _COMMANDS[kind][0]
    return COMPRESSORS.get(" ".join(words), (kind, LIBRARIES[kind]))[1]
