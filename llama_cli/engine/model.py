"""A GGUF model in memory, and the facts in it that decide how texts are embedded."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from llama_cli.closing import Closing
from llama_cli.engine.devices import ALL_LAYERS, Placement
from llama_cli.engine.errors import failure, forget_errors
from llama_cli.engine.facts import ModelFacts, Pooling
from llama_cli.engine.kernels.backend import use_kernels
from llama_cli.engine.kernels.installed import cpu_features
from llama_cli.engine.library import amx_crashes, llama_cpp
from llama_cli.engine.tuning import SMALL_MODEL_BYTES
from llama_cli.errors import ModelError
from llama_cli.splits import size_of_parts

log = logging.getLogger(__name__)

_LARGE_STATE_BYTES = 64 << 20

# `enum llama_pooling_type` in llama.h.
_POOLING_NAMES = {0: "none", 1: "mean", 2: "cls", 3: "last", 4: "rank"}
POOLING_CODES: dict[Pooling, int] = {"mean": 1, "cls": 2, "last": 3}


class Model(Closing):
    """The weights and the vocabulary of one GGUF file. Contexts and threads may share it."""

    def __init__(self, path: Path, placement: Placement, *, vocabulary_only: bool = False) -> None:
        """Load the file.

        Args:
            path: the GGUF file; of a model in several parts, the first.
            placement: the devices that it goes to.
            vocabulary_only: leave the weights alone, and check nothing.

        Raises:
            ModelError: llama.cpp cannot load it, or it has no use for embedding.
        """
        self.path = path
        self.placement = placement
        self.has_kernels = False
        self._weights = path
        # Before the model is loaded: llama.cpp then decides where its weights go.
        if not vocabulary_only and not placement.on_gpu and _size(path) <= SMALL_MODEL_BYTES:
            self.has_kernels = use_kernels()
        self.handle = _load(path, placement, repack=True, vocabulary_only=vocabulary_only)
        try:
            self.vocab = llama_cpp().llama_model_get_vocab(self.handle)
            if not vocabulary_only:
                check_kind(self)
            self.facts = _read_facts(self, vocabulary_only=vocabulary_only)
            if self.has_kernels and self._is_wide() and "amx_tile" in cpu_features():
                self.take_weights(path)
        except BaseException:
            self.close()
            raise

    def meta(self, key: str) -> str | None:
        """One metadata value of the file as text; None where it does not have the key."""
        buffer = ctypes.create_string_buffer(1024)
        length = llama_cpp().llama_model_meta_val_str(
            self.handle, key.encode(), buffer, len(buffer)
        )
        return buffer.value.decode("utf-8", "replace") if length >= 0 else None

    def take_weights(self, path: Path) -> None:
        """Use the weights of another file, which must be those of this one in another type.

        Raises:
            ModelError: llama.cpp cannot load it.
        """
        other = _load(path, self.placement, repack=not self._is_wide())
        self.close()
        self.handle = other
        self._weights = path
        self.vocab = llama_cpp().llama_model_get_vocab(other)

    @property
    def arithmetic(self) -> str:
        """Who computes, and with which weights, in words: another one rounds otherwise."""
        if self.placement.on_gpu:
            layers = self.placement.gpu_layers
            return "on the GPU" if layers == ALL_LAYERS else f"{layers} layers on the GPU"
        kernels = "our own kernels" if self.has_kernels else "llama.cpp's kernels"
        return kernels if self._weights == self.path else f"{kernels} with F32 weights"

    def _is_wide(self) -> bool:
        """Whether its weights are not quantized."""
        return self.facts.quantization in ("F32", "F16", "BF16")

    @property
    def state_bytes(self) -> int:
        """What a context keeps for each text that may be in a decode, at most; 0 for most models.

        Of recurrent models and those that are so in part, by the sizes that llama.cpp gives their
        states (``n_embd_r`` and ``n_embd_s`` in llama-hparams.cpp) in every layer.
        """
        lib = llama_cpp()
        if not (
            lib.llama_model_is_recurrent(self.handle) or lib.llama_model_is_hybrid(self.handle)
        ):
            return 0

        def number(key: str) -> int:
            value = self.meta(f"{self.facts.architecture}.{key}")
            return int(value) if value and value.isdigit() else 0

        inner, state = number("ssm.inner_size"), number("ssm.state_size")
        window = inner + 2 * number("ssm.group_count") * state
        floats = state * inner + max(0, number("ssm.conv_kernel") - 1) * window
        floats = max(floats, max(0, number("shortconv.l_cache") - 1) * self.facts.width)
        # Where the file names none of them, as much as large models have.
        return 4 * number("block_count") * floats or _LARGE_STATE_BYTES

    def close(self) -> None:
        """Free the weights. Contexts made from this model must be gone."""
        if self.handle is not None:
            llama_cpp().llama_model_free(self.handle)
            self.handle = None


@contextlib.contextmanager
def open_replicas(path: Path, placement: Placement) -> Iterator[list[Model]]:
    """Load a model once for each GPU, so that all of them work on different texts.

    On the CPU, and where one GPU cannot hold it, it is loaded once in all.

    Raises:
        ModelError: the model cannot be loaded.
    """

    def load(placements: Sequence[Placement]) -> list[Model]:
        return [stack.enter_context(Model(path, where)) for where in placements]

    with contextlib.ExitStack() as stack:
        each = placement.split()
        try:
            models = load(each)
        except ModelError as error:
            if len(each) == 1:
                raise
            log.debug("the model goes over all GPUs together, because of one alone: %s", error)
            stack.close()
            models = load([placement])
        yield models


def _size(path: Path) -> int:
    try:
        return size_of_parts(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot read: {error.strerror}") from error


def _load(path: Path, placement: Placement, *, repack: bool, vocabulary_only: bool = False) -> Any:
    lib = llama_cpp()
    params = lib.llama_model_default_params()
    params.vocab_only = vocabulary_only
    params.n_gpu_layers = placement.gpu_layers
    # Weights laid out anew for llama.cpp's own kernels cannot be read by ours. That is as well for
    # quantized ones, but on CPUs with AMX it does so with F16 too, for which it has no AMX kernels.
    params.use_extra_bufts = repack and not amx_crashes()
    # A list ending in NULL; an empty one keeps a GPU build off the GPU altogether.
    handles = (ctypes.c_void_p * (len(placement.devices) + 1))(
        *(device.handle for device in placement.devices)
    )
    params.devices = ctypes.cast(handles, ctypes.c_void_p)
    forget_errors()
    handle = lib.llama_model_load_from_file(os.fsencode(path), params)
    if not handle:
        raise failure("load", path)
    return handle


def check_kind(model: Model) -> None:
    """Refuse a model of a kind that cannot embed.

    Raises:
        ModelError: the model is of such a kind.
    """
    lib = llama_cpp()
    if lib.llama_model_has_encoder(model.handle) and lib.llama_model_has_decoder(model.handle):
        raise ModelError(f"{model.path}: encoder-decoder models cannot embed text here")
    if lib.llama_vocab_type(model.vocab) == lib.LLAMA_VOCAB_TYPE_NONE:
        raise ModelError(f"{model.path}: the file has no vocabulary, so it cannot read text")


def _read_facts(model: Model, *, vocabulary_only: bool) -> ModelFacts:
    lib = llama_cpp()
    architecture = model.meta("general.architecture") or "unknown"
    pooling = model.meta(f"{architecture}.pooling_type")
    if vocabulary_only:  # llama.cpp cannot be asked then: what it would make of the metadata
        file_type = model.meta("general.file_type")
        ftype = lib.llama_ftype_name(int(file_type)) if file_type else None
        width = int(model.meta(f"{architecture}.embedding_length") or 0)
        dimension = int(model.meta(f"{architecture}.embedding_length_out") or width)
        context = int(model.meta(f"{architecture}.context_length") or 0)
    else:
        ftype = lib.llama_ftype_name(lib.llama_model_ftype(model.handle))
        width = lib.llama_model_n_embd(model.handle)
        dimension = lib.llama_model_n_embd_out(model.handle)
        context = lib.llama_model_n_ctx_train(model.handle)
    return ModelFacts(
        name=model.meta("general.name") or model.path.stem,
        architecture=architecture,
        quantization=_plain_type((ftype or b"unknown").decode("utf-8", "replace")),
        dimension=dimension,
        width=width,
        context=context,
        pooling=_POOLING_NAMES.get(int(pooling), pooling) if pooling else None,
        lowercase=_flag(model.meta("tokenizer.ggml.normalizer.lowercase")),
        strip_accents=_flag(model.meta("tokenizer.ggml.normalizer.strip_accents")),
    )


def _plain_type(ftype: str) -> str:
    """llama.cpp's name of a file type, less its remarks: ``(guessed) all F32`` is ``F32``."""
    return ftype.removeprefix("(guessed) ").removeprefix("all ")


def _flag(value: str | None) -> bool | None:
    return None if value is None else value == "true"
