"""Ways to embed lines, each as it is best used: this tool, llama.cpp's others, and its rivals.

A contestant is made once and embeds a file of lines as often as asked, in a process of its own.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from llama_cli.models.builtin.file import DEFAULT_MODEL

CORES = 2
CONTEXT = 512

Run = Callable[[Path, int], float]
"""Embeds a file's lines, some at a time, and returns the seconds it took."""


def read_lines(path: Path) -> list[str]:
    return path.read_text("utf-8").removesuffix("\n").split("\n")


def without_start(seconds: Run) -> Run:
    """Take off what a run with one line takes: loading the model, mostly."""

    def embed(path: Path, setting: int) -> float:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as one:
            one.write("one line\n")
            one.flush()
            start = seconds(Path(one.name), setting)
        return seconds(path, setting) - start

    return embed


def whole_command(_folder: Path) -> Run:
    """Reading, embedding, hashing, writing, committing; less the time of a run with one line."""
    from llama_cli.cli.app import main

    def seconds(path: Path, dedup: int) -> float:
        with tempfile.TemporaryDirectory() as scratch:
            words = ["embed", str(path), "-o", f"{scratch}/out.parquet", "--quiet"]
            words += [
                "--device",
                "cpu",
                "--threads",
                str(CORES),
                "--max-length",
                str(CONTEXT),
                *([] if dedup else ["--no-dedup"]),
            ]
            started = time.perf_counter()
            if code := main(words):
                raise RuntimeError(f"the command ended with code {code}")
            return time.perf_counter() - started

    return without_start(seconds)


def engine_alone(_folder: Path) -> Run:
    """Tokenizing and embedding only, with the model loaded before."""
    from llama_cli.engine.devices import Placement
    from llama_cli.engine.embedder import LlamaEmbedder
    from llama_cli.engine.model import Model
    from llama_cli.engine.options import EmbedderOptions
    from llama_cli.records import TextRecord

    model = Model(DEFAULT_MODEL, Placement((), 0))
    embedder = LlamaEmbedder(model, EmbedderOptions(threads=CORES, dedup=False, max_length=CONTEXT))

    def embed(path: Path, _setting: int) -> float:
        lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
        records = [TextRecord(text, number, 0) for number, text in enumerate(lines, 1)]
        started = time.perf_counter()
        for _ in embedder.embed(records):
            pass
        return time.perf_counter() - started

    return embed


def llama_embed_loop(_folder: Path) -> Run:
    """`Llama.embed` of llama-cpp-python, a text a call."""
    model = _llama(CONTEXT)

    def embed(path: Path, _setting: int) -> float:
        lines = read_lines(path)
        started = time.perf_counter()
        for line in lines:
            model.embed(line, normalize=True)
        return time.perf_counter() - started

    return embed


def llama_embed_list(_folder: Path) -> Run:
    """`Llama.embed` of llama-cpp-python, all texts in one call."""
    models: dict[int, Any] = {}

    def embed(path: Path, batch: int) -> float:
        lines = read_lines(path)
        model = models.setdefault(batch, None) or _llama(batch)
        models[batch] = model
        started = time.perf_counter()
        model.embed(lines, normalize=True)
        return time.perf_counter() - started

    return embed


def _llama(batch: int) -> Any:
    from llama_cpp import Llama

    return Llama(
        str(DEFAULT_MODEL),
        embedding=True,
        n_ctx=batch,
        n_batch=batch,
        n_ubatch=batch,
        n_threads=CORES,
        n_threads_batch=CORES,
        verbose=False,
    )


def llama_embedding(folder: Path) -> Run:
    """The program of llama.cpp; the time of a run with one line is taken off."""

    def seconds(path: Path, batch: int) -> float:
        command = [str(folder / "llama-embedding"), "-m", str(DEFAULT_MODEL), "-f", str(path)]
        command += ["-c", str(batch), "-b", str(batch), "-ub", str(batch), "-t", str(CORES)]
        command += ["--embd-output-format", "array", "--log-disable"]
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - started

    return without_start(seconds)


def sentence_transformers(folder: Path) -> Run:
    """PyTorch on the CPU; it sorts by length by itself."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(CORES)
    model = SentenceTransformer(str(folder / "model"), device="cpu")
    model.max_seq_length = CONTEXT

    def embed(path: Path, batch: int) -> float:
        lines = read_lines(path)
        started = time.perf_counter()
        model.encode(lines, batch_size=batch, normalize_embeddings=True)
        return time.perf_counter() - started

    return embed


def onnx_runtime(folder: Path) -> Run:
    """ONNX Runtime with the model exported to float32, lines sorted by length."""
    import onnxruntime
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "model" / "tokenizer.json"))
    tokenizer.enable_truncation(CONTEXT)
    tokenizer.no_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = CORES
    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )

    def embed(path: Path, batch: int) -> float:
        lines = read_lines(path)
        started = time.perf_counter()
        ids = [encoding.ids for encoding in tokenizer.encode_batch(lines)]
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        vectors = np.empty((len(ids), 384), np.float32)
        for first in range(0, len(order), batch):
            rows = order[first : first + batch]
            vectors[rows] = _pooled(session, [ids[row] for row in rows])
        return time.perf_counter() - started

    return embed


def _pooled(session: Any, ids: Sequence[Sequence[int]]) -> Any:
    """Normalized means of the token vectors of a padded batch."""
    tokens = np.zeros((len(ids), max(map(len, ids))), np.int64)
    mask = np.zeros_like(tokens)
    for row, some in enumerate(ids):
        tokens[row, : len(some)] = some
        mask[row, : len(some)] = 1
    inputs = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
    (hidden,) = session.run(None, inputs)
    sums = (hidden * mask[..., None].astype(np.float32)).sum(axis=1)
    return sums / np.linalg.norm(sums, axis=1, keepdims=True)
