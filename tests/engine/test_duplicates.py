"""Repeated texts are computed once, and nobody can tell from their vectors."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from llama_cli.engine.batching import Answer, RecentTexts
from tests.conftest import cosines, embed_all, open_embedder

DISTINCT = [f"water {i} and {'time ' * (i % 20)}" for i in range(200)]


@pytest.fixture
def shuffled() -> list[str]:
    texts = DISTINCT * 4
    random.Random(1).shuffle(texts)
    return texts


def test_rows_are_the_same_as_without(tiny_bert: Path, shuffled: list[str]) -> None:
    with open_embedder(tiny_bert, threads=3) as embedder:
        once = embed_all(embedder, shuffled)
    with open_embedder(tiny_bert, threads=3, dedup=False) as embedder:
        each = embed_all(embedder, shuffled)
    assert (once.duplicates, each.duplicates) == (600, 0)
    assert once.lines == each.lines
    assert once.lengths == each.lengths
    assert once.truncated == each.truncated
    assert cosines(once.vectors, each.vectors).min() > 0.99999


def test_equal_texts_get_exactly_equal_vectors(tiny_bert: Path, shuffled: list[str]) -> None:
    with open_embedder(tiny_bert, threads=3) as embedder:
        vectors = embed_all(embedder, shuffled).vectors
    first = {text: vectors[row] for row, text in reversed(list(enumerate(shuffled)))}
    assert all(np.array_equal(first[text], vectors[row]) for row, text in enumerate(shuffled))


def test_one_line_a_hundred_thousand_times(tiny_bert: Path) -> None:
    with open_embedder(tiny_bert) as embedder:
        result = embed_all(embedder, ["water and time"] * 100_000)
    assert result.duplicates == 99_999
    assert len(result.vectors) == 100_000
    assert sum(result.times) == result.times[0]


def test_a_repeated_text_without_a_vector_has_none_either(tiny_bert: Path) -> None:
    from gguf import GGUFReader

    path = tiny_bert.with_name("poisoned.gguf")
    path.write_bytes(tiny_bert.read_bytes())
    reader = GGUFReader(path, "r+")
    pieces = reader.fields["tokenizer.ggml.tokens"].contents()
    table = next(t for t in reader.tensors if t.name == "token_embd.weight")
    table.data[pieces.index("\u2581water")] = np.nan
    reader.data.flush()
    with open_embedder(path) as embedder:
        assert embed_all(embedder, ["time", "water", "water"]).valid.tolist() == [
            True,
            False,
            False,
        ]


def test_a_run_cut_short_leaves_nothing_to_the_next(tiny_bert: Path) -> None:
    from llama_cli.records import TextRecord

    with open_embedder(tiny_bert) as embedder:
        unfinished = embedder.embed(TextRecord(text.encode(), 1, 1) for text in DISTINCT)
        next(unfinished)
        unfinished.close()  # type: ignore[attr-defined]
        assert len(embed_all(embedder, DISTINCT).vectors) == len(DISTINCT)


def test_the_least_recently_seen_is_forgotten_first() -> None:
    recent = RecentTexts(100, budget_bytes=3 * (4 * 100 + 400))
    answers = {text: Answer(1, truncated=False) for text in (b"a", b"b", b"c", b"d")}
    for text in (b"a", b"b", b"c"):
        recent.add(text, answers[text])
    assert recent.find(b"a") is answers[b"a"]
    recent.add(b"d", answers[b"d"])
    assert recent.find(b"b") is None
    assert recent.find(b"a") is answers[b"a"]
    assert recent.find(b"c") is answers[b"c"]


def test_a_forgotten_answer_still_reaches_those_who_wait(tiny_bert: Path) -> None:
    """So few are remembered that each is forgotten before it is computed."""
    texts = [text for text in DISTINCT[:50] for _ in range(2)]
    with open_embedder(tiny_bert) as embedder:
        embedder._recent = RecentTexts(32, budget_bytes=1)
        result = embed_all(embedder, texts)
    assert result.duplicates == 50
    assert np.array_equal(result.vectors[::2], result.vectors[1::2])
