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
from typing import Any

from llama_cli.engine.errors import note_error

log = logging.getLogger("llama_cli.llama_cpp")
log.addHandler(logging.NullHandler())

# `enum ggml_log_level` in ggml.h (the comments in the Python binding give older numbers).
# 5 continues the line before it; such fragments are progress dots.
_LOG_LEVELS = {1: logging.DEBUG, 2: logging.INFO, 3: logging.WARNING, 4: logging.ERROR}
_LOG_ERROR = 4


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
