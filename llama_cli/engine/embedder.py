"""Texts to vectors: tokenize, batch, decode on several contexts at once, restore the order."""

from __future__ import annotations

import collections
import logging
import math
import queue
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from llama_cli.closing import Closing
from llama_cli.engine.batching import Answer, Item, RecentTexts, collect, make_batches
from llama_cli.engine.context import Context, ContextOptions, make_contexts
from llama_cli.engine.doubts import find_doubts, refuse_unfit
from llama_cli.engine.facts import ModelFacts, OpenedModel, resolve_pooling
from llama_cli.engine.known_models import (
    KnownModel,
    find_known,
    resolve_prompt,
    warn_of_truncation,
)
from llama_cli.engine.library import binding_version
from llama_cli.engine.model import Model
from llama_cli.engine.options import EmbedderOptions
from llama_cli.engine.tokenizer import Tokenizer
from llama_cli.engine.tuning import make_plan
from llama_cli.errors import TextTooLongError, UsageError
from llama_cli.records import FloatMatrix, TextRecord, TokenIds, VectorBatch
from llama_cli.splits import size_of_parts

log = logging.getLogger(__name__)

# Texts in flight; more wait in the input.
_MOST_BYTES = 4 << 20

# PyTorch's default. It keeps a row of equal numbers from being divided by zero.
_LAYER_NORM_EPSILON = 1e-5

# A batch, and its decode unless all its texts are duplicates.
_InFlight = tuple[list[Item], Future[None] | None]


class LlamaEmbedder(Closing):
    """Embeds texts with one model, on CPU or GPU."""

    def __init__(
        self,
        model: Model,
        options: EmbedderOptions,
        *,
        replicas: Sequence[Model] = (),
        return_texts: bool = True,
    ) -> None:
        """Set up tokenizer, contexts and threads for a loaded model.

        Args:
            model: the model.
            options: how texts become vectors.
            replicas: the same model again, on other devices; all share the texts.
            return_texts: keep the texts until their vectors are there, and return them too.

        Raises:
            ModelError: the model is not fit for embedding, or memory does not suffice.
            UsageError: the maximum length or the width is out of the model's range, the prompt
                leaves no room for text, or that of the task is not known.
        """
        refuse_unfit(model)
        for doubt in find_doubts(model, options.pooling):
            log.warning("%s %s", model.facts.name, doubt)
        self.opened = opened = _resolve(model, options)
        self._options = options
        self._return_texts = return_texts
        self._decode_until = math.inf
        self._tokenizer = Tokenizer(model, opened.max_length, opened.prompt, options.closing_token)
        self._recent = RecentTexts(opened.dimension) if options.dedup else None
        plan = make_plan(
            options.threads,
            size_of_parts(model.path),
            model.facts.width,
            on_gpu=model.placement.on_gpu,
            own_kernels=model.has_kernels,
            state_bytes=model.state_bytes,
        )
        self._plan = plan
        how = ContextOptions(opened.pooling, plan.threads, plan.batch_tokens, plan.batch_texts)
        contexts = make_contexts([model, *replicas] * plan.contexts, how)
        self._most_in_flight = 2 * len(contexts)
        self._contexts = contexts
        self._idle: queue.SimpleQueue[Context] = queue.SimpleQueue()
        for context in contexts:
            self._idle.put(context)
        self._pool = ThreadPoolExecutor(len(contexts), thread_name_prefix="decode")
        log.debug(
            "%d contexts of %d threads each, %d tokens a batch",
            len(contexts),
            plan.threads,
            plan.batch_tokens,
        )

    def embed(self, records: Iterable[TextRecord]) -> Iterator[VectorBatch]:
        """Vectors of the texts, in order, a decode's worth at a time.

        At most two decodes a context are in flight, so memory stays flat however many texts
        come, and a slow consumer slows the reading.

        Raises:
            TextTooLongError: a text is too long and truncating is not allowed.
            EngineError: llama.cpp failed.
        """
        if self._recent is not None:
            self._recent.clear()  # an earlier run may have left texts without their vectors
        self._decode_until = time.monotonic() + (self._options.decode_seconds or math.inf)
        batches = make_batches(
            map(self._prepare, records),
            attrgetter("cost"),
            attrgetter("text_bytes"),
            max_tokens=self._plan.batch_tokens,
            max_items=self._plan.batch_texts,
            max_bytes=_MOST_BYTES,
        )
        in_flight: collections.deque[_InFlight] = collections.deque()
        for batch in batches:
            in_flight.append((batch, self._submit(batch)))
            del batch  # else it would keep its texts until the next one is read
            while len(in_flight) > self._most_in_flight or _text_bytes(in_flight) > _MOST_BYTES:
                yield _wait_for(*in_flight.popleft())
        while in_flight:
            yield _wait_for(*in_flight.popleft())

    def warm_up(self) -> None:
        """Decode a short text, so that a model which cannot decode at all is found out.

        Raises:
            EngineError: llama.cpp failed.
            UsageError: the first token's vector was asked for, and is the same for every text.
        """
        vector = self._warm_up(b"warm up")
        if self.opened.pooling == "cls" and np.allclose(vector, self._warm_up(b"warm water")):
            raise UsageError(
                f"{self.opened.facts.name} reads from left to right, so its first token knows "
                "nothing of the text, and with `pooling=cls` all texts would get the same vector",
                option="pooling",
            )

    def _warm_up(self, text: bytes) -> npt.NDArray[np.float32]:
        tokens = self._tokenizer.tokenize(text)
        answer = Answer(len(tokens.ids), tokens.truncated)
        self._pool.submit(self._decode, [(tokens.ids, answer)]).result()
        return answer.known_vector

    def close(self) -> None:
        """Wait for running decodes and free the contexts. The model stays the caller's."""
        self._pool.shutdown(cancel_futures=True)
        while self._contexts:
            self._contexts.pop().close()

    def _prepare(self, record: TextRecord) -> Item:
        """Find the answer of a duplicate, or tokenize a new text."""
        size = len(record.text)
        returned = record if self._return_texts else record._replace(text=b"")
        if self._recent is not None and (known := self._recent.find(record.text)):
            return Item(returned, known, None, size)
        tokens = self._tokenizer.tokenize(record.text)
        if tokens.truncated and self._options.on_long == "error":
            raise TextTooLongError(record.input_index, record.line, self.opened.max_length)
        answer = Answer(len(tokens.ids), tokens.truncated)
        if self._recent is not None:
            self._recent.add(record.text, answer)
        return Item(returned, answer, tokens.ids, size)

    def _submit(self, batch: list[Item]) -> Future[None] | None:
        asked = [(item.ids, item.answer) for item in batch if item.ids is not None]
        return self._pool.submit(self._decode, asked) if asked else None

    def _decode(self, asked: list[tuple[TokenIds, Answer]]) -> None:
        """Runs in a thread of the pool: one decode, and one more for each row that failed in it."""
        if time.monotonic() > self._decode_until:
            for _, answer in asked:
                answer.vector = np.zeros(self.opened.dimension, np.float32)
            return
        texts = [ids for ids, _ in asked]
        context = self._idle.get()
        started = time.perf_counter()
        try:
            vectors = _decode_finite(context.decode, texts)
        finally:
            self._idle.put(context)
        elapsed = time.perf_counter() - started
        valid = np.asarray(np.isfinite(vectors).all(axis=1))
        vectors[~valid] = 0.0
        if self.opened.layer_norm:
            layer_norm_rows(vectors)
        if self.opened.dimension < vectors.shape[1]:
            vectors = np.ascontiguousarray(vectors[:, : self.opened.dimension])
        if self._options.normalize:
            normalize_rows(vectors)
        shares = np.array([len(ids) for ids in texts]) / sum(map(len, texts))
        times_ms = np.rint(1000 * elapsed * shares)
        for row, (_, answer) in enumerate(asked):
            answer.vector = vectors[row].copy()  # a view would keep all the batch
            answer.valid = bool(valid[row])
            answer.time_ms = int(times_ms[row])


