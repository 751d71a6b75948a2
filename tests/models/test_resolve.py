from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from llama_cli.errors import ModelError, UsageError
from llama_cli.models import file
from llama_cli.models.builtin.file import DEFAULT_MODEL, DEFAULT_SHA256
from llama_cli.models.file import ModelFile, remembered_sha256
from llama_cli.models.resolve import resolve_model
from llama_cli.storage.cache import cache_folder


def test_the_built_in_model_is_the_default_and_is_verified() -> None:
    assert resolve_model(None, None) == ModelFile(DEFAULT_MODEL, builtin=True)
    assert resolve_model(None, None).sha256() == DEFAULT_SHA256


def test_a_damaged_built_in_model_is_refused(tmp_path: Path) -> None:
    damaged = tmp_path / "model.gguf"
    damaged.write_bytes(DEFAULT_MODEL.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="built-in model is damaged"):
        ModelFile(damaged, builtin=True).sha256()


def test_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "any.gguf"
    path.write_bytes(b"x")
    assert resolve_model(str(path), None) == ModelFile(path, builtin=False)


def test_a_missing_file_names_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "bge-small-f16.gguf").touch()
    with pytest.raises(ModelError, match="no such model file") as caught:
        resolve_model(str(tmp_path / "bge-smal-f16.gguf"), None)
    assert "bge-small-f16.gguf" in (caught.value.hint or "")


class TestFolder:
    def test_the_only_model_is_taken(self, tmp_path: Path) -> None:
        (tmp_path / "one.gguf").touch()
        (tmp_path / "notes.txt").touch()
        assert resolve_model(str(tmp_path), None).path == tmp_path / "one.gguf"

    def test_several_need_a_choice(self, tmp_path: Path) -> None:
        (tmp_path / "one.gguf").touch()
        (tmp_path / "two.gguf").touch()
        with pytest.raises(UsageError, match="several models; choose one with `filename`") as error:
            resolve_model(str(tmp_path), None)
        assert error.value.hint == "there are: one.gguf, two.gguf"
        assert resolve_model(str(tmp_path), "two.gguf").path == tmp_path / "two.gguf"

    def test_none_or_another_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="no .gguf file"):
            resolve_model(str(tmp_path), None)
        with pytest.raises(ModelError, match="no such model file"):
            resolve_model(str(tmp_path), "absent.gguf")


def test_filename_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`filename`"):
        resolve_model(None, "x.gguf")
    (tmp_path / "one.gguf").touch()
    with pytest.raises(UsageError, match="is not one"):
        resolve_model(str(tmp_path / "one.gguf"), "x.gguf")


class TestFingerprint:
    def test_a_file_is_hashed_once_until_it_changes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hashed: list[Path] = []
        real = file.file_sha256
        monkeypatch.setattr(file, "file_sha256", lambda path: (hashed.append(path), real(path))[1])
        path = tmp_path / "model.gguf"
        for content in (b"first", b"first", b"other!"):
            if not path.exists() or path.read_bytes() != content:
                path.write_bytes(content)
            assert remembered_sha256(path) == hashlib.sha256(content).hexdigest()
        assert len(hashed) == 2

    @pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
    def test_a_damaged_cache_is_no_error(self, tmp_path: Path, content: bytes) -> None:
        cache = cache_folder() / "sha256.json"
        cache.parent.mkdir(parents=True)
        cache.write_bytes(content)
        path = tmp_path / "model.gguf"
        path.write_bytes(b"x")
        assert remembered_sha256(path) == hashlib.sha256(b"x").hexdigest()

    def test_a_cache_that_cannot_be_written_is_no_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
        assert remembered_sha256(tmp_path / "file") == hashlib.sha256(b"").hexdigest()

    def test_an_unreadable_model_is_a_model_error(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="cannot read"):
            ModelFile(tmp_path / "gone.gguf", builtin=False).sha256()
