"""A text's vector does not depend on what else is in its batch, on threads or on order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from llama_cli.engine.embedder import LlamaEmbedder, normalize_rows
from tests.conftest import cosines, embed_all, open_embedder

TEXTS = ["hello world", "a", "the quick brown fox " * 3, "", "time and water", "x y z"] * 20


def test_batch_equals_alone_with_the_default_model(default_embedder: LlamaEmbedder) -> None:
    texts = [*TEXTS[:12], "a much longer text about rivers and mountains " * 40]
    together = embed_all(default_embedder, texts)
    alone = [embed_all(default_embedder, [text]) for text in texts]
    assert cosines(together.vectors, np.concatenate([a.vectors for a in alone])).min() > 0.99999
    assert together.lengths == [a.lengths[0] for a in alone]


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
@pytest.mark.parametrize("kind", ["tiny_bert", "tiny_causal"])
def test_batch_equals_alone(kind: str, pooling: str, request: pytest.FixtureRequest) -> None:
    with open_embedder(request.getfixturevalue(kind), pooling=pooling) as embedder:
        together = embed_all(embedder, TEXTS)
        alone = np.concatenate([embed_all(embedder, [text]).vectors for text in TEXTS])
    assert cosines(together.vectors, alone).min() > 0.99999


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_order_is_kept_whatever_the_threads(tiny_bert: Path, threads: int) -> None:
    texts = [" ".join(["water"] * (1 + i % 50)) for i in range(1000)]
    with open_embedder(tiny_bert, threads=threads) as embedder:
        result = embed_all(embedder, texts)
    assert result.lines == list(range(1, 1001))
    assert result.lengths == [3 + i % 50 for i in range(1000)]


def test_a_consumer_that_stops_early_leaves_no_work_running(tiny_bert: Path) -> None:
    from llama_cli.records import TextRecord

    read = 0

    def endless() -> object:
        nonlocal read
        while True:
            read += 1
            yield TextRecord(b"hello world %d" % read, read, 0)

    with open_embedder(tiny_bert, threads=2) as embedder:
        batches = embedder.embed(endless())  # type: ignore[arg-type]
        next(batches)
        batches.close()  # type: ignore[attr-defined]
        assert read < 1000, "reading ran ahead of the consumer"
        assert embed_all(embedder, ["still usable"]).valid.all()


def test_vectors_have_length_one_unless_told_otherwise(tiny_bert: Path) -> None:
    with open_embedder(tiny_bert) as embedder:
        scaled = embed_all(embedder, TEXTS).vectors
    with open_embedder(tiny_bert, normalize=False) as embedder:
        raw = embed_all(embedder, TEXTS).vectors
    assert np.linalg.norm(scaled, axis=1) == pytest.approx(1, abs=1e-6)
    assert abs(np.linalg.norm(raw, axis=1) - 1).max() > 0.01
    assert cosines(scaled, raw).min() > 0.999999


def test_a_row_of_zeros_stays_zero() -> None:
    rows = np.array([[0, 0], [3, 4], [1e-30, 0]], np.float32)
    normalize_rows(rows)
    assert rows.tolist() == [[0, 0], [pytest.approx(0.6), pytest.approx(0.8)], [1, 0]]


def test_times_of_a_batch_are_shared_by_tokens(default_embedder: LlamaEmbedder) -> None:
    result = embed_all(default_embedder, ["word", "word " * 98, "word " * 148])
    assert result.lengths == [3, 100, 150]  # together in one batch
    one, hundred, more = result.times
    assert hundred > 3
    assert one == pytest.approx(hundred * 3 / 100, abs=1)
    assert more == pytest.approx(hundred * 1.5, abs=1.5)
