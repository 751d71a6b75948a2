"""Packs what the GPU tests and the benchmark need, for a GPU machine without a network.

    python -m tests.gpu.pack [--python 3.12] [--libs FOLDER] [--without NAME ...] [-o FILE]

The pack has this project, the binding and the sources of the llama.cpp that the constraints name,
and the wheels that a machine for machine learning usually lacks. docs/gpu.md says how to use it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
BINDING = "llama-cpp-python"
# What compiling llama.cpp's library reads of its sources.
SOURCES = ("CMakeLists.txt", "LICENSE", "cmake", "ggml", "include", "licenses", "src", "vendor")
NOT_NEEDED = ("ggml-webgpu", "ggml-opencl", "ggml-hexagon", "ggml-sycl", "ggml-cann", "ggml-zdnn")
PROJECT = ("llama_cli", "tests", "pyproject.toml", "constraints.txt")
# numpy, pyarrow and tokenizers are large, and pytest is common: the machine has to have them.
WHEELS = (
    *("annotated-doc", "annotated-types", "diskcache", "gguf", "h11", "httpcore2", "httpx2"),
    *("jinja2", "markdown-it-py", "markupsafe", "mdurl", "pydantic", "pydantic-core", "pygments"),
    *("rich", "shellingham", "tqdm", "truststore", "typer", "typing-extensions"),
    *("typing-inspection", "xxhash"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Pack for a GPU machine without a network.")
    parser.add_argument("--python", default="3.12", help="of the GPU machine")
    parser.add_argument("--platform", default="manylinux_2_28_x86_64 manylinux_2_17_x86_64")
    parser.add_argument("--sdist", type=Path, help=f"{BINDING}'s, if it is here already")
    parser.add_argument("--libs", type=Path, help="a build of llama.cpp to use: no sources then")
    parser.add_argument("--without", nargs="*", default=[], help="wheels, or 'model'")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "gpu-pack.tar.xz")
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        pack = Path(folder) / "gpu-pack"
        copy_project(pack / "project", with_model="model" not in options.without)
        sdist = options.sdist or download_sdist(Path(folder))
        unpack_binding(sdist, pack, with_sources=options.libs is None)
        if options.libs:
            copy_libraries(options.libs, pack / "lib")
        wanted = [name for name in WHEELS if name not in options.without]
        download_wheels(wanted, options.python, options.platform.split(), pack / "wheels")
        shutil.copy(Path(__file__).with_name("unpacked.sh"), pack / "run.sh")
        with tarfile.open(options.output, "w:xz", preset=9) as archive:
            archive.add(pack, "gpu-pack")
    print(f"{options.output}: {options.output.stat().st_size / 1e6:.1f} MB")


def copy_project(target: Path, *, with_model: bool) -> None:
    """The files that Git knows of, as they are now, and those it does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *PROJECT]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).exists() and (with_model or not name.endswith(".gguf")):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


def pinned(name: str) -> str:
    found = re.search(
        rf"^{re.escape(name)}==.*$", (ROOT / "constraints.txt").read_text(), re.MULTILINE
    )
    return found[0] if found else name


def download_sdist(folder: Path) -> Path:
    _pip("download", "--no-deps", "--no-binary", ":all:", "-d", folder, pinned(BINDING))
    return next(folder.glob("llama_cpp_python-*.tar.gz"))


def download_wheels(
    names: Iterable[str], python: str, platforms: Iterable[str], target: Path
) -> None:
    target.mkdir()
    where = [word for platform in platforms for word in ("--platform", platform)]
    how = ["--no-deps", "--only-binary=:all:", "--python-version", python, *where]
    _pip("download", *how, "-d", target, *map(pinned, names))


def unpack_binding(sdist: Path, pack: Path, *, with_sources: bool) -> None:
    """The Python binding, and what of llama.cpp is compiled."""
    with tarfile.open(sdist) as archive:
        for member in archive:
            _, _, name = member.name.partition("/")
            vendored = name.removeprefix("vendor/llama.cpp/")
            if name.startswith("llama_cpp/"):
                member.name = f"binding/{name}"
            elif with_sources and vendored != name and _is_source(vendored):
                member.name = f"llama.cpp/{vendored}"
            else:
                continue
            archive.extract(member, pack, filter="data")


def _is_source(name: str) -> bool:
    return name.startswith(SOURCES) and not any(f"/{part}/" in name for part in NOT_NEEDED)


def copy_libraries(source: Path, target: Path) -> None:
    """The libraries, once each and under the name that others look for."""
    target.mkdir()
    for path in _libraries(source):
        named = subprocess.run(["readelf", "-d", path], check=True, capture_output=True, text=True)
        found = re.search(r"SONAME.*\[(.*)\]", named.stdout)
        shutil.copy(path, target / (found[1] if found else path.name))


def _libraries(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.glob("lib*.so*")) if not path.is_symlink())


def _pip(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "pip", "-q", *map(str, words)], check=True)


if __name__ == "__main__":
    main()
