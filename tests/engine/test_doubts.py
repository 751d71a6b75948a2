"""Files whose vectors would not be those of the model: a warning in one line, or a refusal."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from llama_cli.engine.doubts import find_doubts
from llama_cli.engine.model import Model
from llama_cli.engine.native_tokenizer import NativeTokenizer
from llama_cli.errors import ModelError, UsageError
from llama_cli.models.builtin.file import DEFAULT_MODEL
from tests.conftest import CPU, open_embedder
from tests.tiny_models import MEAN, rewrite, write_bert, write_bpe, write_causal, write_t5


def warnings_of(path: Path) -> list[str]:
    with Model(path, CPU, vocabulary_only=True) as model:
        return find_doubts(model)


class TestWords:
    def test_a_file_that_does_not_say_how_to_divide_them(self, tmp_path: Path) -> None:
        (warning,) = warnings_of(write_bpe(tmp_path / "x.gguf", pre=None))
        assert "does not say how its tokenizer divides a text into words" in warning
        assert warnings_of(write_bpe(tmp_path / "y.gguf", pre="qwen2")) == []

    def test_it_does_matter(self, tmp_path: Path) -> None:
        """What llama.cpp does then is not what such a model was trained with."""
        found = []
        for pre in (None, "qwen2"):
            path = write_bpe(tmp_path / f"{pre}.gguf", pre=pre)
            with Model(path, CPU, vocabulary_only=True) as model:
                found.append(NativeTokenizer(model).ids(b"12345", add_special=False).tolist())
        assert found[0] != found[1]

    def test_it_is_one_line_of_the_log(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = write_bpe(tmp_path / "x.gguf", pre=None)
        with caplog.at_level(logging.WARNING, "llama_cli.engine"), open_embedder(path):
            pass
        (record,) = (r for r in caplog.records if r.name == "llama_cli.engine.embedder")
        beginning = "tiny qwen3 does not say how its tokenizer divides"
        assert record.getMessage().startswith(beginning)

    def test_an_unknown_way_is_refused_by_llama_cpp(self, tmp_path: Path) -> None:
        path = write_bpe(tmp_path / "x.gguf", pre="nonsense")
        with pytest.raises(ModelError, match="unknown pre-tokenizer type: 'nonsense'"):
            Model(path, CPU)


def with_merges(path: Path, arch: str, **changes: Any) -> Path:
    """A SentencePiece vocabulary of merges in a file that says it is of that architecture."""
    source = write_causal(path.with_suffix(".source"), pooling=MEAN)
    return rewrite(source, path, changes={"general.architecture": arch, **changes})


class TestPieces:
    @pytest.mark.parametrize("arch", ["bert", "nomic-bert-moe"])
    def test_merges_where_unigrams_belong(self, tmp_path: Path, arch: str) -> None:
        (warning,) = warnings_of(with_merges(tmp_path / "x.gguf", arch))
        assert "calls its vocabulary one of merges" in warning

    def test_a_space_before_each_text(self, tmp_path: Path) -> None:
        path = write_causal(tmp_path / "x.gguf", arch="gemma-embedding", pooling=MEAN)
        (warning,) = warnings_of(path)
        assert "put a space before each text" in warning
        named = rewrite(
            path, tmp_path / "y.gguf", changes={"tokenizer.ggml.add_space_prefix": False}
        )
        assert warnings_of(named) == []


def test_characters_that_are_not_normalized(tmp_path: Path) -> None:
    (warning,) = warnings_of(write_t5(tmp_path / "x.gguf", arch="t5encoder", pooling=MEAN))
    assert "lacks the table that its tokenizer normalizes characters with" in warning


@pytest.mark.parametrize(("context", "shifted"), [(511, True), (512, False), (8193, True)])
def test_positions_shifted_by_one(tmp_path: Path, context: int, shifted: bool) -> None:
    """Found in vocabularies of XLM-RoBERTa alone, whose first positions are padding."""
    unigrams = write_t5(tmp_path / "x.gguf", arch="t5encoder", pooling=MEAN)
    changes = {"general.architecture": "bert", "bert.context_length": context}
    changes |= {"bert.pooling_type": MEAN}
    found = warnings_of(rewrite(unigrams, tmp_path / "y.gguf", changes=changes))
    assert any(f"has {context} positions" in warning for warning in found) == shifted


class TestDenseLayers:
    def test_a_file_without_them(self, tmp_path: Path) -> None:
        path = gemma(tmp_path / "x.gguf", dense=False)
        (warning,) = warnings_of(path)
        assert "lacks the dense layers" in warning
        assert warnings_of(gemma(tmp_path / "y.gguf", dense=True)) == []

    def test_where_the_model_is_known_to_have_them_it_is_refused(self, tmp_path: Path) -> None:
        name = {"general.name": "Embeddinggemma 300m"}
        for dense in (True, False):
            path = rewrite(
                gemma(tmp_path / "x.gguf", dense=dense), tmp_path / f"{dense}.gguf", changes=name
            )
            if dense:
                with open_embedder(path):
                    continue
            with (
                pytest.raises(ModelError, match="lacks the dense layers") as caught,
                open_embedder(path, prompt=""),
            ):
                pass
            assert "--sentence-transformers-dense-modules" in str(caught.value.hint)


def gemma(path: Path, *, dense: bool) -> Path:
    plain = write_causal(
        path.with_suffix(".plain"), arch="gemma-embedding", pooling=MEAN, dense=dense
    )
    return rewrite(plain, path, changes={"tokenizer.ggml.add_space_prefix": False})


@pytest.mark.parametrize(
    ("name", "doubted"),
    [
        ("gte-Qwen2-1.5B-instruct", True),
        ("Alibaba-NLP/gte-Qwen2-7B-instruct", True),
        ("GritLM 7B", True),
        ("LLM2Vec-Meta-Llama-3-8B-Instruct-mntp-supervised", True),
        ("NV-Embed-v2", True),
        ("stella_en_1.5B_v5", True),
        ("Qwen2 1.5B Instruct", False),
        ("Qwen3-Embedding-0.6B", False),
        ("e5-mistral-7b-instruct", False),
    ],
)
def test_decoders_trained_to_see_both_sides(tmp_path: Path, name: str, doubted: bool) -> None:
    changes: dict[str, Any] = {"general.name": name}
    plain = write_causal(tmp_path / "plain.gguf", arch="qwen2")
    found = warnings_of(rewrite(plain, tmp_path / "x.gguf", changes=changes))
    assert any("see those after them" in warning for warning in found) == doubted
    changes["qwen2.attention.causal"] = False
    assert warnings_of(rewrite(plain, tmp_path / "y.gguf", changes=changes)) == []


class TestPoolingThatIsAskedFor:
    def test_the_first_token_of_a_causal_model(self, tmp_path: Path) -> None:
        path = write_causal(tmp_path / "x.gguf", pooling=None)
        with (
            open_embedder(path, pooling="cls") as embedder,
            pytest.raises(UsageError, match="all texts would get the same vector"),
        ):
            embedder.warm_up()
        with open_embedder(write_bert(tmp_path / "y.gguf"), pooling="cls") as embedder:
            embedder.warm_up()

    def test_another_than_the_files(self, tmp_path: Path) -> None:
        path = write_bert(tmp_path / "x.gguf")
        with Model(path, CPU) as model:
            assert find_doubts(model, "mean") == []
            (warning,) = find_doubts(model, "cls")
        assert warning.startswith("says mean itself")

    def test_a_model_for_chat(self, tmp_path: Path) -> None:
        plain = write_causal(tmp_path / "plain.gguf", pooling=None)
        path = rewrite(
            plain, tmp_path / "x.gguf", changes={"tokenizer.chat_template": "{{ messages }}"}
        )
        for model, doubts in ((plain, 0), (path, 1)):
            with Model(model, CPU) as opened:
                found = find_doubts(opened, "mean")
            assert len(found) == doubts
            assert all("is made for chat" in warning for warning in found)

    def test_a_reranker_that_does_not_say_so(self, tmp_path: Path) -> None:
        path = write_bert(tmp_path / "x.gguf", pooling=None, scores=True)
        with pytest.raises(ModelError, match="is a reranker"), open_embedder(path, pooling="mean"):
            pass


def test_usual_models_raise_none(tmp_path: Path) -> None:
    assert warnings_of(DEFAULT_MODEL) == []
    assert warnings_of(write_bert(tmp_path / "a.gguf")) == []
    assert warnings_of(write_causal(tmp_path / "b.gguf")) == []
