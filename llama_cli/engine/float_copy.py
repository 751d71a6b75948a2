"""A copy of half-precision weights in single precision, where llama.cpp is faster with those.

Which is faster depends on the CPU, so it is measured, once for each model and machine. The copy
holds the same numbers: every F16 and BF16 number is an F32 number too. Our own kernels have no use
for it, they widen weights as they go.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import logging
import os
import platform
import statistics
import time
from pathlib import Path

import numpy as np

from llama_cli.engine.context import ContextOptions, make_contexts
from llama_cli.engine.facts import Pooling
from llama_cli.engine.kernels.installed import cpu_features
from llama_cli.engine.library import binding_version, llama_cpp
from llama_cli.engine.model import Model
from llama_cli.errors import LlamaCliError

log = logging.getLogger(__name__)

_LIMIT_BYTES = 1_000_000_000
_ALL_F32 = 0  # LLAMA_FTYPE_ALL_F32 in llama.h

# F32 must be that much faster to be worth twice the memory.
_MARGIN = 1.05
_ROUNDS = 3
# Operations of one timed batch, about a tenth of a second on one core.
_OPERATIONS = 10e9
_TEXT_TOKENS = 16


def use_faster_weights(model: Model, digest: str, folder: Path | None, pooling: Pooling) -> None:
    """Give a model F32 weights where that is known, or now found, to be faster.

    Args:
        model: a loaded model; its facts stay those of the original file.
        digest: sha256 of the original file.
        folder: where copies are; None for not to use any.
        pooling: how its vectors are pooled.
    """
    try:
        reason = _why_not(model, folder) or _try(model, digest, folder or Path(), pooling)
    except (OSError, LlamaCliError) as error:
        reason = str(error)
    log.debug("weights: %s", reason or f"an F32 copy in {folder}")


def _why_not(model: Model, folder: Path | None) -> str | None:
    """What makes a copy useless, if anything."""
    if model.placement.on_gpu:
        return "as in the file, on the GPU"
    if model.has_kernels:
        return "as in the file, which the kernels read as fast"
    if model.facts.quantization not in ("F16", "BF16"):
        return f"as in the file ({model.facts.quantization})"
    if 4 * llama_cpp().llama_model_n_params(model.handle) >= _LIMIT_BYTES:
        return "as in the file; an F32 copy would have 1 GB or more"
    if folder is None:
        return "as in the file; no F32 copies are wanted"
    return None


def _try(model: Model, digest: str, folder: Path, pooling: Pooling) -> str | None:
    """Use the copy if it is faster; returns why not."""
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / f"{digest}.f32.gguf"
    verdict = folder / f"{digest}.{_machine()}"
    known = verdict.read_text("ascii") if verdict.exists() else None
    slower = "as in the file; F32 was measured not to be faster on this CPU"
    if known == "as is":
        return slower
    if not copy.exists():
        _write_copy(model.path, copy)
    if known != "f32":
        faster = _is_faster(model, copy, pooling)
        verdict.write_text("f32" if faster else "as is", "ascii")
        if not faster:
            copy.unlink(missing_ok=True)
            return slower
    model.take_weights(copy)
    return None


def _machine() -> str:
    """A name for what decides which weights are faster: llama.cpp and the kind of CPU."""
    features = " ".join(sorted(cpu_features()))
    kind = f"{binding_version()} {platform.machine()} {features}"
    return hashlib.sha256(kind.encode()).hexdigest()[:16]


def _write_copy(source: Path, copy: Path) -> None:
    """Make the copy under another name, and give it its own when it is whole.

    Raises:
        OSError: it cannot be written, or another run is writing it.
    """
    part = copy.with_suffix(".part")
    with part.open("ab") as file:
        # Left behind by a run that was killed, it is written anew; of one that lives, not touched.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if copy.exists() or not os.path.samestat(os.fstat(file.fileno()), part.stat()):
            raise BlockingIOError("another run has just made an F32 copy")
        params = llama_cpp().llama_model_quantize_default_params()
        params.ftype = _ALL_F32
        code = llama_cpp().llama_model_quantize(
            os.fsencode(source), os.fsencode(part), ctypes.byref(params)
        )
        if code != 0:
            part.unlink(missing_ok=True)
            raise OSError(f"llama.cpp could not write an F32 copy (code {code})")
        os.fsync(file.fileno())
        part.replace(copy)


def _is_faster(model: Model, copy: Path, pooling: Pooling) -> bool:
    """Whether a batch takes less time with the copy, on one thread; they must agree as well."""
    rate = 2.0 * llama_cpp().llama_model_n_params(model.handle)
    texts = int(np.clip(_OPERATIONS / rate / _TEXT_TOKENS, 1, 16))
    vocabulary = llama_cpp().llama_vocab_n_tokens(model.vocab)
    ids = np.random.default_rng(0).integers(vocabulary, size=(texts, _TEXT_TOKENS), dtype=np.int32)
    options = ContextOptions(pooling, threads=1, batch_tokens=256)
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(Model(copy, model.placement))
        contexts = make_contexts([model, other], options)
        for context in contexts:
            stack.enter_context(context)
        times: tuple[list[float], list[float]] = ([], [])
        first, second = (context.decode(list(ids)) for context in contexts)
        if not np.allclose(first, second, rtol=0, atol=0.01 * float(np.abs(first).max())):
            return False
        for _ in range(_ROUNDS):
            for context, seconds in zip(contexts, times, strict=True):
                started = time.perf_counter()
                context.decode(list(ids))
                seconds.append(time.perf_counter() - started)
    as_is, as_f32 = (statistics.median(seconds) for seconds in times)
    log.debug("a batch takes %.1f ms as it is, %.1f ms in F32", 1000 * as_is, 1000 * as_f32)
    return as_is > as_f32 * _MARGIN
