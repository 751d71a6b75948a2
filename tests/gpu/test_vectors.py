"""Vectors of the GPU against sentence-transformers and against the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from llama_cli.models.builtin.file import DEFAULT_MODEL
from tests.conftest import cosines
from tests.gpu.runs import Command
from tests.tiny_models import (
    COMMON_WORDS,
    requantize,
    write_bert,
    write_bpe,
    write_causal,
    write_t5,
)

REFERENCE = Path(__file__).parent.parent / "reference"
WORDS = COMMON_WORDS[:24]


def random_texts(longest: int, count: int = 400) -> list[str]:
    random = np.random.default_rng(0)
    lengths = random.integers(1, longest, count)
    return [f"{number} " + " ".join(random.choice(WORDS, n)) for number, n in enumerate(lengths)]


@pytest.mark.parametrize("name", ["english", "multilingual", "long"])
def test_the_default_model_agrees_with_the_reference(command: Command, name: str) -> None:
    # The reference has been made with all positions of the model, not with its authors' limit.
    run = command.run(REFERENCE / f"{name}.txt", "--max-length", 512)
    with np.load(REFERENCE / "reference.npz") as reference:
        vectors = reference[f"{name}_vectors"]
        counts = reference[f"{name}_token_counts"].tolist()
    # Lines of white space alone are in the reference and not in the output.
    lines = (REFERENCE / f"{name}.txt").read_bytes().removesuffix(b"\n").split(b"\n")
    kept = [row for row, line in enumerate(lines) if line.strip()]
    assert run.column("sequence_length") == [counts[row] for row in kept]
    least = cosines(run.vectors, vectors[kept]).min()
    print(f"least cosine, {name}: {least:.7f}")
    assert least >= 0.9999


# Eight bits cost 0.001 of cosine at most, on a CPU as well.
@pytest.mark.parametrize(("kind", "least"), [("F32", 0.9999), ("BF16", 0.9999), ("Q8_0", 0.998)])
def test_other_types_of_weights(command: Command, tmp_path: Path, kind: str, least: float) -> None:
    model = requantize(DEFAULT_MODEL, tmp_path / f"{kind}.gguf", kind)
    source = REFERENCE / "english.txt"
    gpu = command.run(source, "-m", model, name="gpu").vectors
    cpu = command.run(source, "-m", model, device="cpu", name="cpu").vectors
    with np.load(REFERENCE / "reference.npz") as reference:
        expected = reference["english_vectors"]
    print(
        f"least cosine, {kind}: GPU with CPU {cosines(gpu, cpu).min():.7f}, "
        f"with the reference {cosines(gpu, expected).min():.7f} and CPU's "
        f"{cosines(cpu, expected).min():.7f}"
    )
    assert cosines(gpu, cpu).min() >= least
    assert cosines(gpu, expected).min() >= least


MODELS = {
    "bert": write_bert,
    # Heads of 64, which flash attention on GPUs has and heads of 16 and 32 have not.
    "bert, heads of 64": lambda path: write_bert(path, dim=128, heads=2, n_ctx=512),
    "bert, cls": lambda path: write_bert(path, pooling=2),
    "jina-bert-v2": lambda path: write_bert(path, arch="jina-bert-v2", n_ctx=512),
    "llama": lambda path: write_causal(path, n_ctx=512),
    "qwen2": lambda path: write_causal(path, arch="qwen2", n_ctx=512),
    "qwen3, heads of 64": lambda path: write_causal(
        path, arch="qwen3", dim=256, heads=4, kv_heads=2, n_ctx=512
    ),
    "gemma-embedding": lambda path: write_causal(
        path, arch="gemma-embedding", dim=64, heads=4, layers=6, n_ctx=512, pooling=1
    ),
    "byte pairs": lambda path: write_bpe(path, pre="qwen2"),
    "t5encoder": lambda path: write_t5(path, arch="t5encoder", pooling=1, n_ctx=512),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_model_agrees_with_the_cpu(
    command: Command, tmp_path: Path, name: str
) -> None:
    model = tmp_path / "tiny.gguf"
    MODELS[name](model)
    source = command.write(random_texts(60))
    gpu = command.run(source, "-m", model, name="gpu").vectors
    cpu = command.run(source, "-m", model, device="cpu", name="cpu").vectors
    least = cosines(gpu, cpu).min()
    print(f"least cosine, {name}: {least:.7f}")
    assert least >= 0.9999


def test_a_text_longer_than_a_batch(command: Command, tmp_path: Path) -> None:
    model = write_bert(tmp_path / "tiny.gguf", n_ctx=8192)
    texts = [*random_texts(20, 100), *random_texts(7000, 3), *random_texts(20, 100)]
    source = command.write(texts)
    gpu = command.run(source, "-m", model, name="gpu")
    cpu = command.run(source, "-m", model, device="cpu", name="cpu")
    assert gpu.column("sequence_length") == cpu.column("sequence_length")
    assert cosines(gpu.vectors, cpu.vectors).min() >= 0.9999
