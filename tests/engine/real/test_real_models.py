"""Real models against their originals: transformers in float32 and the model's own tokenizer.

The references were made at 512 tokens, one length at a time without padding, special tokens in a
text read as plain text. ``python -m pytest -s`` prints the figures.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import cosines
from tests.engine.kernels.test_models import embed_apart_with
from tests.engine.real.weights import REAL_MODELS
from tests.tiny_models import requantize

HERE = Path(__file__).parent
LINES = HERE / "lines.txt"
# The least cosine of any line to the original's float32 vector.
BOUNDS = {"F16": 0.99999, "Q8_0": 0.9985, "Q4_0": 0.94}


@pytest.fixture(scope="module")
def float_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes the float32 file of a model, once."""
    folder = tmp_path_factory.mktemp("real")

    def make(name: str) -> Path:
        path = folder / f"{name}.gguf"
        if not path.exists():
            (folder / name).mkdir()
            REAL_MODELS[name].write(path, folder / name)
        return path

    return make


@pytest.mark.parametrize("name", REAL_MODELS)
@pytest.mark.parametrize("kind", BOUNDS)
def test_vectors_and_tokens_are_the_originals(
    name: str, kind: str, float_model: Callable[[str], Path], tmp_path: Path
) -> None:
    model = requantize(float_model(name), tmp_path / "model.gguf", kind)
    with np.load(HERE / "references.npz") as reference:
        vectors, counts = reference[f"{name}_vectors"], reference[f"{name}_token_counts"]
    for kernels in ("auto", "off"):
        made = embed_apart_with(kernels, model, LINES, tmp_path)
        assert made["lengths"].tolist() == counts.tolist()
        found = cosines(made["vectors"], vectors.astype(np.float32))
        print(f"{name} {kind} {kernels}: least {found.min():.7f}, median {np.median(found):.7f}")
        assert found.min() > BOUNDS[kind]
