"""`llama-cli models` from end to end, with real model files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from llama_cli.cli.commands.models import table_lines
from llama_cli.models.builtin.file import DEFAULT_MODEL
from tests.cli.conftest import Command
from tests.storage.hub_server import COMMIT, HubServer
from tests.tiny_models import split_model, write_causal

REPO = "owner/tiny-GGUF"


@pytest.fixture
def tiny(hub: HubServer, tiny_bert: Path) -> bytes:
    content = tiny_bert.read_bytes()
    hub.add(REPO, {"tiny-f16.gguf": content, "tiny-Q8_0.gguf": content + b"\0"})
    return content


class TestPull:
    def test_it_downloads_and_prints_the_path(
        self, hub: HubServer, tiny: bytes, cache: Path, cli: Command
    ) -> None:
        done = cli("models", "pull", REPO)
        assert done.code == 0
        path = cache / "models--owner--tiny-GGUF" / "snapshots" / COMMIT / "tiny-f16.gguf"
        assert done.out == f"{path}\n"
        assert path.read_bytes() == tiny
        assert f"{REPO}: using tiny-f16.gguf (F16, " in done.err
        assert cli("models", "pull", REPO, "-q").err == ""

    def test_a_model_unfit_for_embedding_is_said(
        self, hub: HubServer, cli: Command, tmp_path: Path
    ) -> None:
        model = write_causal(tmp_path / "chat.gguf", pooling=None)
        hub.add(REPO, {"chat-f16.gguf": model.read_bytes()})
        done = cli("models", "pull", REPO, "-q")
        assert done.code == 0
        assert "warning: embed refuses this model: tiny llama does not say how to pool" in done.err
        assert "choose with --pooling" in done.err

    def test_a_wrong_file_suggests_the_nearest(
        self, hub: HubServer, tiny: bytes, cli: Command
    ) -> None:
        done = cli("models", "pull", f"{REPO}:tiny-F61.gguf")
        assert done.code == 3
        assert done.err == (
            f"llama-cli: error: {REPO} has no file tiny-F61.gguf; did you mean tiny-f16.gguf?\n"
        )

    def test_split_models_are_downloaded_whole(
        self, hub: HubServer, cli: Command, tiny_bert: Path, tmp_path: Path
    ) -> None:
        parts = split_model(tiny_bert, tmp_path / "parts", name="Q8_0/tiny".replace("/", "-"))
        hub.add(REPO, {f"Q8_0/{part.name}": part.read_bytes() for part in parts})
        done = cli("models", "pull", REPO)
        assert done.code == 0
        first = Path(done.out.strip())
        assert first.name == parts[0].name
        assert [p.read_bytes() for p in sorted(first.parent.iterdir())] == [
            p.read_bytes() for p in parts
        ]
        facts = json.loads(cli("models", "info", REPO, "--json").out)
        assert facts["parts"] == 4
        assert facts["source"] == f"hf:{REPO}@{COMMIT}/Q8_0/{parts[0].name}"
        first.with_name(parts[2].name).unlink()
        assert "is not in the cache" in cli("models", "path", REPO).err


class TestPath:
    def test_it_downloads_nothing(self, hub: HubServer, tiny: bytes, cli: Command) -> None:
        done = cli("models", "path", REPO)
        assert done.code == 3
        assert done.out == ""
        assert "is not in the cache; llama-cli models pull owner/tiny-GGUF" in done.err
        assert hub.requests == []

    def test_it_prints_the_path_alone(self, hub: HubServer, tiny: bytes, cli: Command) -> None:
        pulled = cli("models", "pull", f"{REPO}:q8_0").out
        hub.requests.clear()
        for name in (f"{REPO}:Q8_0", f"hf:{REPO}:tiny-Q8_0.gguf", f"{REPO}@{COMMIT}:Q8_0"):
            assert cli("models", "path", name).out == pulled
        assert cli("models", "path", "builtin").out == f"{DEFAULT_MODEL}\n"
        assert hub.requests == []

    def test_a_wrong_name_suggests_the_nearest(
        self, hub: HubServer, tiny: bytes, cli: Command
    ) -> None:
        cli("models", "pull", f"{REPO}:q8_0")
        assert f"did you mean {REPO}:tiny-Q8_0.gguf?" in cli("models", "path", "ower/tiny-GGUF").err
        near = f"in the cache of that repository: {REPO}:tiny-Q8_0.gguf"
        assert near in cli("models", "path", REPO).err


class TestList:
    def test_the_built_in_model_is_there_without_a_cache(
        self, hub: HubServer, cli: Command
    ) -> None:
        (row,) = json.loads(cli("models", "list", "--json").out)
        assert row == {
            "name": "builtin",
            "path": str(DEFAULT_MODEL),
            "size": 46_226_496,
            "architecture": "bert",
            "dimension": 384,
            "context": 512,
        }

    def test_all_in_the_cache_are_listed(self, hub: HubServer, tiny: bytes, cli: Command) -> None:
        hub.add("another/one", {"broken.gguf": b"GGUF?"})
        for name in (REPO, f"{REPO}:Q8_0", "another/one"):
            cli("models", "pull", name, "-q")
        done = cli("models", "list")
        assert done.code == 0
        lines = [line.split() for line in done.out.splitlines()]
        assert [line[0] for line in lines] == [
            "NAME",
            "builtin",
            "another/one:broken.gguf",
            f"{REPO}:tiny-Q8_0.gguf",
            f"{REPO}:tiny-f16.gguf",
        ]
        assert lines[2][-2:] == ["?", "?"]
        assert lines[4][-2:] == ["32", "64"]
        for row in json.loads(cli("models", "list", "--json").out)[3:]:
            assert cli("models", "path", row["name"]).out == row["path"] + "\n"

    def test_an_older_commit_has_a_name_of_its_own(
        self, hub: HubServer, tiny: bytes, cli: Command
    ) -> None:
        cli("models", "pull", f"{REPO}:Q8_0")
        hub.add(REPO, {"tiny-Q8_0.gguf": tiny + b"later"}, commit="d" * 40)
        cli("models", "pull", f"{REPO}:Q8_0")
        names = [row["name"] for row in json.loads(cli("models", "list", "--json").out)]
        assert set(names) == {
            "builtin",
            f"{REPO}:tiny-Q8_0.gguf",
            f"{REPO}@{COMMIT}:tiny-Q8_0.gguf",
        }

    @pytest.mark.parametrize("room", [None, 100, 40])
    def test_narrow_terminals_get_two_lines_a_model(self, room: int | None) -> None:
        name = "owner/some-embedding-model-GGUF:some.gguf"
        row = {"name": name, "size": 46_226_496, "dimension": 384, "context": 512}
        lines = table_lines([row, row | {"dimension": None}], room)
        if room == 40:
            assert lines[:2] == [name, "  46.2 MB, 384 dimensions, 512 tokens"]
            assert "? dimensions" in lines[3]
        else:
            assert lines[0].split() == ["NAME", "SIZE", "DIMENSION", "CONTEXT"]
            assert lines[1].split() == [name, "46.2", "MB", "384", "512"]
            assert len({len(line) for line in lines}) == 1


class TestRemove:
    def test_one_file_of_a_repository(
        self, hub: HubServer, tiny: bytes, cache: Path, cli: Command
    ) -> None:
        cli("models", "pull", REPO)
        cli("models", "pull", f"{REPO}:Q8_0")
        done = cli("models", "remove", f"{REPO}:Q8_0")
        assert done.code == 0
        assert done.out.startswith(f"removed {REPO}:tiny-Q8_0.gguf\n1 model, ")
        assert [path.name for path in cache.rglob("*.gguf")] == ["tiny-f16.gguf"]
        assert len(list(cache.glob("*/blobs/*"))) == 1

    def test_all_of_a_repository(
        self, hub: HubServer, tiny: bytes, cache: Path, cli: Command
    ) -> None:
        cli("models", "pull", REPO)
        cli("models", "pull", f"{REPO}:Q8_0")
        assert "2 models, " in cli("models", "remove", REPO).out
        assert not (cache / "models--owner--tiny-GGUF").exists()
        again = cli("models", "remove", REPO)
        assert again.code == 3
        assert "is not in the cache" in again.err

    def test_what_others_keep_there_stays(
        self, hub: HubServer, tiny: bytes, cache: Path, cli: Command
    ) -> None:
        path = Path(cli("models", "pull", REPO).out.strip())
        blob = path.resolve().with_name("a" * 40)
        blob.write_text("{}")
        path.with_name("config.json").symlink_to(blob)
        later = path.parents[1] / ("e" * 40)
        later.mkdir()
        (later / "tiny-f16.gguf").symlink_to(path.resolve())
        cli("models", "remove", f"{REPO}@{COMMIT}")
        assert not path.exists()
        assert path.with_name("config.json").read_text() == "{}"
        assert (later / "tiny-f16.gguf").exists()

    @pytest.mark.parametrize("model", ["builtin", "x.gguf", "./x", str(DEFAULT_MODEL)])
    def test_nothing_else_is_removed(self, hub: HubServer, cli: Command, model: str) -> None:
        done = cli("models", "remove", model)
        assert done.code == 2
        assert "only models in the Hub's cache are" in done.err
        assert DEFAULT_MODEL.exists()

    def test_a_wrong_name_suggests_the_nearest(
        self, hub: HubServer, tiny: bytes, cli: Command
    ) -> None:
        cli("models", "pull", REPO)
        assert f"did you mean {REPO}:tiny-f16.gguf?" in cli("models", "remove", "owner/tiny").err
        assert "did you mean tiny-f16.gguf?" in cli("models", "remove", f"{REPO}:tiny-f61.gguf").err


def test_a_cache_that_cannot_be_read_is_one_line(
    hub: HubServer, cache: Path, cli: Command, tiny: bytes
) -> None:
    cli("models", "pull", REPO)
    refs = cache / "models--owner--tiny-GGUF" / "refs"
    shutil.rmtree(refs)
    assert json.loads(cli("models", "list", "--json").out)[1]["name"].startswith(f"{REPO}@{COMMIT}")
    assert "is not in the cache" in cli("models", "path", REPO).err
    assert Path(constants.HF_HUB_CACHE) == cache
