"""Reading on behind a line that an earlier process has read."""

from __future__ import annotations

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from llama_cli.errors import InputError
from llama_cli.inputs import stream
from llama_cli.inputs.fingerprint import InputDigest
from llama_cli.records import TextRecord
from tests.inputs.reading import TextInput


def digest(content: bytes) -> str:
    return xxhash.xxh3_128(content).hexdigest()


def resume(content: bytes, after: TextRecord, read: bytes) -> TextInput:
    source = TextInput(content)
    source.resume_after(after.line, after.offset, digest(read[: after.offset]))
    return source


texts = st.lists(
    st.sampled_from([b"", b" ", b"a", b"water\r", b"\xff", b"\xef\xbb\xbfx"]), max_size=9
)


@given(parts=texts, ending=st.sampled_from([b"", b"\n", b"\r\n"]), chunk=st.integers(1, 9))
def test_from_every_line_on_it_reads_as_without_a_break(
    parts: list[bytes], ending: bytes, chunk: int
) -> None:
    content = b"\n".join(parts) + ending
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "CHUNK", chunk)
        whole = TextInput(content)
        records = list(whole.texts())
        for row, record in enumerate(records):
            source = resume(content, record, content)
            assert list(source.texts()) == records[row + 1 :]
            assert (source.line, source.digest) == (whole.line, whole.digest)
            assert source.offset == len(content)


@given(parts=texts, chunk=st.integers(1, 9))
def test_the_digest_of_each_line_end_can_be_asked_for_later(parts: list[bytes], chunk: int) -> None:
    content = b"\n".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "CHUNK", chunk)
        source = TextInput(content)
        for record in list(source.texts()):
            assert source.digest_at(record.offset) == digest(content[: record.offset])
            source.forget_before(record.offset)


def test_what_was_passed_is_not_held() -> None:
    seen = InputDigest()
    for number in range(10):
        seen.update(b"line\n" * 1000)
        for end in range(5, 5001, 5):
            seen.note_end(5000 * number + end)
    seen.forget_before(45_000)
    assert seen.at(45_000) == digest(b"line\n" * 9000)
    assert len(seen._recent) == 2
    with pytest.raises(ValueError, match="no text ended at byte 5000"):
        seen.at(5000)


def test_the_middle_of_a_huge_line_is_not_held() -> None:
    seen = InputDigest()
    for _ in range(64):
        seen.update(b"a" * 1000)
    assert not seen._recent
    seen.update(b"\nrest")
    assert seen.at(64_001) == digest(b"a" * 64_000 + b"\n")


def test_a_long_prefix_and_blank_lines_are_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CHUNK", 100)
    content = b"one\n" * 1000 + b"  \n\n" * 1000 + b"last\n"
    records = list(TextInput(content).texts())
    source = resume(content, records[900], content)
    assert len(source._digest._recent) < 3
    for record in source.texts():
        source.forget_before(record.offset)
        assert len(source._digest._recent) < 9
    assert (record.text, source.digest_at(record.offset)) == (b"last", digest(content))


def test_what_is_between_texts_far_apart_is_not_held() -> None:
    seen, content = InputDigest(), b""
    for number in range(10):
        part = b"\n" * 5000 + b"%d\n" % number + b"\n" * 5000
        seen.update(part)
        seen.note_end(len(content) + 5002)
        content += part
        seen.update(b"bad\n" * 1000)
        content += b"bad\n" * 1000
    assert sum(len(chunk.data) for chunk in seen._recent) <= 4000
    for number in range(10):
        end = 14_002 * number + 5002
        assert seen.at(end) == digest(content[:end])


def test_another_beginning_is_refused() -> None:
    first, *_ = TextInput(b"one\ntwo\nthree\n").texts()
    with pytest.raises(InputError, match="first 4 bytes are not what"):
        resume(b"One\ntwo\nthree\n", first, b"one\ntwo\n")


def test_a_shorter_input_is_refused() -> None:
    _, second = TextInput(b"one\ntwo\n").texts()
    with pytest.raises(InputError, match="first 8 bytes are not what"):
        resume(b"one\n", second, b"one\ntwo\n")


@pytest.mark.parametrize("change", [b"one\nTWO\n", b"one\n", b"one\ntwo\nthree\n"])
def test_another_rest_is_read(change: bytes) -> None:
    first, _ = TextInput(b"one\ntwo\n").texts()
    rest = list(resume(change, first, b"one\ntwo\n").texts())
    assert [record.text for record in rest] == change.split(b"\n")[1:-1]


@pytest.mark.parametrize(
    ("before", "newline"),
    [(b"one\ntwo", b"\n"), (b"one\ntwo", b"\r\n"), (b"one\ntwo\r", b"\n")],
)
def test_a_last_line_may_get_its_newline(before: bytes, newline: bytes) -> None:
    _, last = TextInput(before).texts()
    grown = before + newline + b"three\n"
    source = resume(grown, last, before)
    assert [(record.line, record.text) for record in source.texts()] == [(3, b"three")]
    assert (source.line, source.digest) == (3, digest(grown))


@pytest.mark.parametrize(
    ("before", "more"),
    [(b"one\ntwo", more) for more in (b"x", b"x\n", b"\r", b"\rx", b" \n")]
    + [(b"one\ntwo\r", b"\r\n"), (b"one\ntwo\r", b"x\n")],
)
def test_a_last_line_may_not_grow(before: bytes, more: bytes) -> None:
    _, last = TextInput(before).texts()
    with pytest.raises(InputError, match="line 2 is longer than when"):
        resume(before + more, last, before)
