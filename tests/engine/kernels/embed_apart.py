"""Embeds lines in a process of its own, so that it may use other kernels than the tests' process.

python -m tests.engine.kernels.embed_apart MODEL TEXTS OUT.npz
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tests.conftest import embed_all, open_embedder


def main() -> None:
    model, texts, out = map(Path, sys.argv[1:])
    lines = texts.read_bytes().removesuffix(b"\n").split(b"\n")
    with open_embedder(model, threads=2, normalize=False, max_length=512) as embedder:
        made = embed_all(embedder, lines)
        np.savez(out, vectors=made.vectors, lengths=made.lengths)
        print(embedder.opened.arithmetic)


if __name__ == "__main__":
    main()
