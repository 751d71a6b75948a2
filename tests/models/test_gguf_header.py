"""The short look into a GGUF file: what it finds, and that no file can harm it."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from llama_cli.engine.model import Model
from llama_cli.errors import ModelError
from llama_cli.models.builtin.file import DEFAULT_MODEL
from llama_cli.models.gguf_header import HeaderFacts, read_header
from tests.conftest import CPU
from tests.tiny_models import rewrite, write_causal


def test_it_agrees_with_llama_cpp(tiny_bert: Path, tmp_path: Path) -> None:
    causal = write_causal(tmp_path / "x.gguf", arch="qwen3", dim=48, n_ctx=128)
    for path in (DEFAULT_MODEL, tiny_bert, causal):
        with Model(path, CPU) as model:
            facts = model.facts
        header = read_header(path)
        assert header == HeaderFacts(facts.architecture, facts.dimension, facts.context)


def test_vectors_may_be_narrower_than_the_layers(tiny_bert: Path, tmp_path: Path) -> None:
    path = rewrite(tiny_bert, tmp_path / "x.gguf", changes={"bert.embedding_length_out": 16})
    assert read_header(path).dimension == 16
    with Model(path, CPU, vocabulary_only=True) as model:
        assert model.facts.dimension == 16
        assert model.facts.width == 32


def header(*values: bytes, keys: int = 1) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, 0, keys) + b"".join(values)


def string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\3\4" * 100,
        b"GGUF",
        b"GGUF" + struct.pack("<IQQ", 99, 0, 0),
        header(keys=1 << 60),
        header(struct.pack("<Q", 1 << 62)),
        header(string(b"key") + struct.pack("<I", 77)),
        header(string(b"key") + struct.pack("<IIQ", 9, 4, 1 << 61)),
        header(string(b"key") + struct.pack("<IIQ", 9, 8, 1 << 61)),
        header(string(b"key") + struct.pack("<IIQ", 9, 9, 1)),
        header(string(b"key") + struct.pack("<I", 10)),
    ],
)
def test_unsound_files_are_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is not a sound GGUF file"):
        read_header(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot read"):
        read_header(tmp_path / "x.gguf")


def test_damage_anywhere_is_an_error_or_nothing(tiny_bert: Path, tmp_path: Path) -> None:
    dice, whole = random.Random(1), tiny_bert.read_bytes()[:12_000]
    path = tmp_path / "x.gguf"
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(dice.randint(1, 8)):
            damaged[dice.randrange(600)] = dice.randrange(256)
        path.write_bytes(damaged)
        try:
            read_header(path)
        except ModelError:
            continue
