"""sentence-transformers on the same GPU, and how fast that GPU multiplies; for bench_gpu.py.

    python tests/benchmarks/gpu_peer.py FOLDER TEXTS...

Needs torch with CUDA, transformers and sentence-transformers. FOLDER has ``vocab.txt``. The model
is all-MiniLM-L6-v2's architecture with random weights, made here: how fast it is does not depend on
what the weights are, and a machine without a network has no others. Each line printed is JSON.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import product
from pathlib import Path

import torch

PRECISIONS = ("fp16", "fp32")
BATCHES = (64, 256, 1024)
ROUNDS = 2  # the first may find the device cold


def main() -> None:
    folder, *texts = map(Path, sys.argv[1:])
    tell(what="device", name=torch.cuda.get_device_name(0), torch=torch.__version__)
    tell(what="peak", tflops=matmul_peak())
    write_model(folder / "model", folder / "vocab.txt")
    from sentence_transformers import SentenceTransformer

    made = {name: SentenceTransformer(modules=modules(folder / "model")) for name in PRECISIONS}
    made["fp16"].half()
    for _ in range(ROUNDS):
        for (precision, model), path, size in product(made.items(), texts, BATCHES):
            rate = texts_per_second(model, path.read_text("utf-8").splitlines(), size)
            tell(what="peer", precision=precision, file=path.stem, batch=size, rate=rate)


def tell(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def matmul_peak() -> float:
    """10**12 operations a second of a large product in half precision, random numbers."""
    left, right = (torch.randn(8192, 8192, device="cuda", dtype=torch.float16) for _ in range(2))
    for _ in range(3):
        left @ right
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(20):
        left @ right
    torch.cuda.synchronize()
    return 20 * 2 * 8192**3 / (time.perf_counter() - started) / 1e12


def write_model(folder: Path, vocabulary: Path) -> None:
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = {name: f"[{name[:-6].upper()}]" for name in ("unk_token", "sep_token", "pad_token")}
    special |= {"cls_token": "[CLS]", "mask_token": "[MASK]"}
    words = BertWordPieceTokenizer(str(vocabulary), lowercase=True)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words._tokenizer, model_max_length=512, **special
    )
    tokenizer.save_pretrained(str(folder))
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
    )
    BertModel(config).save_pretrained(str(folder))


def modules(folder: Path) -> list[object]:
    from sentence_transformers import models

    words = models.Transformer(str(folder), max_seq_length=512)
    return [words, models.Pooling(384, "mean"), models.Normalize()]


def texts_per_second(model: object, lines: list[str], size: int) -> float:
    encode = model.encode  # type: ignore[attr-defined]
    options = {"batch_size": size, "show_progress_bar": False}
    encode(lines[: 2 * size], **options)
    started = time.perf_counter()
    encode(lines, **options)
    return len(lines) / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
