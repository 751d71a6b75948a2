"""The table of known models: who is recognized, and that its entries are sound."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from llama_cli.engine.embedder import layer_norm_rows
from llama_cli.engine.known_models import KNOWN_MODELS, KnownModel, Matryoshka, find_known
from llama_cli.errors import TextTooLongError, UsageError
from tests.conftest import embed_all, open_embedder
from tests.tiny_models import rewrite, write_bert

SEARCH = "Represent this sentence for searching relevant passages: "

# Names as `general.name` and files have them, with what goes before documents and questions.
NAMES = {
    "nomic-embed-text-v1": ("search_document: ", "search_query: "),
    "nomic-embed-text-v1.5": ("search_document: ", "search_query: "),
    "nomic-embed-text-v1.5.Q8_0": ("search_document: ", "search_query: "),
    "Nomic Embed Text v1.5": ("search_document: ", "search_query: "),
    "nomic-ai/nomic-embed-text-v1.5": ("search_document: ", "search_query: "),
    "nomic-embed-text-v2-moe.Q4_K_M": ("search_document: ", "search_query: "),
    "E5 Small V2": ("passage: ", "query: "),
    "e5-large": ("passage: ", "query: "),
    "Intfloat Multilingual E5 Large": ("passage: ", "query: "),
    "multilingual-e5-base-f16": ("passage: ", "query: "),
    "e5-mistral-7b-instruct-Q4_K_M": (
        "",
        "Instruct: Given a web search query, retrieve relevant passages that answer the query\n"
        "Query: ",
    ),
    "Multilingual E5 Large Instruct": (
        "",
        "Instruct: Given a web search query, retrieve relevant passages that answer the query\n"
        "Query: ",
    ),
    "Bge Small En v1.5": ("", SEARCH),
    "bge-large-en-v1.5-q4_k_m": ("", SEARCH),
    "bge-base-zh-v1.5": ("", "为这个句子生成表示以用于检索相关文章："),
    "bge-m3": ("", ""),
    "Bge M3": ("", ""),
    "bge-m3-FP16": ("", ""),
    "Qwen3 Embedding 0.6b": (
        "",
        "Instruct: Given a web search query, retrieve relevant passages that answer the query\n"
        "Query:",
    ),
    "Qwen3 Embedding 8B Bf16": (
        "",
        "Instruct: Given a web search query, retrieve relevant passages that answer the query\n"
        "Query:",
    ),
    "Qwen3-Embedding-4B-Q5_K_M-00001-of-00002": (
        "",
        "Instruct: Given a web search query, retrieve relevant passages that answer the query\n"
        "Query:",
    ),
    "embeddinggemma-300M": ("title: none | text: ", "task: search result | query: "),
    "embeddinggemma-300M-F32": ("title: none | text: ", "task: search result | query: "),
    "Embeddinggemma 300M Qat Q4_0 Unquantized": (
        "title: none | text: ",
        "task: search result | query: ",
    ),
    "mxbai-embed-large-v1-f16": ("", SEARCH),
    "snowflake-arctic-embed-m": ("", SEARCH),
    "snowflake-arctic-embed-m-long-Q8_0": ("", SEARCH),
    "Snowflake Arctic Embed L": ("", SEARCH),
    "snowflake-arctic-embed-m-v1.5": ("", SEARCH),
    "snowflake-arctic-embed-l-v2.0-Q4_K_M": ("", "query: "),
    "granite-embedding-278m-multilingual": ("", ""),
    "granite-embedding-311m-multilingual-r2": ("", ""),
    "jina-embeddings-v4-text-retrieval-IQ4_XS": ("Passage: ", "Query: "),
    "all-MiniLM-L6-v2": ("", ""),
    "all-MiniLM-L6-v2-ggml-model-f16": ("", ""),
    "All MiniLM L12 v2": ("", ""),
    "paraphrase-multilingual-MiniLM-L12-v2.Q8_0": ("", ""),
}
STRANGERS = [
    "",
    "tiny bert",
    "model",
    "Bge Small",  # of which language?
    "bge",
    "bge-m3-ko",
    "bge-m3-unsupervised",
    "bge-reranker-v2-m3",
    "e5-base-unsupervised",
    "my-e5-base-v2",
    "E5",
    "nomic-embed-text",
    "nomic-embed-text-v1.5-Chatbot-matryoshka",
    "nomic-embed-text-v1x5",
    "nomic-embed-text-v3",
    "nomic-embed-code",
    "Qwen3 0.6B",
    "Qwen3-Reranker-0.6B",
    "Qwen3-VL-Embedding-2B",
    "snowflake-arctic-embed-l-v2.0-ko",
    "jina-embeddings-v3",
    "gemma-3-300m",
    "paraphrase-mpnet-base-v2",
    "all-MiniLM-L6-v2-finetuned",
    "x" * 1000,
    "-q8-0" * 200,
]
CUTS = {
    "nomic-embed-text-v1": None,
    "nomic-embed-text-v1.5": Matryoshka(least=64, layer_norm=True),
    "nomic-embed-text-v2-moe": Matryoshka(least=256),
    "Qwen3-Embedding-0.6B": Matryoshka(least=32),
    "embeddinggemma-300m": Matryoshka(widths=(512, 256, 128)),
    "mxbai-embed-large-v1": Matryoshka(widths=(512,)),
    "snowflake-arctic-embed-m": None,
    "snowflake-arctic-embed-m-v1.5": Matryoshka(widths=(256,)),
    "snowflake-arctic-embed-m-v2.0": Matryoshka(widths=(256,)),
    "granite-embedding-311m-multilingual-r2": Matryoshka(widths=(512, 384, 256, 128)),
    "e5-base-v2": None,
    "bge-m3": None,
    "all-MiniLM-L6-v2": None,
}


def named(folder: Path, name: str) -> Path:
    target = folder / "named.gguf"
    return rewrite(write_bert(folder / "plain.gguf"), target, changes={"general.name": name})


def known(name: str) -> KnownModel:
    found = find_known(name)
    assert found is not None
    return found


class TestNames:
    @pytest.mark.parametrize("name", NAMES)
    def test_recognized(self, name: str) -> None:
        found = known(name)
        assert (found.prompt("document"), found.prompt("query")) == NAMES[name]
        assert found.wants_prompt == bool(NAMES[name][0])

    @pytest.mark.parametrize("name", STRANGERS)
    def test_strangers(self, name: str) -> None:
        assert find_known(name) is None

    def test_the_files_name_counts_where_the_models_own_says_nothing(self) -> None:
        assert find_known("Bge Small", "bge-small-en-v1.5-q8_0") is find_known("bge-small-en")
        assert find_known("bge-m3", "e5-base") is find_known("bge-m3")

    def test_one_entry_at_most_fits_a_name(self) -> None:
        for name in (*NAMES, *CUTS):
            assert sum(model.is_called(name) for model in KNOWN_MODELS) == 1

    @pytest.mark.parametrize("name", CUTS)
    def test_how_vectors_may_be_cut(self, name: str) -> None:
        assert known(name).matryoshka == CUTS[name]


class TestTable:
    @pytest.mark.parametrize("model", KNOWN_MODELS, ids=lambda model: model.name)
    def test_an_entry_is_sound(self, model: KnownModel) -> None:
        assert model.sources
        assert all(re.fullmatch(r"https://\S+", source) for source in model.sources)
        first = model.name.partition(",")[0]
        assert model.is_called(first)
        assert model.is_called(f"{model.owner}/{first}")
        for prompt in (model.document, model.query):
            assert prompt == "" or prompt.endswith((": ", "Query:", "："))

    def test_every_entry_has_a_name_among_the_tests(self) -> None:
        assert {known(name).name for name in (*NAMES, *CUTS)} == {m.name for m in KNOWN_MODELS}


class TestLayerNorm:
    def test_rows_are_as_numpy_has_them(self) -> None:
        vectors = np.random.default_rng(1).normal(3, 2, (5, 48)).astype(np.float32)
        wide = vectors.astype(np.float64)
        mean, variance = wide.mean(1, keepdims=True), ((wide - wide.mean(1, keepdims=True)) ** 2)
        expected = (wide - mean) / np.sqrt(variance.mean(1, keepdims=True) + 1e-5)
        layer_norm_rows(vectors)
        np.testing.assert_allclose(vectors, expected, atol=1e-6)

    def test_equal_numbers_become_zeros(self) -> None:
        vectors = np.array([[2.0, 2.0, 2.0], [0.0, 0.0, 0.0]], np.float32)
        layer_norm_rows(vectors)
        assert not vectors.any()

    @pytest.mark.parametrize("normalize", [True, False])
    def test_nomics_vectors_are_normalized_cut_and_scaled(
        self, tmp_path: Path, normalize: bool
    ) -> None:
        path = named(tmp_path, "nomic-embed-text-v1.5")
        texts = ["water and time", "the light of the day", "cat"]
        with open_embedder(path, normalize=False) as embedder:
            assert not embedder.opened.layer_norm
            whole = embed_all(embedder, texts).vectors.astype(np.float64)
        with open_embedder(path, dims=20, normalize=normalize) as embedder:
            assert embedder.opened.layer_norm
            made = embed_all(embedder, texts).vectors
        spread = np.sqrt(whole.var(axis=1, keepdims=True) + 1e-5)
        expected = ((whole - whole.mean(axis=1, keepdims=True)) / spread)[:, :20]
        if normalize:
            expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(made, expected, atol=1e-5)

    def test_nothing_is_done_to_whole_vectors_or_to_other_models(self, tmp_path: Path) -> None:
        path = named(tmp_path, "nomic-embed-text-v1.5")
        with open_embedder(path) as plain, open_embedder(path, dims=32) as whole:
            assert not whole.opened.layer_norm
            left, right = (embed_all(one, ["water", "time"]).vectors for one in (plain, whole))
        assert np.array_equal(left, right)
        with open_embedder(named(tmp_path, "nomic-embed-text-v2-moe"), dims=16) as embedder:
            assert not embedder.opened.layer_norm


class TestTask:
    def test_the_prompt_stays_when_the_text_is_cut(self, tmp_path: Path) -> None:
        path = named(tmp_path, "e5-small-v2")
        long = "water time " * 200
        with (
            open_embedder(path, task="document", max_length=16) as by_task,
            open_embedder(path, max_length=16) as plain,
        ):
            ids = by_task._tokenizer.tokenize(long.encode()).ids.tolist()
            assert len(ids) == 16
            whole = plain._tokenizer.tokenize(f"passage: {long}".encode()).ids.tolist()
            prompt = plain._tokenizer.tokenize(b"passage:").ids.tolist()[:-1]
        assert ids == whole
        assert ids[: len(prompt)] == prompt
        assert ids[-1] == 102  # [SEP]

    def test_a_text_too_long_only_with_its_prompt(self, tmp_path: Path) -> None:
        path = named(tmp_path, "e5-small-v2")
        text = "water " * 10
        with open_embedder(path, max_length=12, on_long="error") as embedder:
            assert embed_all(embedder, [text]).lengths == [12]
        with (
            open_embedder(path, task="query", max_length=12, on_long="error") as embedder,
            pytest.raises(TextTooLongError, match="line 1: .* more than 12 tokens"),
        ):
            embed_all(embedder, [text])

    def test_a_prompt_that_leaves_no_room(self, tmp_path: Path) -> None:
        path = named(tmp_path, "bge-large-en-v1.5")
        with (
            pytest.raises(UsageError, match=r"the prompt has \d+ tokens, and a text may have 6"),
            open_embedder(path, task="query", max_length=8),
        ):
            pass

    def test_a_prompt_in_another_script(self, tmp_path: Path) -> None:
        path = named(tmp_path, "bge-base-zh-v1.5")
        prompt = "为这个句子生成表示以用于检索相关文章："
        with (
            open_embedder(path, task="query") as by_task,
            open_embedder(path, task="document") as plain,
        ):
            assert (by_task.opened.prompt, plain.opened.prompt) == (prompt, "")
            left = embed_all(by_task, ["世界 cat", "água"])
            right = embed_all(plain, [f"{prompt}世界 cat", f"{prompt}água"])
        assert np.array_equal(left.vectors, right.vectors)
        assert left.lengths == right.lengths
