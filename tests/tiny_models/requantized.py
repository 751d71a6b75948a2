"""Writing a model again with another type of weights, by llama.cpp itself."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from llama_cli.engine.library import llama_cpp

# `enum llama_ftype` in llama.h. Of the quantized ones llama.cpp lays Q4_0 out anew on some CPUs.
FILE_TYPES = {"F32": 0, "F16": 1, "BF16": 32, "Q8_0": 7, "Q5_0": 8, "Q4_0": 2}


def requantize(source: Path, target: Path, kind: str) -> Path:
    """Write the model of ``source`` to ``target`` with weights of a kind in ``FILE_TYPES``."""
    params = llama_cpp().llama_model_quantize_default_params()
    params.ftype = FILE_TYPES[kind]
    paths = os.fsencode(source), os.fsencode(target)
    assert llama_cpp().llama_model_quantize(*paths, ctypes.byref(params)) == 0
    return target
