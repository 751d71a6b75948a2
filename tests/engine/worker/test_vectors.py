"""The vectors are those of the engine in this process; only the process is another."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from llama_cli.engine.worker.engine import WorkerEngine
from tests.conftest import Embedded, cosines, embed_all, open_embedder
from tests.engine.worker.engines import engine_options, numbered, open_engine, process_id, records

MB = 1 << 20
LETTERS = [
    "naïve café",
    "時間と水",
    "а б в",
    "🙂" * 50,
    "e\u0301",
    "\u200b",
    "nul \x00 inside",
    " ",
]
HUGE = ["water time " * (MB // 11), "x" * MB, "🙂 " * (MB // 5), "時" * (MB // 3)]


def mixed() -> list[str]:
    """Four thousand texts of all kinds, some of them several times."""
    texts = numbered(3000) + numbered(600) + LETTERS * 50
    for place, text in enumerate(HUGE * 2):
        texts.insert(place * 411, text)
    return texts


def both(path: Path, texts: Sequence[str], **options: object) -> tuple[Embedded, Embedded]:
    with open_engine(path, **options) as engine:
        apart = embed_all(engine, texts)  # type: ignore[arg-type]
    with open_embedder(path, **{"threads": 2, **options}) as embedder:
        return apart, embed_all(embedder, texts)


def assert_equal(apart: Embedded, here: Embedded) -> None:
    assert apart.lines == here.lines == list(range(1, len(here.lines) + 1))
    assert apart.lengths == here.lengths
    assert np.array_equal(apart.valid, here.valid)
    assert (apart.truncated, apart.duplicates) == (here.truncated, here.duplicates)
    assert cosines(apart.vectors, here.vectors).min() >= 0.99999


@pytest.mark.parametrize(
    ("kind", "dedup"), [("tiny_bert", True), ("tiny_bert", False), ("tiny_causal", True)]
)
def test_thousands_of_texts_of_all_kinds(
    kind: str, request: pytest.FixtureRequest, dedup: bool
) -> None:
    apart, here = both(request.getfixturevalue(kind), mixed(), dedup=dedup)
    assert_equal(apart, here)
    assert here.truncated >= 4
    assert bool(here.duplicates) is dedup


def test_options_reach_the_other_process(tiny_bert: Path) -> None:
    options = {"pooling": "cls", "normalize": False, "max_length": 10}
    texts = numbered(50)
    apart, here = both(tiny_bert, texts, **options)
    assert_equal(apart, here)
    assert np.allclose(apart.vectors, here.vectors, rtol=1e-4, atol=1e-5)
    assert not np.allclose(np.linalg.norm(apart.vectors, axis=1), 1, atol=0.01)
    assert max(apart.lengths) == 10


def test_texts_are_the_callers_own(tiny_bert: Path) -> None:
    """They are not sent back: the ones that were read are handed out, ends and all."""
    given = [*records(numbered(500))]
    with open_engine(tiny_bert) as engine:
        batches = list(engine.embed(given))
    got = [record for batch in batches for record in batch.records]
    assert all(one is other for one, other in zip(got, given, strict=True))


def test_no_text_gives_no_batch(tiny_bert: Path) -> None:
    with open_engine(tiny_bert) as engine:
        assert list(engine.embed([])) == []


@pytest.mark.parametrize("text", ["water", "", "water time " * 5000])
def test_one_text(tiny_bert: Path, text: str) -> None:
    assert_equal(*both(tiny_bert, [text]))


def test_one_run_after_another(tiny_bert: Path) -> None:
    texts = numbered(300)
    with open_engine(tiny_bert) as engine:
        first = embed_all(engine, texts)  # type: ignore[arg-type]
        assert list(engine.embed([])) == []
        second = embed_all(engine, texts)  # type: ignore[arg-type]
    assert_equal(second, first)
    assert second.duplicates == 0


def test_a_run_cut_short_leaves_nothing_to_the_next(tiny_bert: Path) -> None:
    """Its vectors would else be taken for those of the other texts."""
    with open_engine(tiny_bert) as engine:
        unfinished = engine.embed(records(f"light {number}" for number in itertools.count()))
        next(unfinished)
        unfinished.close()  # type: ignore[attr-defined]
        after = embed_all(engine, numbered(300))  # type: ignore[arg-type]
    with open_embedder(tiny_bert) as embedder:
        assert_equal(after, embed_all(embedder, numbered(300)))


def test_two_engines_side_by_side(tiny_bert: Path, tiny_causal: Path) -> None:
    texts = numbered(500)
    with open_engine(tiny_bert) as first, open_engine(tiny_causal) as second:
        assert process_id(first) != process_id(second)
        pairs = list(zip(first.embed(records(texts)), second.embed(records(texts)), strict=False))
    assert len(pairs) >= 2
    assert not np.allclose(pairs[0][0].embeddings[:2], pairs[0][1].embeddings[:2])


def test_what_the_model_says_of_itself(tiny_bert: Path) -> None:
    options = engine_options(tiny_bert, max_length=33)
    with WorkerEngine() as engine, open_embedder(tiny_bert) as embedder:
        opened = engine.open(options)
        assert opened.facts == embedder.opened.facts
        assert (opened.pooling, opened.max_length, opened.dimension) == ("mean", 33, 32)
        assert opened.llama_cpp_version.count(".") == 2
