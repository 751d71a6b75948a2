"""One llama.cpp context: token ids in, pooled vectors out."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llama_cli.closing import Closing
from llama_cli.engine.errors import failure, forget_errors
from llama_cli.engine.facts import ATTENDING_TO_BOTH_SIDES, Pooling
from llama_cli.engine.library import llama_cpp
from llama_cli.engine.memory import release_logits
from llama_cli.engine.model import POOLING_CODES, Model
from llama_cli.engine.tuning import MAX_TEXTS
from llama_cli.records import FloatMatrix, TokenIds

# What llama_decode returns when it cannot allocate.
_NO_MEMORY = -2

# Flash attention: on, or as llama.cpp chooses.
_ON, _AUTO = 1, -1

_GROWTH = threading.Lock()


@dataclass(frozen=True, slots=True)
class ContextOptions:
    """How contexts are made.

    Attributes:
        pooling: how a text's token vectors become one.
        threads: CPU threads of one decode.
        batch_tokens: tokens a new context has room for.
        batch_texts: texts it has room for; a power of two.
    """

    pooling: Pooling
    threads: int
    batch_tokens: int
    batch_texts: int = MAX_TEXTS


class Context(Closing):
    """A context of one model. One thread at a time may use it; contexts share the weights."""

    def __init__(self, model: Model, options: ContextOptions) -> None:
        """Make the context.

        Raises:
            ModelError: the memory does not suffice, or the model cannot be used so.
        """
        self._model = model
        self._options = options
        self._handle: Any = None
        self._capacity = 0
        self._reserved = 0
        self._vocabulary = llama_cpp().llama_vocab_n_tokens(model.vocab)
        self._grow(options.batch_tokens)

    def close(self) -> None:
        if self._handle is not None:
            llama_cpp().llama_free(self._handle)
            self._handle = None

    def decode(self, texts: Sequence[TokenIds]) -> FloatMatrix:
        """Vectors of up to ``batch_texts`` texts: float32[len(texts), dimension], not normalized.

        Raises:
            EngineError: llama.cpp refused the batch.
            ModelError: the memory for a longer text is not there.
        """
        total = sum(len(ids) for ids in texts)
        if total > self._capacity:
            self._grow(total)
        lib = llama_cpp()
        # A causal model's memory still holds the last batch; encoders have none.
        if memory := lib.llama_get_memory(self._handle):
            lib.llama_memory_clear(memory, False)
        batch = _Batch(texts, total)
        forget_errors()
        # llama_decode, not llama_encode: the latter turns off causal attention where it belongs.
        # A batch larger than any before makes llama.cpp take and clear memory that we then give
        # back; one context at a time, so that it is taken once and not once for each.
        larger = total > self._reserved
        with _GROWTH if larger else contextlib.nullcontext():
            code = lib.llama_decode(self._handle, batch.struct)
            if code == 0 and larger:
                self._release_logits(total)
        if code == _NO_MEMORY:
            raise failure("memory", f"a batch of {total} tokens")
        if code != 0:
            raise failure("decode", code)
        return self._read_vectors(len(texts))

    def _read_vectors(self, count: int) -> FloatMatrix:
        dimension = self._model.facts.dimension
        vectors = np.empty((count, dimension), np.float32)
        get = llama_cpp().llama_get_embeddings_seq
        for row in range(count):
            pointer = get(self._handle, row)
            if not pointer:
                raise failure("no vector")
            vectors[row] = np.ctypeslib.as_array(pointer, (dimension,))
        return vectors

    def _grow(self, tokens: int) -> None:
        """Replace the context by one that has room for that many tokens.

        Memory follows the longest text seen, not the model's limit, which may be 32,768 tokens
        and several GB.
        """
        # A multiple of MAX_TEXTS: llama.cpp insists, see there.
        capacity = -(-tokens // MAX_TEXTS) * MAX_TEXTS
        self.close()
        forget_errors()
        # On a CPU it is on; where a model cannot, llama.cpp chooses. On a GPU it always chooses:
        # "on" would send what the GPU has no kernel for to the CPU, layer by layer. CUDA has none
        # for heads 32 wide, and those of the default model are.
        for flash_attention in (_AUTO,) if self._model.placement.on_gpu else (_ON, _AUTO):
            params = self._params(capacity, flash_attention)
            self._handle = llama_cpp().llama_init_from_model(self._model.handle, params)
            if self._handle:
                self._capacity = capacity
                self._reserved = 0
                self._release_logits(self._options.batch_texts)
                return
        self._handle = None
        raise failure("memory", f"a context of {capacity} tokens")

    def _release_logits(self, tokens: int) -> None:
        """Give unused memory back that llama.cpp has taken for a batch of so many tokens."""
        self._reserved = max(tokens, self._reserved)
        if not self._model.placement.on_gpu:  # there it is pinned, and not ours to give back
            release_logits(self._handle, tokens, self._vocabulary)

    def _params(self, capacity: int, flash_attention: int) -> Any:
        params = llama_cpp().llama_context_default_params()
        # One size for all three: an encoder aborts when a batch does not fit one micro-batch,
        # and pooling is wrong when a text is spread over several.
        params.n_ctx = params.n_batch = params.n_ubatch = capacity
        params.n_seq_max = self._options.batch_texts
        # Else the room of each text is the batch's divided by n_seq_max.
        params.kv_unified = True
        params.n_threads = params.n_threads_batch = self._options.threads
        params.pooling_type = POOLING_CODES[self._options.pooling]
        params.embeddings = True
        params.flash_attn_type = flash_attention
        if self._model.facts.architecture in ATTENDING_TO_BOTH_SIDES:
            params.attention_type = llama_cpp().LLAMA_ATTENTION_TYPE_NON_CAUSAL
        params.no_perf = True
        on_gpu = self._model.placement.on_gpu
        params.offload_kqv = params.op_offload = on_gpu
        return params


def make_contexts(models: Iterable[Model], options: ContextOptions) -> list[Context]:
    """A context for each of the models, or none at all.

    Raises:
        ModelError: the memory does not suffice.
    """
    with contextlib.ExitStack() as stack:
        contexts = [stack.enter_context(Context(model, options)) for model in models]
        stack.pop_all()
        return contexts


class _Batch:
    """A `llama_batch` laid over NumPy arrays, so that no token passes through Python alone."""

    def __init__(self, texts: Sequence[TokenIds], total: int) -> None:
        lib = llama_cpp()
        lengths = [len(ids) for ids in texts]
        ids = np.concatenate(texts)
        positions = np.concatenate([np.arange(length, dtype=np.int32) for length in lengths])
        sequences = np.arange(len(texts), dtype=np.int32)
        # Each token names its sequences through a pointer; all of a text share one target.
        owners = np.repeat(sequences.ctypes.data + sequences.astype(np.uintp) * 4, lengths)
        counts = np.ones(total, np.int32)
        outputs = np.ones(total, np.int8)
        self._keep_alive = (ids, positions, sequences, owners, counts, outputs)
        int32 = ctypes.POINTER(ctypes.c_int32)
        self.struct = lib.llama_batch(
            n_tokens=total,
            token=ids.ctypes.data_as(int32),
            embd=None,
            pos=positions.ctypes.data_as(int32),
            n_seq_id=counts.ctypes.data_as(int32),
            seq_id=owners.ctypes.data_as(ctypes.POINTER(int32)),
            logits=outputs.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )
