"""Loading llama.cpp, and keeping its log off the terminal.

llama.cpp writes to stderr by default and, on an internal error, starts a debugger. Both are set
right here before the shared library is first touched. Its log goes to the logger
``llama_cli.llama_cpp``; errors are also noted, so that a failure can say why.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import os
import re
from typing import Any

from llama_cli.engine.errors import note_error
from llama_cli.engine.kernels.installed import cpu_features, ggml_library

log = logging.getLogger("llama_cli.llama_cpp")
log.addHandler(logging.NullHandler())

# `enum ggml_log_level` in ggml.h (the comments in the Python binding give older numbers).
# 5 continues the line before it; such fragments are progress dots.
_LOG_LEVELS = {1: logging.DEBUG, 2: logging.INFO, 3: logging.WARNING, 4: logging.ERROR}
_LOG_ERROR = 4
# Instruction sets of x86 that llama.cpp names otherwise than Linux does, but for underscores.
_LINUX_NAMES = {"AVX512": "avx512f", "SSE3": "pni"}
_X86_SET = re.compile(r"\b((?:AMX|AVX|BMI|F16C|FMA|S?SSE)\w*) = 1\b")
_GCC = re.compile(rb"GCC: \([^)]*\) (\d+)\.(\d+)")
_SOUND_GCC = (13, 3)


@functools.cache
def llama_cpp() -> Any:
    """The low-level binding module ``llama_cpp.llama_cpp``, loaded on first use."""
    # Without this an abort() inside ggml starts gdb and prints pages of stack.
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")
    import llama_cpp.llama_cpp as binding

    binding.llama_log_set(_log_callback(binding), ctypes.c_void_p(0))
    binding.llama_backend_init()
    return binding


@functools.cache
def _log_callback(binding: Any) -> Any:
    """The C callback; cached because llama.cpp keeps the pointer for ever."""

    def receive(level: int, text: bytes, _user_data: object) -> None:
        line = text.decode("utf-8", "replace").rstrip("\n")
        if level == _LOG_ERROR:
            note_error(line)
        log.log(_LOG_LEVELS.get(level, logging.DEBUG), "%s", line)

    return binding.llama_log_callback(receive)


def binding_version() -> str:
    """Version of llama-cpp-python, which pins the llama.cpp inside it."""
    import llama_cpp as package

    return str(package.__version__)


def build_info() -> str:
    """The instruction sets and back ends this build of llama.cpp uses."""
    return str(llama_cpp().llama_print_system_info().decode().strip())


def missing_instruction_sets() -> list[str]:
    """Those that this build of llama.cpp uses and this CPU lacks; none where it cannot be told."""
    there = {name.replace("_", "") for name in cpu_features()}
    built = _X86_SET.findall(build_info()) if there else []
    return [
        name for name in built if _LINUX_NAMES.get(name, name.lower().replace("_", "")) not in there
    ]


@functools.cache
def amx_crashes() -> bool:
    """Whether llama.cpp's code for Intel's AMX was compiled by a GCC that gets it wrong.

    GCC before 13.3 leaves out all but a byte of the configuration which that code loads, so that
    the next instruction ends the process by SIGILL (pull request 26954 of llama.cpp has the same).
    """
    if "AMX_INT8 = 1" not in build_info():
        return False
    library = ggml_library().with_name("libggml-cpu.so")
    try:
        compilers = _GCC.findall(library.read_bytes())
    except OSError:  # linked into one library, or under another name
        return False
    # The start-up code may be of an older compiler than the rest.
    return bool(compilers) and max((int(a), int(b)) for a, b in compilers) < _SOUND_GCC
