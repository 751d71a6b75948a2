"""Texts to vectors: tokenize, pack, decode on several contexts at once, restore the order."""

from __future__ import annotations

import collections
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np

from llama_cli.engine.context import MAX_TEXTS, Context, ContextOptions, make_contexts
from llama_cli.engine.model import Model, ModelFacts, Pooling, PoolingChoice, resolve_pooling
from llama_cli.engine.packing import pack
from llama_cli.engine.pool import DecodePool
from llama_cli.engine.tokenizer import Tokenizer, Tokens
from llama_cli.errors import TextTooLongError, UsageError
from llama_cli.types import FloatMatrix, TextRecord, VectorBatch

log = logging.getLogger(__name__)

# Best of 32 to 1,024 on two CPU cores; attention's share grows with the square of a batch.
CPU_BATCH_TOKENS = 256
# A GPU wants enough work a call; not tuned, since no GPU was at hand.
GPU_BATCH_TOKENS = 4096

# Texts in flight; more wait in the input.
_MOST_BYTES = 4 << 20

# Models beyond this size fill the cores with the products of one text.
_SMALL_MODEL_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class EmbedderOptions:
    """How texts become vectors.

    Attributes:
        pooling: ``auto`` for what the model file says, else ``mean``, ``cls`` or ``last``.
        normalize: whether vectors are scaled to length 1.
        max_length: most tokens of a text, special tokens included; None for the model's own.
        cut_long: cut longer texts; else they raise `TextTooLongError`.
        threads: CPU threads in all.
    """

    pooling: PoolingChoice = "auto"
    normalize: bool = True
    max_length: int | None = None
    cut_long: bool = True
    threads: int = 1


class _Item(NamedTuple):
    record: TextRecord
    tokens: Tokens


def _length(item: _Item) -> int:
    return len(item.tokens.ids)


class LlamaEmbedder:
    """Embeds texts with one model on CPU or GPU. It is an `Embedder` and a context manager."""

    def __init__(self, model: Model, options: EmbedderOptions) -> None:
        """Set up tokenizer, contexts and threads for a loaded model.

        Raises:
            ModelError: the model is not fit for embedding, or memory does not suffice.
            UsageError: the maximum length is out of the model's range.
        """
        self.facts: ModelFacts = model.facts
        self.pooling: Pooling = resolve_pooling(model.facts, options.pooling)
        self.max_length = _resolve_max_length(model.facts, options.max_length)
        self._options = options
        self._tokenizer = Tokenizer(model, self.max_length)
        on_gpu = model.placement.on_gpu
        self._batch_tokens = GPU_BATCH_TOKENS if on_gpu else CPU_BATCH_TOKENS
        workers, threads = share_threads(options.threads, _size(model), on_gpu=on_gpu)
        log.debug("%d contexts of %d threads each", workers, threads)
        self._workers = workers
        self._model = model
        context = ContextOptions(self.pooling, threads, self._batch_tokens)
        self._pool: DecodePool[VectorBatch] = DecodePool(make_contexts(model, context, workers))

    @property
    def dimension(self) -> int:
        """Width of each vector."""
        return self.facts.dimension

    def embed(self, records: Iterable[TextRecord]) -> Iterator[VectorBatch]:
        """Vectors of the texts, in order, a decode's worth at a time.

        At most two decodes a context are in flight, so memory stays flat however many texts
        come, and a slow consumer slows the reading.

        Raises:
            TextTooLongError: a text is too long and cutting is not allowed.
            EngineError: llama.cpp failed.
        """
        batches = pack(
            map(self._tokenize, records),
            _length,
            max_tokens=self._batch_tokens,
            max_items=MAX_TEXTS,
        )
        in_flight: collections.deque[tuple[int, Future[VectorBatch]]] = collections.deque()
        for batch in batches:
            text_bytes = sum(len(item.record.text) for item in batch)
            in_flight.append((text_bytes, self._submit(batch)))
            del batch  # else it would keep its texts until the next one is read
            while len(in_flight) > 2 * self._workers or _bytes_in(in_flight) > _MOST_BYTES:
                yield in_flight.popleft()[1].result()
        while in_flight:
            yield in_flight.popleft()[1].result()

    def close(self) -> None:
        """Wait for running decodes and free the contexts. The model stays the caller's."""
        try:
            self._pool.close()
        except BaseException:  # interrupted again: a decode may still be running
            self._model.abandon()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def _tokenize(self, record: TextRecord) -> _Item:
        tokens = self._tokenizer.tokenize(record.text)
        if tokens.cut and not self._options.cut_long:
            raise TextTooLongError(
                f"line {record.line}: the text has more than {self.max_length} tokens",
                hint="shorten it, or leave out --on-long error to cut it",
            )
        return _Item(record, tokens)

    def _submit(self, batch: list[_Item]) -> Future[VectorBatch]:
        return self._pool.submit(lambda context: self._embed_batch(context, batch))

    def _embed_batch(self, context: Context, batch: list[_Item]) -> VectorBatch:
        """Runs in a worker thread: one decode, and one more for each row that failed in it."""
        started = time.perf_counter()
        vectors = _decode_safely(context.decode, batch)
        elapsed = time.perf_counter() - started
        valid = np.asarray(np.isfinite(vectors).all(axis=1))
        vectors[~valid] = 0.0
        if self._options.normalize:
            normalize_rows(vectors)
        lengths = np.array([_length(item) for item in batch], np.uint32)
        return VectorBatch(
            records=[item.record for item in batch],
            embeddings=vectors,
            valid=valid,
            sequence_lengths=lengths,
            processing_times_ms=np.rint(1000 * elapsed * lengths / lengths.sum()).astype(np.uint64),
            cut=sum(item.tokens.cut for item in batch),
        )


def _bytes_in(in_flight: Iterable[tuple[int, Future[VectorBatch]]]) -> int:
    return sum(text_bytes for text_bytes, _ in in_flight)


def _decode_safely(decode: Callable[..., FloatMatrix], batch: list[_Item]) -> FloatMatrix:
    """Decode a batch; rows that are not finite are tried again alone.

    Attention masks with minus infinity, so one text's NaN can reach the others of its batch.
    """
    vectors = decode([item.tokens.ids for item in batch])
    if len(batch) > 1:
        for row in np.flatnonzero(~np.isfinite(vectors).all(axis=1)):
            vectors[row] = decode([batch[row].tokens.ids])[0]
    return vectors


def normalize_rows(vectors: FloatMatrix) -> None:
    """Scale each row to length 1, in place; a row of zeros stays one."""
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    np.divide(vectors, norms, out=vectors, where=norms > 0, casting="same_kind")


def share_threads(threads: int, model_bytes: int, *, on_gpu: bool) -> tuple[int, int]:
    """How many contexts to use, and how many threads each.

    Contexts of one thread each beat one context of many by 1.4 to 2.3 for small models, whose
    matrix products are too short to be worth dividing.
    """
    if on_gpu or model_bytes > _SMALL_MODEL_BYTES:
        return 1, threads
    return threads, 1


def _size(model: Model) -> int:
    return model.path.stat().st_size


def _resolve_max_length(facts: ModelFacts, wanted: int | None) -> int:
    if wanted is not None and wanted > facts.context:
        raise UsageError(
            f"--max-length {wanted}: {facts.name} was trained on at most {facts.context} tokens"
        )
    return wanted or facts.context
