"""Compressed inputs and tables that are damaged or cut short give one clear error."""

from __future__ import annotations

import base64
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_cli.errors import InputError
from tests.compressors import COMPRESSORS, LIBRARIES
from tests.inputs.reading import Reading
from tests.inputs.writers import ARROW, PARQUET

ROOT = Path(__file__).parents[2]
TEXTS = [f"water and time {number}" for number in range(1000)]
LINES = "".join(text + "\n" for text in TEXTS).encode()
COMPRESSED = {kind: compress(LINES) for kind, compress in LIBRARIES.items()}
# Shorter ones do not show how they are compressed.
SHORTEST = {"gzip": 2, "bzip2": 10, "xz": 6, "zstd": 4, "lz4": 4}

kinds = pytest.mark.parametrize("kind", LIBRARIES)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged") / "input.txt"


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        Reading(path)
    return str(caught.value)


@kinds
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_one_cut_short_anywhere(path: Path, kind: str, data: st.DataObject) -> None:
    size = data.draw(st.integers(SHORTEST[kind], len(COMPRESSED[kind]) - 1))
    message = refusal(path, COMPRESSED[kind][:size])
    assert message.startswith(f"input.txt: the {kind} data is damaged or cut short: ")


@kinds
def test_one_without_its_last_bytes(path: Path, kind: str) -> None:
    for missing in range(1, 20):
        assert "cut short" in refusal(path, COMPRESSED[kind][:-missing])


@kinds
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_second_member_cut_short_anywhere(path: Path, kind: str, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(COMPRESSED[kind]) - 1))
    assert "cut short" in refusal(path, LIBRARIES[kind](b"first\n") + COMPRESSED[kind][:size])


@kinds
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_changed_byte_does_not_stop_other_than_by_an_input_error(
    path: Path, kind: str, data: st.DataObject
) -> None:
    """Not all of these formats have checksums, but nothing else may come of it."""
    at = data.draw(st.integers(0, len(COMPRESSED[kind]) - 1))
    damaged = bytearray(COMPRESSED[kind])
    damaged[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(damaged)
    try:
        Reading(path)
    except InputError as error:
        assert "input.txt" in str(error)  # noqa: PT017 - it may be read, too


CHECKED = [
    name
    for name in COMPRESSORS
    if name in {"gzip by a library", "bzip2 by a library", "xz by a library", "zstd -q", "lz4 -q"}
]


@pytest.mark.parametrize("compressor", CHECKED)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_where_there_is_a_checksum_it_is_checked(
    path: Path, compressor: str, data: st.DataObject
) -> None:
    kind, compress = COMPRESSORS[compressor]
    compressed = bytearray(compress(LINES))
    # Behind the header, of which some bytes mean nothing.
    compressed[data.draw(st.integers(20, len(compressed) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(compressed)
    try:
        texts = Reading(path).texts
    except InputError as error:
        assert re.search(f"{kind} data is (damaged|no such data)", str(error))  # noqa: PT017
    else:
        assert texts == TEXTS  # bits that pad the last byte of a block


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "zstd", "lz4"])
@pytest.mark.parametrize("rest", [b"x", b"garbage behind it\n", LINES])
def test_bytes_behind_the_end(path: Path, kind: str, rest: bytes) -> None:
    said = refusal(path, COMPRESSED[kind] + rest)
    is_arrows = kind in ("zstd", "lz4")
    assert (
        f"the {kind} data is damaged" if is_arrows else f"behind its {kind} data is no such data"
    ) in said


def test_windows_that_are_too_large(path: Path) -> None:
    """One of 2 GiB, as ``zstd --long=31`` makes of a pipe (RFC 8878, section 3.1.1)."""
    block = (len(LINES) << 3 | 1).to_bytes(3, "little")  # the last one, not compressed
    assert len(LINES) < 1 << 17
    said = refusal(path, b"\x28\xb5\x2f\xfd\0" + bytes([(31 - 10) << 3]) + block + LINES)
    assert said == "input.txt: was compressed with a window of over 128 MiB"


@pytest.mark.parametrize("write", [PARQUET["pandas"], ARROW["pandas feather"]])
def test_tables_cut_short(tmp_path: Path, write: Callable[..., None]) -> None:
    table = tmp_path / "input.parquet"
    write({"text": TEXTS}, table)
    kind = "Parquet" if write is PARQUET["pandas"] else "Arrow"
    content = table.read_bytes()
    for size in (8, 20, len(content) // 2, len(content) - 1):
        table.write_bytes(content[:size])
        with pytest.raises(InputError, match=f"not an? {kind} file, or a damaged one: "):
            Reading(table)


def test_an_arrow_stream_cut_short(tmp_path: Path) -> None:
    table = tmp_path / "input.arrows"
    ARROW["polars stream"]({"text": TEXTS}, table)
    content = table.read_bytes()
    for size in (6, 50, len(content) // 2, len(content) - 40):
        table.write_bytes(content[:size])
        with pytest.raises(InputError, match=r"not an? Arrow file, or a damaged one: "):
            Reading(table)


READ_AND_CUT = """
import os, sys
from llama_cli.errors import InputError
from llama_cli.inputs.resolve import find_inputs
from llama_cli.inputs.sequence import InputSequence, ReadOptions

with InputSequence(find_inputs(sys.argv[1:2]), ReadOptions(keep=("k",))) as rows:
    rows.detect_formats([])
    try:
        for number, record in enumerate(rows):
            if number == int(sys.argv[2]):
                os.truncate(sys.argv[1], os.path.getsize(sys.argv[1]) // 4)
    except InputError as error:
        print(number, error)
"""


@pytest.mark.parametrize(
    ("row", "size"), [(0, 50), (1022, 50), (1023, 50), (1024, 50), (4096, 50), (10, 20_000)]
)
@pytest.mark.parametrize("writer", [pa.ipc.new_file, pa.ipc.new_stream])
def test_an_arrow_file_cut_short_while_it_is_read(
    tmp_path: Path, writer: Any, row: int, size: int
) -> None:
    """It is mapped into memory, where that ends a process that reads on by SIGBUS."""
    path = tmp_path / "in.arrow"
    rows = 8 * 10**6 // size
    table = pa.table({"text": [f"text {n}" * size for n in range(rows)], "k": range(rows)})
    with writer(path, table.schema) as file:
        file.write_table(table, max_chunksize=4096)
    words = [sys.executable, "-c", READ_AND_CUT, path, str(row)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    seen, _, said = done.stdout.partition(" ")
    assert row <= int(seen) < row + 1024
    assert said == "in.arrow: was cut short while it was read\n"


READ_ALL = """
import sys
from pathlib import Path
from llama_cli.errors import InputError
from tests.inputs.reading import Reading

for path in sorted(Path(sys.argv[1]).iterdir()):
    print(path, end=" ", flush=True)
    try:
        print(len(Reading(path, keep="*", on_bad_row="skip").texts))
    except InputError as error:
        print(error)
"""


@pytest.mark.parametrize("writer", [pa.ipc.new_file, pa.ipc.new_stream, pq.ParquetWriter])
def test_a_table_with_changed_bytes_does_not_end_the_process(tmp_path: Path, writer: Any) -> None:
    """Arrow takes offsets in its own files for granted, and crashed for one change of 25."""
    numbers = range(60)
    table = pa.table(
        {
            "text": [f"text {n}" for n in numbers],
            "d": pa.array([f"w{n % 3}" for n in numbers]).dictionary_encode(),
            "l": [[n, None] for n in numbers],
            "s": [{"a": n, "b": ["x"]} for n in numbers],
            "m": pa.array([[("k", n)] for n in numbers], pa.map_(pa.string(), pa.int64())),
            "v": pa.array([f"a longer text {n}" for n in numbers], pa.string_view()),
            "f": pa.array([[n, n] for n in numbers], pa.list_(pa.int32(), 2)),
            "w": pa.array([["x"] * (n % 3) for n in numbers], pa.list_view(pa.string())),
        }
    )
    whole = tmp_path / "whole"
    with writer(whole, table.schema) as file:
        for start in (0, 20, 40):
            file.write_table(table.slice(start, 20))
    damaged, chance = tmp_path / "damaged", random.Random(1)
    damaged.mkdir()
    for number in range(300):
        content = bytearray(whole.read_bytes())
        for _ in range(chance.choice([1, 1, 2, 8])):
            content[chance.randrange(len(content))] = chance.choice([chance.randrange(256), 255, 0])
        (damaged / f"{number}.{'parquet' if writer is pq.ParquetWriter else 'arrow'}").write_bytes(
            content
        )
    words = [sys.executable, "-c", READ_ALL, damaged]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    said = done.stdout.splitlines()
    assert done.returncode == 0, (done.stderr, said[-1])
    assert len(said) == 300
    assert any(line.endswith(" 60") for line in said)
    assert any("damaged" in line for line in said)


def test_a_page_of_parquet_that_cannot_be_decompressed(tmp_path: Path) -> None:
    table = tmp_path / "input.parquet"
    PARQUET["DuckDB zstd"]({"text": TEXTS}, table)
    column = pq.read_metadata(table).row_group(0).column(0)
    content = bytearray(table.read_bytes())
    middle = column.data_page_offset + column.total_compressed_size // 2
    noise = np.random.default_rng(1).bytes(200)
    content[middle : middle + 200] = noise
    table.write_bytes(content)
    with pytest.raises(InputError, match=r"input.parquet: not a Parquet file, or a damaged one: "):
        Reading(table)


def test_messages_are_one_line(path: Path) -> None:
    for kind, compressed in COMPRESSED.items():
        message = refusal(path, compressed[: len(compressed) // 2])
        assert re.fullmatch(rf"[^\n]*{kind}[^\n]*", message)


class Keys(pe.KmsClient):  # type: ignore[misc] - has no types
    """Keeps keys as well as base64 does."""

    def __init__(self, _config: object) -> None:
        pe.KmsClient.__init__(self)

    def wrap_key(self, key: bytes, _master: str) -> bytes:
        return base64.b64encode(key)

    def unwrap_key(self, wrapped: bytes, _master: str) -> bytes:
        return base64.b64decode(wrapped)


def write_encrypted(path: Path, column: str, *, plain_footer: bool) -> None:
    how_to = pe.EncryptionConfiguration(
        footer_key="f", column_keys={"k": [column]}, plaintext_footer=plain_footer
    )
    factory = pe.CryptoFactory(Keys)
    how = factory.file_encryption_properties(pe.KmsConnectionConfig(), how_to)
    table = pa.table({"text": ["one", "two"], "secret": [1, 2], "open": [3, 4]})
    with pq.ParquetWriter(path, table.schema, encryption_properties=how) as writer:
        writer.write_table(table)


def test_what_is_not_encrypted_is_read(tmp_path: Path) -> None:
    """Arrow ends the process where it is asked about a column that is."""
    path = tmp_path / "in.parquet"
    write_encrypted(path, "secret", plain_footer=True)
    assert Reading(path, keep="open").carried == [{"open": 3}, {"open": 4}]
    with pytest.raises(InputError, match="is encrypted, or what is to be read of it"):
        Reading(path, keep="secret")
    for column, plain_footer in (("text", True), ("secret", False)):
        write_encrypted(path, column, plain_footer=plain_footer)
        with pytest.raises(InputError, match="is encrypted, or what is to be read of it"):
            Reading(path)
