"""Compressed inputs are what they hold."""

from __future__ import annotations

import bz2
import io
import lzma
import os
import tarfile
import threading
from pathlib import Path

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_cli.errors import InputError
from llama_cli.inputs import stream
from tests.compressors import COMPRESSORS, LIBRARIES, SUFFIXES
from tests.inputs.reading import Reading

CONTENT = {
    ".txt": "one\n\ntwo é\r\nthree".encode(),
    ".jsonl": b'{"id": 1, "text": "one"}\n\n{"id": 2, "text": "two \\u00e9"}\n{"text": "three"}',
    ".csv": '\ufeffid;text\r\n1;one\r\n\r\n2;"two é"\r\n3;three'.encode(),
    ".tsv": "id\ttext\n1\tone\n\n2\ttwo é\n3\tthree\n".encode(),
}
LINES = b"".join(b"water %d\n" % number for number in range(3000))
kinds = pytest.mark.parametrize("kind", LIBRARIES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "input.txt"


@pytest.mark.parametrize("compressor", COMPRESSORS)
@pytest.mark.parametrize("suffix", CONTENT)
def test_each_format_by_each_compressor(tmp_path: Path, suffix: str, compressor: str) -> None:
    kind, compress = COMPRESSORS[compressor]
    plain = tmp_path / f"input{suffix}"
    compressed = tmp_path / f"input{suffix}{SUFFIXES[kind]}"
    plain.write_bytes(CONTENT[suffix])
    compressed.write_bytes(compress(CONTENT[suffix]))
    keep = {} if suffix == ".txt" else {"keep": "id"}
    inside, outside = Reading(compressed, **keep), Reading(plain, **keep)
    assert inside.texts == ["one", "two é", "three"]
    assert inside.lines_and_texts == outside.lines_and_texts
    assert inside.carried == outside.carried
    assert inside.left_out == outside.left_out
    assert [record.offset for record in inside.records] == [r.offset for r in outside.records]


@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_one_larger_than_any_buffer(path: Path, compressor: str) -> None:
    _, compress = COMPRESSORS[compressor]
    path.write_bytes(compress(LINES * 20))
    texts = Reading(path).texts
    assert len(texts) == 60_000
    assert texts == LINES.decode().splitlines() * 20


@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_the_fingerprint_is_of_the_file_itself(path: Path, compressor: str) -> None:
    _, compress = COMPRESSORS[compressor]
    path.write_bytes(compress(LINES))
    (found,) = Reading(path).fingerprints
    assert found[:2] == (path.stat().st_size, xxhash.xxh3_128(path.read_bytes()).hexdigest())


@kinds
@pytest.mark.parametrize("name", ["in.txt", "in", "in.gz", "in.xz", "in.lz4", "in.jsonl", "in.csv"])
def test_the_name_says_nothing_about_it(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / name
    content = CONTENT.get(path.suffix, CONTENT[".txt"])
    path.write_bytes(LIBRARIES[kind](content))
    assert Reading(path).texts == ["one", "two é", "three"]


@pytest.mark.parametrize("suffix", SUFFIXES.values())
def test_what_is_only_called_so_is_read_as_it_is(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"input.txt{suffix}"
    path.write_bytes(b"BZh is not enough\nplain\n")
    assert Reading(path).texts == ["BZh is not enough", "plain"]


@kinds
@pytest.mark.parametrize("members", [2, 3, 1000])
def test_several_members_are_one(path: Path, kind: str, members: int) -> None:
    compress = LIBRARIES[kind]
    path.write_bytes(b"".join(compress(b"water %d" % number) for number in range(members)))
    expected = "".join(f"water {number}" for number in range(members))
    assert Reading(path).texts == [expected]


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(
        st.tuples(st.sampled_from([k for k in COMPRESSORS if k.startswith("gzip")]), st.binary())
    ),
    chunk=st.integers(1, 9),
)
def test_members_of_any_length_and_origin(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[str, bytes]], chunk: int
) -> None:
    path = tmp_path_factory.mktemp("compressed") / "input.txt"
    whole = b"start" + b"".join(content for _, content in parts)
    path.write_bytes(LIBRARIES["gzip"](b"start") + b"".join(COMPRESSORS[p][1](c) for p, c in parts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "CHUNK", chunk)
        compressed = Reading(path, format="text").records
        path.write_bytes(whole)
        plain = Reading(path, format="text").records
    assert [record[:4] for record in compressed] == [record[:4] for record in plain]


@kinds
def test_an_empty_one_has_no_rows(path: Path, kind: str) -> None:
    path.write_bytes(LIBRARIES[kind](b""))
    assert Reading(path).records == []


@kinds
def test_an_empty_one_before_and_behind(path: Path, kind: str) -> None:
    compress = LIBRARIES[kind]
    path.write_bytes(compress(b"") + compress(b"one\n"))
    assert Reading(path).texts == ["one"]
    path.write_bytes(compress(b"one\n") + compress(b""))
    assert Reading(path).texts == ["one"]


@kinds
@pytest.mark.parametrize("outer", LIBRARIES)
def test_compressed_twice_is_refused_by_name(path: Path, kind: str, outer: str) -> None:
    path.write_bytes(LIBRARIES[outer](LIBRARIES[kind](b"one\n")))
    with pytest.raises(InputError, match=rf"input.txt: is {kind} data, not text in UTF-8"):
        Reading(path)


@kinds
def test_a_compressed_archive_is_refused_by_name(path: Path, kind: str) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        entry = tarfile.TarInfo("notes.txt")
        entry.size = len(LINES)
        tar.addfile(entry, io.BytesIO(LINES))
    path.write_bytes(LIBRARIES[kind](content.getvalue()))
    with pytest.raises(InputError, match=r"input.txt: is a tar file, not text") as caught:
        Reading(path)
    assert "tar -xOf" in str(caught.value.hint)


@kinds
@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_tables_are_not_decompressed(tmp_path: Path, kind: str, suffix: str) -> None:
    path = tmp_path / f"input{suffix}.gz"
    path.write_bytes(LIBRARIES[kind](b"PAR1" if suffix == ".parquet" else b"ARROW1\0\0"))
    with pytest.raises(InputError, match=r"cannot be read from a pipe or decompressed on the way"):
        Reading(path)


@kinds
def test_through_a_pipe_byte_by_byte(tmp_path: Path, kind: str) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    compressed = LIBRARIES[kind](b"one\n") + LIBRARIES[kind](b"two\n")

    def feed() -> None:
        with fifo.open("wb", buffering=0) as pipe:
            for byte in compressed:
                pipe.write(bytes([byte]))

    writer = threading.Thread(target=feed)
    writer.start()
    texts = Reading(fifo).texts
    writer.join()
    assert texts == ["one", "two"]


def test_xz_with_padding_between_streams(tmp_path: Path) -> None:
    """Valid by the format; xz reads it."""
    path = tmp_path / "in.xz"
    path.write_bytes(lzma.compress(b"one\n") + bytes(8) + lzma.compress(b"two\n"))
    assert Reading(path).texts == ["one", "two"]
    path.write_bytes(lzma.compress(b"one\n") + bytes(4))
    assert Reading(path).texts == ["one"]


@pytest.mark.parametrize("rest", [b"garbage", b"x", lzma.compress(b"two")[6:]])
def test_xz_with_bytes_behind_its_end(tmp_path: Path, rest: bytes) -> None:
    """Else a second member with a damaged head is lost in silence."""
    path = tmp_path / "in.xz"
    path.write_bytes(lzma.compress(b"one\n") + rest)
    with pytest.raises(InputError, match="xz data is (damaged|no such data)"):
        Reading(path)


def test_empty_members_of_bzip2(tmp_path: Path) -> None:
    path = tmp_path / "in.bz2"
    path.write_bytes(bz2.compress(b"one\n") + bz2.compress(b"") + bz2.compress(b"two\n"))
    assert Reading(path).texts == ["one", "two"]
