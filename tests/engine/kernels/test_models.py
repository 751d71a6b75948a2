"""Whole models: our kernels against llama.cpp's own and both against transformers.

Which kernels are used is settled once a process, so each runs in a process of its own.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from llama_cli.engine import model as model_module
from llama_cli.engine.devices import Placement
from llama_cli.engine.kernels.installed import find_kernels
from llama_cli.engine.model import Model
from llama_cli.models.builtin.file import DEFAULT_MODEL
from tests.conftest import CPU, cosines, open_embedder
from tests.tiny_models import (
    COMMON_WORDS,
    FILE_TYPES,
    MEAN,
    requantize,
    write_bert,
    write_causal,
)
from tests.tiny_models.more import MORE_ARCHITECTURES

REFERENCE = Path(__file__).parents[2] / "reference"
# What transformers makes of the same weights and tokens: see `make_originals.py`.
ORIGINALS = Path(__file__).parent / "originals.npz"
NOT_IN_TRANSFORMERS = ("bert of odd sizes", "jina-bert-v2", "neo-bert", "nomic-bert-moe")
Vectors = npt.NDArray[np.float32]

MODELS: dict[str, Callable[[Path], Path]] = {
    "bert": lambda path: write_bert(path, dim=96, heads=3, ff=160, n_ctx=512),
    "bert of odd sizes": lambda path: write_bert(path, dim=60, heads=5, ff=101, n_ctx=512),
    "jina-bert-v2": lambda path: write_bert(path, arch="jina-bert-v2", dim=72, heads=3, n_ctx=512),
    "llama": lambda path: write_causal(path, dim=64, heads=4, n_ctx=512),
    "qwen3": lambda path: write_causal(
        path, arch="qwen3", dim=64, heads=4, kv_heads=2, n_ctx=512, pooling=MEAN
    ),
    "gemma-embedding": lambda path: write_causal(
        path, arch="gemma-embedding", dim=64, heads=4, layers=6, n_ctx=512, pooling=MEAN
    ),
}


def lines_of_all_lengths() -> list[str]:
    """Texts of 1 to 400 words, so that batches hold one or many of them."""
    choose = random.Random(3)
    lengths = [*range(1, 60), 70, 100, 130, 200, 3, 400, 2, 250]
    return [" ".join(choose.choices(COMMON_WORDS, k=length)) for length in lengths]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    path.write_text("\n".join(lines_of_all_lengths()) + "\n", "utf-8")
    return path


def embed_with(kernels: str, model: Path, texts: Path, folder: Path) -> Vectors:
    vectors: Vectors = embed_apart_with(kernels, model, texts, folder)["vectors"]
    return vectors


def embed_apart_with(kernels: str, model: Path, texts: Path, folder: Path) -> dict[str, Any]:
    """Vectors and numbers of tokens of a file's lines, under ``vectors`` and ``lengths``."""
    out = folder / f"{kernels}.npz"
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.kernels.embed_apart", model, texts, out],
        env={**os.environ, "LLAMA_CLI_KERNELS": kernels},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == {"off": "llama.cpp's kernels", "auto": "our own kernels"}[kernels]
    with np.load(out) as made:
        return dict(made)


def test_there_are_kernels_to_test() -> None:
    assert find_kernels() is not None, "make setup compiles them"


@pytest.mark.parametrize("name", MODELS | MORE_ARCHITECTURES)
def test_kernels_compute_what_llama_cpp_does(name: str, texts: Path, tmp_path: Path) -> None:
    model = (MODELS | MORE_ARCHITECTURES)[name](tmp_path / "model.gguf")
    theirs = embed_with("off", model, texts, tmp_path)
    ours = embed_with("auto", model, texts, tmp_path)
    assert cosines(ours, theirs).min() > 0.99999
    assert np.allclose(ours, theirs, rtol=0, atol=0.01 * np.abs(theirs).max())
    assert not np.array_equal(ours, theirs), "the kernels were not used"
    with np.load(ORIGINALS) as originals:
        assert (name in originals) == (name not in NOT_IN_TRANSFORMERS)
        if name in originals:
            original = originals[name].astype(np.float32)
            assert min(cosines(ours, original).min(), cosines(theirs, original).min()) > 0.99999


@pytest.mark.parametrize("name", MODELS)
def test_a_vector_is_the_same_in_any_company(name: str, texts: Path, tmp_path: Path) -> None:
    """To the last bit: a run that resumes has other texts beside it in a batch."""
    model = MODELS[name](tmp_path / "model.gguf")
    lines = texts.read_text("utf-8").splitlines()
    order = random.Random(5).sample(range(len(lines)), len(lines) * 2 // 3)
    some = tmp_path / "some.txt"
    some.write_text("".join(lines[place] + "\n" for place in order), "utf-8")
    vectors = embed_with("auto", model, texts, tmp_path)
    assert np.array_equal(embed_with("auto", model, some, tmp_path), vectors[order])


@pytest.mark.parametrize("kind", FILE_TYPES)
def test_kernels_read_every_type_of_weights(kind: str, texts: Path, tmp_path: Path) -> None:
    source = write_bert(tmp_path / "source.gguf", dim=96, heads=3, ff=160, n_ctx=512)
    model = requantize(source, tmp_path / "model.gguf", kind)
    theirs = embed_with("off", model, texts, tmp_path)
    ours = embed_with("auto", model, texts, tmp_path)
    # llama.cpp rounds activations to 8 bits for quantized weights, our kernels do not.
    assert cosines(ours, theirs).min() > (0.999 if kind.startswith("Q") else 0.9999)


def test_large_models_stay_on_llama_cpps_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    with Model(DEFAULT_MODEL, CPU) as model:
        assert model.has_kernels
    monkeypatch.setattr(model_module, "SMALL_MODEL_BYTES", 1 << 20)
    with Model(DEFAULT_MODEL, CPU) as model:
        assert not model.has_kernels


def test_wide_weights_are_not_laid_out_anew_where_that_hides_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loads: list[bool] = []
    load = model_module._load

    def recorded(path: Path, placement: Placement, *, repack: bool, **others: bool) -> object:
        loads.append(repack)
        return load(path, placement, repack=repack, **others)

    monkeypatch.setattr(model_module, "_load", recorded)
    monkeypatch.setattr(model_module, "cpu_features", lambda: {"amx_tile"})
    with open_embedder(DEFAULT_MODEL) as embedder:
        assert embedder.opened.facts.quantization == "F16"
    assert loads == [True, False]


@pytest.mark.parametrize("kernels", ["off", "auto"])
@pytest.mark.parametrize("weights", ["F16", "F32"])
def test_every_configuration_agrees_with_the_reference(
    kernels: str, weights: str, tmp_path: Path
) -> None:
    model = DEFAULT_MODEL
    if weights == "F32":
        model = requantize(DEFAULT_MODEL, tmp_path / "f32.gguf", "F32")
    lines, expected = [], []
    with np.load(REFERENCE / "reference.npz") as reference:
        for name in ("english", "multilingual", "long"):
            lines += (REFERENCE / f"{name}.txt").read_bytes().splitlines()[:300]
            expected.append(reference[f"{name}_vectors"][:300])
    texts = tmp_path / "texts.txt"
    texts.write_bytes(b"\n".join(lines) + b"\n")
    vectors = embed_with(kernels, model, texts, tmp_path)
    assert cosines(vectors, np.concatenate(expected)).min() >= 0.9999
