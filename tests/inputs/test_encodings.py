"""Text that is not UTF-8, by the name of its encoding."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from llama_cli.errors import InputError, UsageError
from llama_cli.inputs.resolve import find_inputs
from llama_cli.inputs.sequence import InputSequence, Position, ReadOptions
from tests.inputs.reading import OWN, Reading

LINES = ["größe", "second – line", "naïve café"]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "utf-32", "gb18030", "utf8"])
@pytest.mark.parametrize("compressed", [False, True])
def test_each_format(tmp_path: Path, encoding: str, compressed: bool) -> None:
    contents = {
        "text": "\r\n".join(LINES) + "\r\n",
        "csv": "".join(f'{n},"{line}"\r\n' for n, line in enumerate(["text", *LINES])),
        "jsonl": "".join(f'{{"text": "{line}"}}\n' for line in LINES),
    }
    for name, content in contents.items():
        data = content.encode(encoding)
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if compressed else data)
        assert Reading(path, format=name, encoding=encoding).texts == LINES
    if not compressed:
        frame = pd.read_csv(tmp_path / "csv", encoding=encoding)
        assert frame["text"].to_list() == LINES


def test_each_east_asian_line_resumes(tmp_path: Path) -> None:
    """Parts end in the middle of a character; a digest is of what was read, in UTF-8."""
    lines = [f"{number} 日本語のテキスト" for number in range(200_000)]
    path = tmp_path / "in.txt"
    path.write_text("\n".join(lines), "shift_jis")
    options = ReadOptions(encoding="shift_jis")
    with InputSequence(find_inputs([str(path)]), options) as source:
        source.detect_formats(OWN)
        for last in source:
            if last.line == 150_000:
                state = source.state(Position(0, last.line, last.offset))
    with InputSequence(find_inputs([str(path)]), options) as source:
        source.detect_formats(OWN)
        source.resume_after(state, 150_000)
        assert [record.text.decode() for record in source] == lines[150_000:]
        assert source.match(source.fingerprints())


def test_what_is_not_in_the_encoding_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes("eins\n".encode("shift_jis") + b"\x81\n\x80zwei\n")
    (one, *others) = Reading(path, encoding="shift_jis").records
    assert (one.text, one.invalid_utf8) == (b"eins", False)
    assert [record.invalid_utf8 for record in others] == [True] * len(others)
    assert others


@pytest.mark.parametrize("name", ["no-such", "hex", "base64"])
def test_a_name_of_none_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "in.txt").write_text("one", "utf-8")
    with pytest.raises(UsageError, match="no such encoding"):
        Reading(tmp_path / "in.txt", encoding=name)


def test_a_byte_order_mark_names_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("one\n", "utf-16")
    with pytest.raises(InputError, match="is UTF-16 text") as caught:
        Reading(path)
    assert caught.value.hint == "say `encoding=utf-16`"
    assert Reading(path, encoding="utf-16").texts == ["one"]
