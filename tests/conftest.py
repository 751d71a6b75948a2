"""Models and helpers shared by all tests."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from llama_cli.engine.devices import Placement
from llama_cli.engine.embedder import LlamaEmbedder
from llama_cli.engine.model import Model
from llama_cli.engine.options import EmbedderOptions
from llama_cli.models.builtin.file import DEFAULT_MODEL
from llama_cli.records import TextRecord
from tests.tiny_models import write_bert, write_causal

CPU = Placement((), 0)

# A shell without job control starts background commands deaf to Ctrl-C, and they pass that on: the
# commands that tests interrupt would then rightly go on for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # as under nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@dataclass(frozen=True)
class Embedded:
    """All that an embedder gave for some texts, in one piece."""

    vectors: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    lengths: list[int]
    times: list[int]
    lines: list[int]
    truncated: int
    duplicates: int


def embed_all(embedder: LlamaEmbedder, texts: Sequence[str | bytes]) -> Embedded:
    encoded = [text.encode() if isinstance(text, str) else text for text in texts]
    records = [TextRecord(text, line, 0) for line, text in enumerate(encoded, start=1)]
    batches = list(embedder.embed(records))
    return Embedded(
        vectors=np.concatenate([batch.embeddings for batch in batches]),
        valid=np.concatenate([batch.valid for batch in batches]),
        lengths=[int(n) for batch in batches for n in batch.sequence_lengths],
        times=[int(n) for batch in batches for n in batch.processing_times_ms],
        lines=[record.line for batch in batches for record in batch.records],
        truncated=sum(int(batch.truncated.sum()) for batch in batches),
        duplicates=sum(int(batch.duplicates.sum()) for batch in batches),
    )


@contextlib.contextmanager
def open_embedder(path: Path, **options: object) -> Iterator[LlamaEmbedder]:
    with (
        Model(path, CPU) as model,
        LlamaEmbedder(model, EmbedderOptions(**options)) as embedder,  # type: ignore[arg-type]
    ):
        yield embedder


def cosines(
    left: npt.NDArray[np.float32], right: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    a, b = left.astype(np.float64), right.astype(np.float64)
    return (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


@pytest.fixture(scope="session")
def default_embedder() -> Iterator[LlamaEmbedder]:
    """Truncates at the model's 512 tokens, as what it is compared with does."""
    with open_embedder(DEFAULT_MODEL, threads=2, max_length=512) as embedder:
        yield embedder


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny-bert.gguf"
    write_bert(path)
    return path


@pytest.fixture(scope="session")
def tiny_causal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny-causal.gguf"
    write_causal(path, n_ctx=2048)
    return path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tests away from the user's cache and choice of options."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in list(os.environ):
        if name.startswith("LLAMA_CLI_") and name != "LLAMA_CLI_TORTURE":
            monkeypatch.delenv(name)
