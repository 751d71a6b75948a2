"""Kernels that are missing, or were made for something else."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llama_cli.engine.kernels import installed
from llama_cli.engine.kernels.backend import KernelLibrary, use_kernels
from llama_cli.engine.kernels.installed import LIBRARY, MANIFEST, NotUsableError, find_kernels
from llama_cli.errors import UsageError
from llama_cli.records import FloatMatrix

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the compiled kernels, used in their place."""
    copy = tmp_path / "kernels"
    shutil.copytree(installed.kernels_folder(), copy)
    monkeypatch.setattr(installed, "kernels_folder", lambda: copy)
    assert find_kernels() == copy / LIBRARY
    return copy


def test_no_kernels_are_no_error(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / LIBRARY).unlink()
    assert find_kernels() is None
    with caplog.at_level(logging.WARNING, "llama_cli"):
        assert use_kernels.__wrapped__() is False
    assert not caplog.records


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.update(llama_cpp_python="0.1"), "built for llama-cpp-python 0.1, not 0."),
        (lambda m: m.update(ggml="00"), "another build of llama.cpp"),
        (lambda m: m.update(sources="00"), "other source files"),
        (lambda m: m["cpu"].append("avx4096"), "a CPU with avx4096"),
        (lambda m: m.pop("cpu"), "cannot be read"),
        (lambda m: m.update(cpu=None), "cannot be read"),
    ],
)
def test_kernels_for_something_else_are_left_alone_with_a_warning(
    folder: Path, change: Change, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(NotUsableError, match=reason):
        find_kernels()
    with caplog.at_level(logging.WARNING, "llama_cli"):
        assert use_kernels.__wrapped__() is False
    (record,) = caplog.records
    assert reason in record.getMessage()
    assert "python -m llama_cli.engine.kernels.build" in record.getMessage()


@pytest.mark.parametrize("damage", [b"", b"not a library"])
def test_a_damaged_library_is_left_alone_with_a_warning(
    folder: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / LIBRARY).unlink()
    (folder / LIBRARY).write_bytes(damage)
    with caplog.at_level(logging.WARNING, "llama_cli"):
        assert use_kernels.__wrapped__() is False
    assert len(caplog.records) == 1


def test_an_unknown_choice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_CLI_KERNELS", "fast")
    with pytest.raises(UsageError, match="LLAMA_CLI_KERNELS=fast: it may be auto, off"):
        use_kernels.__wrapped__()


def test_kernels_that_compute_wrong_results_are_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def wrong(_self: KernelLibrary, x: FloatMatrix, weights: FloatMatrix) -> FloatMatrix:
        return np.zeros((len(x), len(weights)), np.float32)

    monkeypatch.setattr(KernelLibrary, "multiply", wrong)
    with caplog.at_level(logging.WARNING, "llama_cli"):
        assert use_kernels.__wrapped__() is False
    (record,) = caplog.records
    assert "wrong results on this CPU" in record.getMessage()
