"""`llama-cli models info`: what it says of a model is what `embed` does with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from llama_cli.models.builtin.file import DEFAULT_SHA256
from llama_cli.models.file import describe_tests
from tests.cli.conftest import Command
from tests.engine.kernels.test_models import MODELS
from tests.storage.hub_server import HubServer
from tests.tiny_models import rewrite, write_bert, write_causal, write_t5
from tests.tiny_models.more import MORE_ARCHITECTURES


class TestInfo:
    def test_the_built_in_model(self, hub: HubServer, cli: Command) -> None:
        facts = json.loads(cli("models", "info", "builtin", "--json").out)
        assert facts["sha256"] == DEFAULT_SHA256
        assert facts["opening"] == ["[CLS]"]
        assert facts["closing"] == ["[SEP]"]
        assert (facts["dimension"], facts["context"], facts["pooling"]) == (384, 512, "mean")
        assert facts["quantization"] == "F16"
        assert facts["tested"].startswith("yes: ")
        assert facts["refusal"] is None
        words = cli("models", "info", "builtin").out
        assert "special tokens   [CLS] text [SEP]\n" in words
        assert "embed            takes it\n" in words

    def test_a_file_and_a_folder(self, cli: Command, tiny_bert: Path, tmp_path: Path) -> None:
        (tmp_path / "models").mkdir()
        only = shutil.copy(tiny_bert, tmp_path / "models")
        for model in (only, tmp_path / "models"):
            facts = json.loads(cli("models", "info", model, "--json").out)
            assert facts["path"] == str(only)
            assert facts["tested"].startswith("in part: ")

    @pytest.mark.parametrize(
        ("kind", "reason"),
        [
            ("reranker", "is a reranker"),
            ("no pooling", "does not say how to pool"),
            ("encoder-decoder", "encoder-decoder models cannot embed"),
            ("no closing token", "does not close texts with a special token"),
            ("no vocabulary", "has no vocabulary"),
        ],
    )
    def test_what_embed_refuses(
        self, cli: Command, notes: Path, tmp_path: Path, kind: str, reason: str
    ) -> None:
        model = unfit(kind, tmp_path)
        facts = json.loads(cli("models", "info", model, "--json").out)
        assert reason in facts["refusal"]
        assert (
            f"embed            refuses it: {facts['refusal']}" in cli("models", "info", model).out
        )
        refused = cli("embed", notes, "-m", model)
        assert refused.code == 3
        assert facts["refusal"] in refused.err
        assert (facts["hint"] or "") in refused.err

    def test_a_damaged_file_is_one_line(
        self, cli: Command, tmp_path: Path, tiny_bert: Path
    ) -> None:
        damaged = tmp_path / "x.gguf"
        damaged.write_bytes(tiny_bert.read_bytes()[:2000])
        done = cli("models", "info", damaged)
        assert done.code == 3
        assert done.err.startswith(f"llama-cli: error: {damaged}: ")
        assert done.err.count("\n") == 1


def unfit(kind: str, folder: Path) -> Path:
    target = folder / "unfit.gguf"
    if kind == "reranker":
        bert = write_bert(folder / "x.gguf")
        return rewrite(bert, target, changes={"bert.pooling_type": 4})
    if kind == "no pooling":
        return write_causal(target, pooling=None)
    if kind == "encoder-decoder":
        return write_t5(target)
    if kind == "no closing token":
        write_t5(folder / "x.gguf", arch="t5encoder", pooling=1)
        return rewrite(folder / "x.gguf", target, changes={"tokenizer.ggml.add_eos_token": False})
    bert = write_bert(folder / "x.gguf")
    return rewrite(
        bert, target, changes={"tokenizer.ggml.model": "no_vocab", "bert.vocab_size": 321}
    )


def test_what_is_said_to_be_tested_is() -> None:
    for architecture in (name for name in MODELS | MORE_ARCHITECTURES if " " not in name):
        assert describe_tests("", architecture).startswith("in part: ")
    assert describe_tests("", "mamba").startswith("no: ")
