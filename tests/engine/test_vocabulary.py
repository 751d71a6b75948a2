"""Files whose vocabularies llama.cpp is known to read wrongly are warned about, in one line."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from llama_cli.engine.model import Model
from llama_cli.engine.native_tokenizer import NativeTokenizer
from llama_cli.engine.vocabulary import vocabulary_warnings
from llama_cli.errors import ModelError
from llama_cli.models.builtin.file import DEFAULT_MODEL
from tests.conftest import CPU, open_embedder
from tests.tiny_models import MEAN, rewrite, write_bert, write_bpe, write_causal, write_t5


def warnings_of(path: Path) -> list[str]:
    with Model(path, CPU, vocabulary_only=True) as model:
        return vocabulary_warnings(model, NativeTokenizer(model))


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
        (record,) = (r for r in caplog.records if r.name == "llama_cli.engine.tokenizer")
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


def test_usual_models_raise_none(tmp_path: Path) -> None:
    assert warnings_of(DEFAULT_MODEL) == []
    assert warnings_of(write_bert(tmp_path / "a.gguf")) == []
    assert warnings_of(write_causal(tmp_path / "b.gguf")) == []
