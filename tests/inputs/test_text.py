from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from llama_cli.errors import InputError
from llama_cli.inputs import stream
from llama_cli.inputs.readers import text
from llama_cli.inputs.resolve import InputFile, find_inputs
from llama_cli.records import TextRecord
from tests.inputs.reading import TextInput, read_all


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], tuple[list[TextRecord], int]]:
    def read_bytes(content: bytes) -> tuple[list[TextRecord], int]:
        path = tmp_path / "input.txt"
        path.write_bytes(content)
        records, skipped = read_all(InputFile(path, path.name))
        return records, len(records) + sum(one.rows for one in skipped)

    return read_bytes


Read = Callable[[bytes], tuple[list[TextRecord], int]]


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        (b"", []),
        (b"one", [b"one"]),
        (b"one\ntwo\n", [b"one", b"two"]),
        (b"one\r\ntwo\r\r\n", [b"one", b"two\r"]),
        (b"\xef\xbb\xbfone\n\xef\xbb\xbftwo", [b"one", b"\xef\xbb\xbftwo"]),
        ("a\u2028b\x0bc\x0cd\x85e\rf\n".encode(), ["a\u2028b\x0bc\x0cd\x85e\rf".encode()]),
        (b"  kept  \n", [b"  kept  "]),
        (b"nul\x00inside\n", [b"nul\x00inside"]),
        ("é 한 😀\n".encode(), ["é 한 😀".encode()]),
    ],
)
def test_lines_are_read_exactly(read: Read, content: bytes, texts: list[bytes]) -> None:
    records, _ = read(content)
    assert [record.text for record in records] == texts
    assert not any(record.invalid_utf8 for record in records)


def test_blank_lines_are_skipped_and_counted(read: Read) -> None:
    records, lines = read("one\n\n \t\r\n\u3000\u00a0\ntwo\n\n".encode())
    assert [(record.line, record.text) for record in records] == [(1, b"one"), (5, b"two")]
    assert lines == 6


def test_bytes_that_are_not_utf8_become_replacement_characters(read: Read) -> None:
    records, _ = read(b"good\nb\xffd \xe2\x82 end\n\xed\xa0\x80\n")
    assert [r.text.decode() for r in records] == ["good", "b\ufffdd \ufffd end", "\ufffd" * 3]
    assert [record.invalid_utf8 for record in records] == [False, True, True]


@given(content=st.binary(max_size=300).filter(lambda b: not _starts_like_a_format(b)))
def test_any_bytes_give_valid_texts_and_a_full_account(content: bytes) -> None:
    source = TextInput(content)
    records = list(source.texts())
    expected = content.removeprefix(b"\xef\xbb\xbf").removesuffix(b"\n").split(b"\n")
    if expected == [b""] and not content.removeprefix(b"\xef\xbb\xbf"):
        expected = [b""] if content else []
    texts = [t for line in expected if (t := _without_cr(line)) and not t.isspace()]
    assert [record.text.decode() for record in records] == texts
    assert source.line == len(expected)
    assert source.digest == xxhash.xxh3_128(content).hexdigest()


def _without_cr(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "replace")


def _starts_like_a_format(content: bytes) -> bool:
    heads = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff", b"PAR1", b"\x1f\x8b", b"PK\3\4", b"GGUF")
    more = (b"\x28\xb5\x2f\xfd", b"BZh91", b"\xfd7zX", b"\x04\x22\x4d\x18", b"%PDF-", b"\x89PNG")
    return content.startswith((*heads, *more))


def test_positions_follow_the_lines(read: Read) -> None:
    content = b"\xef\xbb\xbfone\r\n\nthree"
    records, _ = read(content)
    assert [record.offset for record in records] == [8, len(content)]


def test_small_chunks_change_nothing(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    content = "\ufeffone é\r\n\n한국어 😀 word\nlast".encode()
    whole = read(content)
    for size in (4, 5, 7):
        monkeypatch.setattr(stream, "CHUNK", size)
        assert read(content) == whole


def test_a_line_of_exactly_the_limit_is_read_and_one_more_is_refused(read: Read) -> None:
    limit = text.MAX_LINE_BYTES
    records, _ = read(b"first\n" + b"a" * limit + b"\nlast\n")
    assert [len(record.text) for record in records] == [5, limit, 4]
    with pytest.raises(InputError, match="input.txt: line 2 is over 64 MiB"):
        read(b"first\n" + b"a" * (limit + 1))


def test_a_long_line_is_decoded_part_by_part(read: Read) -> None:
    broken = ("é" * 700_000).encode() + b"\xff" + "😀".encode() * 500_000
    records, _ = read(broken)
    assert records[0].text == broken.decode("utf-8", "replace").encode()
    assert records[0].invalid_utf8


def test_a_pipe_that_gives_single_bytes(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def feed() -> None:
        with fifo.open("wb", buffering=0) as pipe:
            for byte in "é one\ntwo\n".encode():
                pipe.write(bytes([byte]))

    writer = threading.Thread(target=feed)
    writer.start()
    (file,) = find_inputs([str(fifo)])
    records, _ = read_all(file)
    writer.join()
    assert [record.text.decode() for record in records] == ["é one", "two"]
    assert (file.size, file.name) == (None, "pipe")
