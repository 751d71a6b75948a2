"""Where the compiled kernels are, and whether they fit this llama.cpp and this CPU."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

# In the environment: "off" leaves everything to llama.cpp's kernels.
SWITCH = "LLAMA_CLI_KERNELS"

LIBRARY = "embed-kernels.so"
MANIFEST = "embed-kernels.json"

# Names of CPU features begin so in /proc/cpuinfo where a compiler makes use of them.
_USED = re.compile(
    "avx|fma|f16c|s?sse|bmi|abm|movbe|popcnt|amx|apx|gfni|vaes|vpclmul|tbm|xop|"
    "asimd|atomics|bf16|fcma|fphp|i8mm|lrcpc|sve"
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the kernels were compiled for.

    Attributes:
        llama_cpp_python: its version.
        ggml: sha256 of the library the kernels call into; its structures are not stable.
        sources: sha256 of the kernels' own source.
        cpu: features of the CPU; the code may use any of them.
    """

    llama_cpp_python: str
    ggml: str
    sources: str
    cpu: list[str]


class NotUsableError(Exception):
    """There are kernels, but they do not fit. The message says why."""


def kernels_folder() -> Path:
    """Where this Python environment has its kernels."""
    return Path(sys.prefix) / "lib" / "llama-cli"


def find_kernels() -> Path | None:
    """The compiled kernels; None where there are none.

    Raises:
        NotUsableError: they were compiled for something else.
    """
    library, manifest = kernels_folder() / LIBRARY, kernels_folder() / MANIFEST
    if not library.exists():
        return None
    try:
        built = Manifest(**json.loads(manifest.read_text("utf-8")))
        needed = set(built.cpu)
    except (OSError, ValueError, TypeError) as error:
        raise NotUsableError(f"{manifest} cannot be read") from error
    now = describe()
    if built.llama_cpp_python != now.llama_cpp_python:
        raise NotUsableError(
            f"they were built for llama-cpp-python {built.llama_cpp_python}, "
            f"not {now.llama_cpp_python}"
        )
    if built.ggml != now.ggml:
        raise NotUsableError("they were built for another build of llama.cpp")
    if built.sources != now.sources:
        raise NotUsableError("they were built from other source files")
    if missing := sorted(needed - cpu_features()):
        raise NotUsableError(f"they were built for a CPU with {', '.join(missing)}")
    return library


def describe() -> Manifest:
    """What kernels would have to be compiled for now."""
    return Manifest(
        llama_cpp_python=importlib.metadata.version("llama-cpp-python"),
        ggml=_sha256(ggml_library()),
        sources=_sha256(*sources()),
        cpu=sorted(name for name in cpu_features() if _USED.match(name)),
    )


def ggml_library() -> Path:
    """The library that the kernels call into, in the installed llama-cpp-python."""
    if chosen := os.environ.get("LLAMA_CPP_LIB_PATH"):  # where the binding looks first
        return Path(chosen) / "libggml-base.so"
    package = importlib.util.find_spec("llama_cpp")
    if package is None or package.origin is None:
        raise NotUsableError("llama-cpp-python is not installed")
    return Path(package.origin).parent / "lib" / "libggml-base.so"


def sources() -> list[Path]:
    """The kernels' own source files."""
    folder = Path(__file__).parent
    return sorted([*folder.glob("*.cpp"), *folder.glob("*.h")])


def _sha256(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        try:
            digest.update(path.read_bytes())
        except OSError as error:
            raise NotUsableError(f"{path}: {error.strerror}") from error
    return digest.hexdigest()


def cpu_features() -> set[str]:
    """All features of this CPU, as Linux names them; none elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return set()
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return set(value.split())
    return set()
