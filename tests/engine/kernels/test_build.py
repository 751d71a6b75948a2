"""Compiling the kernels where something is missing: one line says so, nothing is left behind."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from llama_cli.engine.kernels import build as building
from llama_cli.engine.kernels.build import BuildError, build
from llama_cli.engine.kernels.installed import LIBRARY, MANIFEST

HEADERS = "llama_cpp_python-0/vendor/llama.cpp/ggml/"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(building, "kernels_folder", lambda: tmp_path / "made")
    return tmp_path / "made"


def write_sdist(path: Path, **files: str) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(HEADERS + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content.encode()))
    return path


def test_without_a_compiler(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sdist = write_sdist(tmp_path / "s.tar.gz", **{"include/ggml.h": ""})
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(BuildError, match="no C\\+\\+ compiler"):
        build(sdist)
    assert list(folder.iterdir()) == []


def test_headers_that_do_not_fit(folder: Path, tmp_path: Path) -> None:
    sdist = write_sdist(tmp_path / "s.tar.gz", **{"include/ggml.h": "#error of another version\n"})
    with pytest.raises(BuildError, match="they do not compile: .*error"):
        build(sdist)
    assert list(folder.iterdir()) == []


def test_a_distribution_without_headers(folder: Path, tmp_path: Path) -> None:
    sdist = write_sdist(tmp_path / "s.tar.gz")
    with pytest.raises(BuildError, match="has no headers"):
        build(sdist)
    assert list(folder.iterdir()) == []


def test_an_earlier_library_stays_when_building_fails(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (folder / LIBRARY).write_bytes(b"earlier")
    (folder / MANIFEST).write_text("{}")
    with pytest.raises(BuildError):
        build(write_sdist(tmp_path / "s.tar.gz"))
    assert sorted(path.name for path in folder.iterdir()) == [MANIFEST, LIBRARY]
    assert (folder / LIBRARY).read_bytes() == b"earlier"


def test_the_command_says_so_in_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(b"no archive")
    command = [sys.executable, "-m", "llama_cli.engine.kernels.build", "--sdist", str(broken)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("warning: no fast kernels, llama.cpp's own are used: ")
