"""`--task`, and what is said of prompts and cut vectors of models that are known."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llama_cli.engine.known_models import find_known
from llama_cli.engine.options import Task
from tests.cli.conftest import Command
from tests.tiny_models import MEAN, rewrite, write_bert, write_causal

TEXTS = ["hello world", "the light\tof the day, größe", "  water  "]
MISSING = (
    "llama-cli: warning: {} wants a prompt before each text: --task document for texts to be "
    "found, --task query for questions; without it the vectors fit less well\n"
)
NOT_KNOWN = (
    "llama-cli: warning: --dims {}: {} is not known to be trained for truncated vectors "
    "(Matryoshka); they may fit much less well\n"
)


def write_named(folder: Path, name: str) -> Path:
    """A tiny model under that name, of the architecture that such models have."""
    path, source = folder / "named.gguf", folder / "source.gguf"
    changes: dict[str, object] = {"general.name": name}
    if "Qwen3" in name:
        write_causal(source, arch="qwen3", n_ctx=256)
    elif "gemma" in name:
        write_causal(source, arch="gemma-embedding", pooling=MEAN, layers=6, n_ctx=256)
        changes["tokenizer.ggml.add_space_prefix"] = False
    else:
        write_bert(source, n_ctx=256)
    return rewrite(source, path, changes=changes)


def write_texts(path: Path, before: str = "") -> Path:
    lines = (json.dumps({"text": before + text}) for text in TEXTS)
    path.write_text("\n".join(lines), "utf-8")
    return path


def footer(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(pq.read_metadata(path).metadata[b"llama_cli"])
    return values


def vectors(table: pa.Table) -> npt.NDArray[np.float32]:
    return np.stack(table["embedding"].to_numpy())


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("nomic-embed-text-v1.5", "document"),
        ("embeddinggemma-300M", "query"),
        ("Qwen3 Embedding 0.6B", "query"),
        ("Qwen3 Embedding 0.6B", "document"),
    ],
)
def test_a_task_is_its_prompt_is_the_text_with_it(
    cli: Command, tmp_path: Path, name: str, task: Task
) -> None:
    model = write_named(tmp_path, name)
    known = find_known(name)
    assert known
    prompt = known.prompt(task)
    texts = write_texts(tmp_path / "texts.jsonl")
    joined = write_texts(tmp_path / "joined.jsonl", prompt)
    tables = {}
    for case, words in {
        "task": [texts, "--task", task],
        "prompt": [texts, "--prompt", prompt],
        "joined": [joined, "--prompt", ""],
    }.items():
        output = tmp_path / f"{case}.parquet"
        done = cli("embed", *words, "-m", model, "-o", output, "-q")
        assert (done.code, done.out, done.err) == (0, "", "")
        tables[case] = pq.read_table(output)
    for table in (tables["prompt"], tables["joined"]):
        assert np.array_equal(vectors(tables["task"]), vectors(table))
        assert tables["task"]["sequence_length"] == table["sequence_length"]
    assert tables["task"]["text"].to_pylist() == TEXTS
    digests = [hashlib.md5(text.encode()).hexdigest() for text in TEXTS]
    assert tables["task"]["text_hash"].to_pylist() == digests
    made = footer(tmp_path / "task.parquet")
    assert (made["prompt"], made["task"]) == (prompt, task)
    assert footer(tmp_path / "prompt.parquet")["task"] == ""


class TestWarnings:
    def test_a_missing_prompt_even_when_quiet(
        self, cli: Command, notes: Path, tmp_path: Path
    ) -> None:
        model = write_named(tmp_path, "nomic-embed-text-v1.5")
        assert cli("embed", notes, "-m", model, "-q").err == MISSING.format("nomic-embed-text-v1.5")
        made = footer(notes.with_suffix(".parquet"))
        assert (made["prompt"], made["task"], made["layer_norm"]) == ("", "", False)
        again = cli(
            "embed", notes, "-m", model, "-q", "--overwrite", "--prompt", "classification: "
        )
        assert again.err == ""

    def test_a_file_that_says_its_name_only_outside(
        self, cli: Command, notes: Path, tmp_path: Path
    ) -> None:
        source = write_bert(tmp_path / "x.gguf")
        model = rewrite(source, tmp_path / "e5-small-v2-q8_0.gguf", drop=["general.name"])
        assert cli("embed", notes, "-m", model, "-q").err == MISSING.format("e5-small-v2-q8_0")

    @pytest.mark.parametrize("name", ["bge-m3", "tiny bert"])
    def test_none_for_others(self, cli: Command, notes: Path, tmp_path: Path, name: str) -> None:
        assert cli("embed", notes, "-m", write_named(tmp_path, name), "-q").err == ""

    def test_none_for_the_built_in_model(self, cli: Command, notes: Path) -> None:
        done = cli("embed", notes, "-q", "--task", "document")
        assert (done.code, done.err) == (0, "")
        assert footer(notes.with_suffix(".parquet"))["task"] == "document"

    def test_as_an_event(self, cli: Command, notes: Path, tmp_path: Path) -> None:
        model = write_named(tmp_path, "bge-m3")
        done = cli("embed", notes, "-m", model, "-q", "--progress", "json", "--dims", 8)
        (event,) = map(json.loads, done.err.splitlines())
        assert event["event"] == "warning"
        assert event["message"].startswith("--dims 8: bge-m3 is not known to be trained")

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("tiny bert", NOT_KNOWN.format(8, "tiny bert")),
            ("snowflake-arctic-embed-m", NOT_KNOWN.format(8, "snowflake-arctic-embed-m")),
            (
                "Qwen3 Embedding 0.6B",
                "llama-cli: warning: --dims 8: Qwen3 Embedding 0.6B is documented for vectors "
                "truncated to any width from 32; others may fit less well\n",
            ),
            (
                "embeddinggemma-300M",
                "llama-cli: warning: --dims 8: embeddinggemma-300M is documented for vectors "
                "truncated to 512, 256 or 128; others may fit less well\n",
            ),
        ],
    )
    def test_a_width_that_is_not_documented(
        self, cli: Command, notes: Path, tmp_path: Path, name: str, expected: str
    ) -> None:
        model = write_named(tmp_path, name)
        done = cli("embed", notes, "-m", model, "-q", "--prompt", "", "--dims", 8)
        assert (done.code, done.err) == (0, expected)

    def test_none_for_a_documented_width_or_the_whole_one(
        self, cli: Command, notes: Path, tmp_path: Path
    ) -> None:
        source = write_bert(tmp_path / "x.gguf", dim=80)
        model = rewrite(
            source, tmp_path / "n.gguf", changes={"general.name": "nomic-embed-text-v1.5"}
        )
        for dims in (64, 80):
            words = ["-m", model, "-q", "--task", "query", "--dims", dims, "--overwrite"]
            done = cli("embed", notes, *words)
            assert (done.code, done.err) == (0, "")
            made = footer(notes.with_suffix(".parquet"))
            assert (made["dims"], made["layer_norm"]) == (dims, dims == 64)


class TestRefusals:
    def test_a_model_that_is_not_known(self, cli: Command, notes: Path, tmp_path: Path) -> None:
        done = cli(
            "embed", notes, "-m", write_named(tmp_path, "tiny bert"), "--task", "query", "-q"
        )
        assert done.code == 2
        assert done.err == (
            "llama-cli: error: --task query: the prompts of tiny bert are not known; give the one "
            "that the model's own documentation says with --prompt TEXT\n"
        )
        assert not notes.with_suffix(".parquet").exists()

    @pytest.mark.parametrize("prompt", ["x", ""])
    def test_a_task_and_a_prompt(self, cli: Command, notes: Path, prompt: str) -> None:
        done = cli("embed", notes, "--task", "query", "--prompt", prompt)
        assert done.code == 2
        assert done.err == (
            "llama-cli: error: --task query and --prompt: each says what goes before a text; leave "
            "one of them out\n"
        )

    def test_another_task(self, cli: Command, notes: Path) -> None:
        done = cli("embed", notes, "--task", "querry")
        assert done.code == 2
        assert done.err.endswith("; did you mean query?\n")

    def test_a_variable(self, cli: Command, notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LLAMA_CLI_TASK", "query")
        assert cli("embed", notes, "-q").code == 0
        assert footer(notes.with_suffix(".parquet"))["task"] == "query"


class TestInfo:
    def test_prompts_and_widths(self, cli: Command, tmp_path: Path) -> None:
        model = write_named(tmp_path, "Qwen3 Embedding 0.6B")
        lines = cli("models", "info", model).out.splitlines()
        assert "known as         Qwen3-Embedding-0.6B, -4B, -8B" in lines
        assert "--task document  no prompt" in lines
        assert (
            '--task query     "Instruct: Given a web search query, retrieve relevant passages that '
            'answer the query\\nQuery:"'
        ) in lines
        assert "--dims           any width from 32" in lines
        facts = json.loads(cli("models", "info", model, "--json").out)
        assert facts["prompts"]["document"] == ""
        assert facts["prompts"]["query"].endswith("\nQuery:")
        assert facts["dims"] == "any width from 32"

    def test_a_model_that_is_not_known(self, cli: Command, tiny_bert: Path) -> None:
        lines = cli("models", "info", tiny_bert).out.splitlines()
        assert not any(line.startswith(("known as", "--task")) for line in lines)
        assert "--dims           not known to be trained for truncated vectors" in lines
        facts = json.loads(cli("models", "info", tiny_bert, "--json").out)
        assert (facts["known"], facts["prompts"], facts["dims"]) == (None, None, None)
