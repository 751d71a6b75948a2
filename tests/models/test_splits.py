"""Models in several files: found, known again, and the same to llama.cpp as in one."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from llama_cli.engine.worker.engine import model_signature
from llama_cli.errors import ModelError, UsageError
from llama_cli.models.resolve import resolve_model
from llama_cli.splits import first_part_name, part_names, size_of_parts
from tests.conftest import embed_all
from tests.engine.worker.engines import open_engine
from tests.tiny_models import split_model, write_bert

TEXTS = ["hello world", "the light of the day", "water"]


@pytest.fixture
def parts(tiny_bert: Path, tmp_path: Path) -> list[Path]:
    found = split_model(tiny_bert, tmp_path / "split")
    assert len(found) == 4
    return found


def test_names() -> None:
    assert part_names("a/x-00002-of-00002.gguf") == [
        "a/x-00001-of-00002.gguf",
        "a/x-00002-of-00002.gguf",
    ]
    for whole in ("x.gguf", "x-1-of-2.gguf", "x-00001-of-00000.gguf", "-00001-of-00002.gguf"):
        assert part_names(whole) == [whole]
    assert first_part_name("x-00007-of-00009.gguf") == "x-00001-of-00009.gguf"


class TestFinding:
    def test_any_part_names_the_model(self, parts: list[Path]) -> None:
        assert resolve_model(str(parts[0]), None).path == parts[0]
        assert resolve_model(str(parts[2]), None).path == parts[0]
        assert resolve_model(str(parts[0].parent), parts[3].name).path == parts[0]

    def test_a_folder_of_one_split_model_is_no_choice(
        self, parts: list[Path], tiny_bert: Path
    ) -> None:
        folder = parts[0].parent
        assert resolve_model(str(folder), None).path == parts[0]
        shutil.copy(tiny_bert, folder / "whole.gguf")
        with pytest.raises(UsageError) as caught:
            resolve_model(str(folder), None)
        assert caught.value.hint == "there are: split-00001-of-00004.gguf, whole.gguf"

    def test_a_missing_part_is_named(self, parts: list[Path]) -> None:
        parts[2].unlink()
        for model in (parts[0], parts[3], parts[0].parent):
            with pytest.raises(ModelError, match=f"{parts[2]}: this part") as caught:
                resolve_model(str(model), None)
            assert caught.value.hint == "put all 4 of its parts into one folder"


class TestIdentity:
    def test_it_covers_all_parts(self, parts: list[Path]) -> None:
        model = resolve_model(str(parts[0]), None)
        own = [hashlib.sha256(part.read_bytes()).digest() for part in parts]
        assert model.sha256() == hashlib.sha256(b"".join(own)).hexdigest()
        parts[3].write_bytes(parts[3].read_bytes() + b"x")
        assert model.sha256() != hashlib.sha256(b"".join(own)).hexdigest()

    @pytest.mark.parametrize("which", [0, 3])
    def test_replacing_any_part_is_noticed(self, parts: list[Path], which: int) -> None:
        before = model_signature(parts[0])
        shutil.copy(parts[which], parts[which].with_suffix(".new"))
        parts[which].with_suffix(".new").replace(parts[which])
        assert model_signature(parts[0]) not in (before, None)

    def test_the_size_is_that_of_all(self, parts: list[Path]) -> None:
        assert size_of_parts(parts[0]) == sum(part.stat().st_size for part in parts)


def test_the_vectors_are_those_of_the_whole(parts: list[Path], tiny_bert: Path) -> None:
    with open_engine(tiny_bert) as whole, open_engine(parts[0]) as split:
        assert np.array_equal(embed_all(whole, TEXTS).vectors, embed_all(split, TEXTS).vectors)


def test_an_f32_copy_is_made_of_all_parts(tmp_path: Path) -> None:
    """`--f32-cache` has llama.cpp write the model anew."""
    from llama_cli.engine.float_copy import _write_copy
    from llama_cli.engine.model import Model
    from tests.conftest import CPU
    from tests.tiny_models import requantize

    half = requantize(write_bert(tmp_path / "x.gguf"), tmp_path / "half.gguf", "F16")
    first = split_model(half, tmp_path / "split")[0]
    _write_copy(first, tmp_path / "copy.gguf")
    with Model(tmp_path / "copy.gguf", CPU) as model:
        assert model.facts.quantization == "F32"