def _text_bytes(in_flight: Iterable[_InFlight]) -> int:
    return sum(item.text_bytes for batch, _ in in_flight for item in batch)


def _wait_for(batch: list[Item], future: Future[None] | None) -> VectorBatch:
    if future is not None:
        future.result()
    return collect(batch)


def _decode_finite(
    decode: Callable[[Sequence[TokenIds]], FloatMatrix], texts: list[TokenIds]
) -> FloatMatrix:
    """Decode a batch; rows that are not finite are tried again alone.

    Attention masks with minus infinity, so one text's NaN can reach the others of its batch.
    """
    vectors = decode(texts)
    if len(texts) > 1:
        for row in np.flatnonzero(~np.isfinite(vectors).all(axis=1)):
            vectors[row] = decode([texts[row]])[0]
    return vectors


def layer_norm_rows(vectors: FloatMatrix) -> None:
    """Bring each row to mean 0 and variance 1, in place, as PyTorch's ``layer_norm`` does."""
    rows = vectors.astype(np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    vectors[:] = rows / np.sqrt(rows.var(axis=1, keepdims=True) + _LAYER_NORM_EPSILON)


def normalize_rows(vectors: FloatMatrix) -> None:
    """Scale each row to length 1, in place; a row of zeros stays one."""
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    np.divide(vectors, norms, out=vectors, where=norms > 0, casting="same_kind")


def _resolve(model: Model, options: EmbedderOptions) -> OpenedModel:
    """What the options come to with this model."""
    facts = model.facts
    pooling = resolve_pooling(facts, options.pooling)
    known = find_known(facts.name, model.path.stem)
    max_length = _resolve_max_length(facts, known, options.max_length)
    dimension = _resolve_dims(facts, options.dims)
    prompt = resolve_prompt(facts.name, known, options)
    layer_norm = False
    if dimension < facts.dimension:
        warn_of_truncation(facts.name, known, dimension)
        layer_norm = bool(known and known.matryoshka and known.matryoshka.layer_norm)
    return OpenedModel(
        facts=facts,
        pooling=pooling,
        max_length=max_length,
        dimension=dimension,
        prompt=prompt,
        layer_norm=layer_norm,
        arithmetic=model.arithmetic,
        llama_cpp_version=binding_version(),
    )


def _resolve_max_length(facts: ModelFacts, known: KnownModel | None, wanted: int | None) -> int:
    if wanted is not None and wanted > facts.context:
        raise UsageError(
            f"`max_length={wanted}`: {facts.name} was trained on at most {facts.context} tokens",
            option="max_length",
        )
    usual = known.max_length if known else None
    return wanted or min(usual or facts.context, facts.context)


def _resolve_dims(facts: ModelFacts, wanted: int | None) -> int:
    if wanted is not None and wanted > facts.dimension:
        raise UsageError(
            f"`dims={wanted}`: the vectors of {facts.name} have {facts.dimension}", option="dims"
        )
    return wanted or facts.dimension
