"""The engine as the run sees it: texts in, vectors out, whatever happens to the worker process."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import xxhash

from llama_cli.closing import Closing
from llama_cli.engine.description import ModelDescription
from llama_cli.engine.errors import failure
from llama_cli.engine.facts import OpenedModel
from llama_cli.engine.options import EngineOptions
from llama_cli.engine.worker.channel import Message
from llama_cli.engine.worker.feeder import Feeder
from llama_cli.engine.worker.process import WorkerDiedError, WorkerProcess
from llama_cli.errors import (
    EngineError,
    LlamaCliError,
    ModelError,
    RunInterruptedError,
    TextTooLongError,
)
from llama_cli.records import TextRecord, VectorBatch
from llama_cli.splits import model_parts

log = logging.getLogger(__name__)

# Texts that crash one after another before the model itself is given up.
_MOST_CRASHES = 10
# Failures of a GPU in one run before it is given up. Each costs a start.
_MOST_DEVICE_FAILURES = 3

Signature = tuple[tuple[int, int, int, int], ...]


def model_signature(path: Path) -> Signature | None:
    """What changes when another file takes the name of the model's file, or of one of its parts.

    None where a file cannot be looked at.
    """
    try:
        states = [part.stat() for part in model_parts(path)]
    except OSError:
        return None
    return tuple((s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns) for s in states)


def describe_model(path: Path) -> ModelDescription:
    """What a model file says of itself, read in a worker process: a damaged one may end that.

    Raises:
        ModelError: llama.cpp cannot read it, or crashes on it.
        EngineError: the process could not be started.
    """
    with WorkerProcess(warned=set()) as worker:
        return worker.describe(path)


def _line_only(_source: int, line: int) -> str:
    """Words for a line where there is one input."""
    return f"line {line}"


class WorkerEngine(Closing):
    """Embeds texts in a worker process.

    Where the worker dies, it is started again with the texts it had not answered. Where it dies
    again before it has answered those, they are given to it one at a time, and a text that kills
    it even so gets no vector. A GPU that fails is no text's doing: after a few times the run ends.
    """

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._warned: set[str] = set()
        self._worker: WorkerProcess
        self._started = False
        self._crashes = 0  # since the last vector
        self._device_failures = 0
        self._answered = 0
        self._suspect_until = 0  # answers after which the last crash is over
        self._crashing_texts: set[bytes] = set()  # digests of texts
        self._mid_run = False  # the worker is in the middle of a run that was given up

    def start(self) -> None:
        """Start the worker process, so that it loads its libraries while others work.

        Raises:
            EngineError: the system refused.
            RunInterruptedError: `stop` was called.
        """
        self._worker = WorkerProcess(warned=self._warned)
        self._started = True
        self._check_stopping()  # `stop` may have found nothing to kill, or an older worker

    def open(self, options: EngineOptions, signature: Signature | None = None) -> OpenedModel:
        """Load the model.

        Args:
            options: the model and how it is used.
            signature: of the file whose sha256 the options have; that of the file there now if
                None.

        Returns:
            What is known of it.

        Raises:
            ModelError: it cannot be used.
            UsageError: an option does not suit the model or the machine.
            RunInterruptedError: `stop` was called.
        """
        if not self._started:
            self.start()
        self._options = options
        self._signature = signature or model_signature(options.model)
        opened = self._open_model()
        self._dimension = opened.dimension
        return opened

    def embed(
        self, records: Iterable[TextRecord], locate: Callable[[int, int], str] = _line_only
    ) -> Iterator[VectorBatch]:
        """Vectors of the texts, in order, a decode's worth at a time.

        Args:
            records: the texts. They are read in another thread, no further ahead than the worker
                has use for.
            locate: words for a source and a line in it, for messages.

        Raises:
            TextTooLongError: a text is too long and truncating is not allowed.
            EngineError: llama.cpp failed, or crashed many times in a row.
            RunInterruptedError: `stop` was called.
            Exception: what reading the records raised, after the vectors of those before.
        """
        if self._mid_run:
            self._restart()
        self._mid_run = True
        self._locate = locate
        feeder = Feeder(records)
        try:
            feeder.feed(self._worker)
            while True:
                try:
                    message = self._worker.receive()
                except WorkerDiedError as error:
                    feeder.raise_breakdown()
                    yield from self._recover(feeder, error)
                    continue
                if message.kind == "done":
                    self._mid_run = False
                    break
                yield self._batch(feeder, message)
        except TextTooLongError as error:
            raise error.at(locate(error.source, error.line)) from error
        finally:
            if self._mid_run:
                self._worker.kill()  # it has texts, and may have an answer, that nobody wants
            feeder.close()
        feeder.raise_failure()

    def stop(self) -> None:
        """Let `embed` and `open` raise `RunInterruptedError`, soon; from any thread."""
        self._stopping.set()
        if self._started:
            self._worker.kill()

    def close(self) -> None:
        if self._started:
            self._worker.close()

    def _open_model(self) -> OpenedModel:
        try:
            opened = self._worker.open(self._options)
        except LlamaCliError:
            self._check_stopping()
            raise
        self._check_stopping()
        if model_signature(self._options.model) != self._signature:
            raise ModelError(
                f"{self._options.model} was replaced while the run used it",
                hint="put it back, or begin anew with `restart`",
            )
        return opened

    def _restart(self) -> None:
        while True:
            self._worker.close()
            self.start()
            try:
                self._open_model()
            except (ModelError, EngineError) as error:
                if not isinstance(error.__cause__, WorkerDiedError):
                    raise
                self._note_crash(error.__cause__)  # it could be opened before
            else:
                return

    def _check_stopping(self) -> None:
        if self._stopping.is_set():
            raise RunInterruptedError("interrupted")

    def _recover(self, feeder: Feeder, death: WorkerDiedError) -> Iterator[VectorBatch]:
        """Start the worker again; where that has not helped before, find the text that kills it."""
        self._note_crash(death)
        suspects = feeder.pause()
        alone = self._answered < self._suspect_until and death.culprit == "text"
        if death.culprit == "text":
            self._suspect_until = self._answered + len(suspects)
        what = f", and the next {len(suspects)} texts go to it one at a time" if alone else ""
        log.warning("llama.cpp crashed (%s); it is started again%s", death, what)
        self._restart()
        unproven: list[VectorBatch] = []
        for record in suspects if alone else []:
            unproven.append(self._embed_alone(feeder, record))
            # Only once another text has a vector is it sure that a crash was the text's own doing,
            # and not that of the model or the machine.
            if not self._crashes:
                yield from unproven
                unproven.clear()
        yield from unproven
        feeder.feed(self._worker)

    def _embed_alone(self, feeder: Feeder, record: TextRecord) -> VectorBatch:
        digest = xxhash.xxh3_128_digest(record.text)
        if digest in self._crashing_texts:
            return self._without_vector(feeder, record, "as on one before that is the same")
        while True:
            try:
                return self._try_alone(feeder, record)
            except WorkerDiedError as death:
                self._note_crash(death)
                self._restart()
                if death.culprit == "text":
                    self._crashing_texts.add(digest)
                    return self._without_vector(feeder, record, str(death))

    def _try_alone(self, feeder: Feeder, record: TextRecord) -> VectorBatch:
        with contextlib.suppress(BrokenPipeError):  # `receive` finds out why
            self._worker.send_texts([record])
            self._worker.send_end()
        batch = self._batch(feeder, self._worker.receive())
        try:
            self._worker.receive()  # done
        except WorkerDiedError as death:
            self._note_crash(death)
            self._restart()
        return batch

    def _note_crash(self, death: WorkerDiedError) -> None:
        self._check_stopping()
        if death.culprit == "build":
            raise failure("build", reason=death)
        if death.culprit == "device":
            self._device_failures += 1
            if self._device_failures > _MOST_DEVICE_FAILURES:
                raise failure("device", f"{self._device_failures} times", death)
            return
        self._crashes += 1
        if self._crashes > _MOST_CRASHES:
            raise failure("many crashes", self._crashes, death)

    def _without_vector(self, feeder: Feeder, record: TextRecord, why: str) -> VectorBatch:
        log.warning(
            "%s: llama.cpp crashes on this text (%s); its vector is null",
            self._locate(record.input_index, record.line),
            why,
        )
        self._answered += 1
        return VectorBatch(
            records=feeder.take_answered(1),
            embeddings=np.zeros((1, self._dimension), np.float32),
            valid=np.zeros(1, np.bool_),
            sequence_lengths=np.zeros(1, np.uint32),
            processing_times_ms=np.zeros(1, np.uint64),
            truncated=np.zeros(1, np.bool_),
            duplicates=np.zeros(1, np.bool_),
        )

    def _batch(self, feeder: Feeder, message: Message) -> VectorBatch:
        """The message with the texts that it answers."""
        count, (lengths, times), (valid, truncated, duplicates) = message.content
        self._answered += count
        self._crashes = 0
        return VectorBatch(
            records=feeder.take_answered(count),
            embeddings=np.frombuffer(message.parts[0], np.float32).reshape(count, -1),
            valid=valid,
            sequence_lengths=lengths,
            processing_times_ms=times,
            truncated=truncated,
            duplicates=duplicates,
        )
