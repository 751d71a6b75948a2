"""Files whose vocabularies llama.cpp is known to read wrongly are warned about, in one line."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from llama_cli.engine.model import Model
from llama_cli.engine.tokenizer import NativeTokenizer
from llama_cli.engine.warnings import vocabulary_doubts
from llama_cli.errors import ModelError
from llama_cli.models.builtin.file import DEFAULT_MODEL
from tests.conftest import CPU, open_embedder
from tests.tiny_models import MEAN, rewrite, write_bert, write_bpe, write_causal, write_t5


def doubts(path: Path) -> list[str]:
    with Model(path, CPU, vocabulary_only=True) as model:
        return vocabulary_doubts(model, NativeTokenizer(model))


class TestWords:
    def test_a_file_that_does_not_say_how_to_divide_them(self, tmp_path: Path) -> None:
        (doubt,) = doubts(write_bpe(tmp_path / "x.gguf", pre=None))
        assert "does not say how its tokenizer divides a text into words" in doubt
        assert doubts(write_bpe(tmp_path / "y.gguf", pre="qwen2")) == []

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
        said = [record for record in caplog.records if record.name == "llama_cli.engine.tokenizer"]
        assert len(said) == 1
        assert said[0].getMessage().startswith("tiny qwen3 does not say how its tokenizer divides")

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
        (doubt,) = doubts(with_merges(tmp_path / "x.gguf", arch))
        assert "calls its vocabulary one of merges" in doubt

    def test_a_space_before_each_text(self, tmp_path: Path) -> None:
        path = write_causal(tmp_path / "x.gguf", arch="gemma-embedding", pooling=MEAN)
        (doubt,) = doubts(path)
        assert "put a space before each text" in doubt
        said = rewrite(
            path, tmp_path / "y.gguf", changes={"tokenizer.ggml.add_space_prefix": False}
        )
        assert doubts(said) == []


def test_characters_that_are_not_normalized(tmp_path: Path) -> None:
    (doubt,) = doubts(write_t5(tmp_path / "x.gguf", arch="t5encoder", pooling=MEAN))
    assert "lacks the table that its tokenizer normalizes characters with" in doubt


def test_usual_models_raise_none(tmp_path: Path) -> None:
    assert doubts(DEFAULT_MODEL) == []
    assert doubts(write_bert(tmp_path / "a.gguf")) == []
    assert doubts(write_causal(tmp_path / "b.gguf")) == []
