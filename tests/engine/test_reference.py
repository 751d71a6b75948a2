"""The default model against sentence-transformers; see tests/reference/README.md."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from llama_cli.engine.embedder import LlamaEmbedder
from llama_cli.models.builtin.file import DEFAULT_MODEL
from tests.conftest import cosines, embed_all, open_embedder

REFERENCE = Path(__file__).parents[1] / "reference"


@pytest.mark.parametrize("name", ["english", "multilingual", "long"])
def test_vectors_and_token_counts_equal_the_reference(
    default_embedder: LlamaEmbedder, name: str
) -> None:
    texts = (REFERENCE / f"{name}.txt").read_bytes().removesuffix(b"\n").split(b"\n")
    with np.load(REFERENCE / "reference.npz") as reference:
        vectors = reference[f"{name}_vectors"]
        counts = reference[f"{name}_token_counts"]
        checksum = str(reference[f"{name}_sha256"])
    assert hashlib.sha256((REFERENCE / f"{name}.txt").read_bytes()).hexdigest() == checksum
    assert len(texts) == len(vectors)

    ours = embed_all(default_embedder, texts)

    assert ours.lengths == counts.tolist()
    assert cosines(ours.vectors, vectors).min() >= 0.9999
    assert ours.truncated == (44 if name == "long" else 0)
    assert ours.valid.all()


def test_texts_are_truncated_where_the_models_authors_do_it() -> None:
    """At 256 tokens, as sentence-transformers does; the model could read 512."""
    texts = (REFERENCE / "long.txt").read_bytes().removesuffix(b"\n").split(b"\n")
    with np.load(REFERENCE / "reference.npz") as reference:
        counts = reference["long_token_counts"]
    with open_embedder(DEFAULT_MODEL, threads=2) as embedder:
        ours = embed_all(embedder, texts)
    assert ours.lengths == np.minimum(counts, 256).tolist()
    assert ours.truncated == (counts > 256).sum() > 44
