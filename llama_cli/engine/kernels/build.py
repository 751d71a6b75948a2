"""Compile the kernels for this machine and the installed llama.cpp.

    python -m llama_cli.engine.kernels.build

It needs a C++ compiler (``CXX``, else c++, g++ or clang++) and reaches PyPI for the headers of
exactly the llama.cpp that is installed. What it makes belongs to this Python environment and moves
with it. Nothing else depends on it: where it fails, llama.cpp's own kernels are used. For its sake
this module uses the standard library only.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from llama_cli.engine.kernels.installed import (
    LIBRARY,
    MANIFEST,
    NotUsableError,
    describe,
    ggml_library,
    kernels_folder,
    sources,
)

# Of the source distribution; an installation has all but the last as well.
_HEADERS = ("vendor/llama.cpp/ggml/include/", "vendor/llama.cpp/ggml/src/ggml-backend-impl.h")
_FLAGS = ("-std=c++17", "-O3", "-ffp-contract=fast", "-fno-math-errno", "-fPIC", "-shared")


class BuildError(Exception):
    """The kernels could not be built. The message says why in one line."""


def main() -> int:
    """Build, and say in one line how it went."""
    parser = argparse.ArgumentParser(description="Compile the kernels for this machine.")
    parser.add_argument(
        "--sdist",
        type=Path,
        metavar="FILE",
        help="source distribution of llama-cpp-python (default: from PyPI)",
    )
    given = parser.parse_args()
    try:
        library = build(given.sdist)
    except (BuildError, NotUsableError, OSError, tarfile.TarError) as error:
        reason = str(error).partition("\n")[0]
        print(f"warning: no fast kernels, llama.cpp's own are used: {reason}", file=sys.stderr)
        return 1
    print(f"Compiled the CPU kernels into {library.parent}")
    return 0


def build(sdist: Path | None = None) -> Path:
    """Compile and install the kernels; returns where they are.

    Raises:
        BuildError: no compiler, no headers, or they do not compile.
        NotUsableError: llama-cpp-python is not installed.
        OSError: the environment cannot be written.
    """
    if sys.platform != "linux":
        raise BuildError("they are for Linux")
    manifest = describe()
    folder = kernels_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        headers = _unpack_headers(sdist or download_sdist(Path(scratch)), Path(scratch))
        library = Path(scratch) / LIBRARY
        _compile(_compiler(), headers, library)
        # The manifest goes last: without it the library is not used.
        (folder / MANIFEST).unlink(missing_ok=True)
        library.replace(folder / LIBRARY)
        note = Path(scratch) / MANIFEST
        note.write_text(json.dumps(dataclasses.asdict(manifest), indent=2) + "\n", "utf-8")
        note.replace(folder / MANIFEST)
    return folder / LIBRARY


def download_sdist(folder: Path) -> Path:
    """Fetch the source distribution of the installed llama-cpp-python into a folder.

    Raises:
        BuildError: pip is missing or could not fetch it.
    """
    version = importlib.metadata.version("llama-cpp-python")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-qq"]
    command += ["--no-deps", "--no-binary", "llama-cpp-python", "-d", str(folder)]
    _run([*command, f"llama-cpp-python=={version}"], "its source cannot be downloaded")
    return next(folder.glob("*.tar.gz"))


def _unpack_headers(sdist: Path, folder: Path) -> Path:
    """Unpack ggml's headers into one folder, and return it."""
    with tarfile.open(sdist) as archive:
        wanted = [
            m for m in archive if m.isfile() and m.name.partition("/")[2].startswith(_HEADERS)
        ]
        for member in wanted:
            content = archive.extractfile(member)
            target = folder / "headers" / Path(member.name).name
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(content.read() if content else b"")
    if not wanted:
        raise BuildError(f"{sdist} has no headers of ggml")
    return folder / "headers"


def _compiler() -> str:
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    found = next((name for name in names if shutil.which(name.split()[0])), None)
    if found is None:
        raise BuildError("there is no C++ compiler; install g++ or clang, or set CXX")
    return found


def _compile(compiler: str, headers: Path, output: Path) -> None:
    native = (
        "-march=native" if platform.machine() in ("x86_64", "AMD64", "i686") else "-mcpu=native"
    )
    command = [*compiler.split(), *_FLAGS, native, f"-I{headers}"]
    command += [str(path) for path in sources() if path.suffix == ".cpp"]
    _run([*command, str(ggml_library()), "-o", str(output)], "they do not compile")


def _run(command: list[str], otherwise: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()]
        reason = next(iter(errors + lines[-1:]), f"exit code {done.returncode}")
        raise BuildError(f"{otherwise}: {reason}")


if __name__ == "__main__":
    sys.exit(main())
