"""The F32 copy of half-precision weights, for llama.cpp's own kernels."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader

from llama_cli.engine import float_copy
from llama_cli.engine.float_copy import use_faster_weights
from llama_cli.engine.model import Model
from llama_cli.models.builtin.file import DEFAULT_MODEL, DEFAULT_SHA256
from tests.conftest import CPU
from tests.tiny_models import requantize

COPY = f"{DEFAULT_SHA256}.f32.gguf"


@pytest.fixture
def model() -> Iterator[Model]:
    with Model(DEFAULT_MODEL, CPU) as model:
        model.has_kernels = False  # as where none are compiled
        yield model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "f32"


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "llama_cli.engine")


def verdict(monkeypatch: pytest.MonkeyPatch, *, faster: bool) -> None:
    monkeypatch.setattr(float_copy, "_is_faster", lambda *_: faster)


def use(model: Model, folder: Path | None, digest: str = DEFAULT_SHA256) -> None:
    use_faster_weights(model, digest, folder, "mean")


def test_the_copy_holds_the_same_numbers(
    model: Model, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict(monkeypatch, faster=True)
    facts = model.facts
    use(model, folder)
    copied = {tensor.name: tensor.data for tensor in GGUFReader(folder / COPY).tensors}
    for tensor in GGUFReader(DEFAULT_MODEL).tensors:
        assert copied[tensor.name].dtype == np.float32
        assert np.array_equal(copied[tensor.name], tensor.data.astype(np.float32))
    assert model.facts is facts  # provenance names the original's type
    assert model.facts.quantization == "F16"


def test_it_is_made_and_measured_once(
    model: Model, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict(monkeypatch, faster=True)
    use(model, folder)
    made = (folder / COPY).stat()
    monkeypatch.setattr(float_copy, "_write_copy", lambda *_: pytest.fail("made again"))
    monkeypatch.setattr(float_copy, "_is_faster", lambda *_: pytest.fail("measured again"))
    use(model, folder)
    assert (folder / COPY).stat().st_ino == made.st_ino
    assert not list(folder.glob("*.part"))


def test_a_slower_copy_is_removed_and_not_tried_again(
    model: Model, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    verdict(monkeypatch, faster=False)
    use(model, folder)
    assert not (folder / COPY).exists()
    monkeypatch.setattr(float_copy, "_write_copy", lambda *_: pytest.fail("made again"))
    use(model, folder)
    assert "measured not to be faster" in caplog.messages[-1]


def test_the_measurement_is_a_real_one(
    model: Model, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    use(model, folder)
    assert any(line.startswith("a batch takes ") for line in caplog.messages)
    assert (folder / COPY).exists() == (caplog.messages[-1].startswith("weights: an F32 copy"))


def test_weights_that_differ_are_not_used(model: Model, folder: Path, tmp_path: Path) -> None:
    wrong = requantize(DEFAULT_MODEL, tmp_path / "wrong.gguf", "F32")
    reader = GGUFReader(wrong, "r+")
    tensor = next(t for t in reader.tensors if t.name == "blk.3.ffn_up.weight")
    tensor.data[:] = -tensor.data
    del reader, tensor
    assert not float_copy._is_faster(model, wrong, "mean")


@pytest.mark.parametrize(
    ("kernels", "kind", "folder_given", "reason"),
    [
        (True, "F16", True, "which the kernels read as fast"),
        (False, "Q8_0", True, "as in the file (Q8_0)"),
        (False, "F32", True, "as in the file (F32)"),
        (False, "F16", False, "no F32 copies are wanted"),
    ],
)
def test_where_it_is_not_made(
    kernels: bool,
    kind: str,
    folder_given: bool,
    reason: str,
    folder: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = requantize(DEFAULT_MODEL, tmp_path / "model.gguf", kind)
    with Model(path, CPU) as model:
        assert model.has_kernels
        model.has_kernels = kernels
        use(model, folder if folder_given else None)
    assert reason in caplog.messages[-1]
    assert not folder.exists()


def test_large_models_get_none(
    model: Model, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(float_copy, "_LIMIT_BYTES", 90_000_000)
    use(model, folder)
    assert "1 GB or more" in caplog.messages[-1]
    assert not folder.exists()


def test_a_cache_that_cannot_be_written_is_no_error(
    model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    use(model, tmp_path / "file" / "f32")
    assert "Not a directory" in caplog.messages[-1]
    assert caplog.records[-1].levelno == logging.DEBUG


def test_another_run_that_makes_it_is_left_alone(
    model: Model, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.mkdir()
    with (folder / COPY).with_suffix(".part").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        use(model, folder)
    assert not (folder / COPY).exists()
    assert caplog.messages[-1].startswith("weights: [Errno")


def test_what_a_killed_run_left_is_written_anew(
    model: Model, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict(monkeypatch, faster=True)
    folder.mkdir()
    (folder / COPY).with_suffix(".part").write_bytes(b"half a file" * 100)
    use(model, folder)
    assert len(GGUFReader(folder / COPY).tensors) == len(GGUFReader(DEFAULT_MODEL).tensors)
