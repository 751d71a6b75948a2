"""The engine as its users see it: texts in, vectors out, whatever happens to the other process."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import xxhash

from llama_cli.closing import Closing
from llama_cli.engine.facts import OpenedModel
from llama_cli.engine.options import EngineOptions
from llama_cli.engine.worker.channel import Message
from llama_cli.engine.worker.feeder import Feeder
from llama_cli.engine.worker.process import Child, ChildDiedError
from llama_cli.engine.worker.signature import Signature, model_signature
from llama_cli.errors import EngineError, LlamaCliError, ModelError, TextTooLongError
from llama_cli.records import TextRecord, VectorBatch

log = logging.getLogger(__name__)

# Texts that crash one after another before the model itself is given up.
_MOST_CRASHES = 10


def name_line(_source: int, line: int) -> str:
    """Words for a line where there is one input."""
    return f"line {line}"


class EngineStoppedError(LlamaCliError):
    """`WorkerEngine.stop` was called."""


class WorkerEngine(Closing):
    """Embeds texts in a child process. It is a context manager.

    Where the child dies, it is started again with the texts it had not answered. Where it dies
    again before it has answered those, they are given to it one at a time, and a text that kills
    it even so gets no vector.
    """

    def __init__(self) -> None:
        """Nothing runs yet, but it can be told to stop."""
        self._debug = logging.getLogger("llama_cli").isEnabledFor(logging.DEBUG)
        self._stopping = threading.Event()
        self._said: set[str] = set()
        self._child: Child
        self._started = False
        self._crashes = 0  # since the last vector
        self._answered = 0
        self._trouble_until = 0
        self._crashing_texts: set[bytes] = set()  # digests of texts
        self._mid_run = False  # the child is in the middle of a run that was given up

    def start(self) -> None:
        """Start the child process, so that it loads its libraries while others work.

        Raises:
            EngineError: the system refused.
            EngineStoppedError: `stop` was called.
        """
        self._child = Child(debug=self._debug, said=self._said)
        self._started = True
        self._check_stopping()  # `stop` may have found nothing to kill, or an older child

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
            EngineStoppedError: `stop` was called.
        """
        if not self._started:
            self.start()
        self._options = options
        self._signature = signature or model_signature(options.model)
        opened = self._open_child()
        self._dimension = opened.dimension
        return opened

    def embed(
        self, records: Iterable[TextRecord], locate: Callable[[int, int], str] = name_line
    ) -> Iterator[VectorBatch]:
        """Vectors of the texts, in order, a decode's worth at a time.

        Args:
            records: the texts. They are read in another thread, no further ahead than the child
                has use for.
            locate: words for a source and a line in it, for messages.

        Raises:
            TextTooLongError: a text is too long and cutting is not allowed.
            EngineError: llama.cpp failed, or crashed on one text after another.
            EngineStoppedError: `stop` was called.
            Exception: what reading the records raised, after the vectors of those before.
        """
        if self._mid_run:
            self._restart()
        self._mid_run = True
        self._name_place = locate
        feeder = Feeder(records)
        try:
            feeder.feed(self._child)
            while True:
                try:
                    message = self._child.receive()
                except ChildDiedError as error:
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
                self._child.kill()  # it has texts, and may have an answer, that nobody wants
            feeder.close()
        feeder.raise_failure()

    def stop(self) -> None:
        """Let `embed` and `open` raise `EngineStoppedError`, soon; from any thread."""
        self._stopping.set()
        if self._started:
            self._child.kill()

    def close(self) -> None:
        """End the child process."""
        if self._started:
            self._child.close()

    def _open_child(self) -> OpenedModel:
        try:
            opened = self._child.open(self._options)
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
            self._child.close()
            self.start()
            try:
                self._open_child()
            except (ModelError, EngineError) as error:
                if not isinstance(error.__cause__, ChildDiedError):
                    raise
                self._note_crash(error.__cause__)  # it could be opened before
            else:
                return

    def _check_stopping(self) -> None:
        if self._stopping.is_set():
            raise EngineStoppedError("stopped")

    def _recover(self, feeder: Feeder, death: ChildDiedError) -> Iterator[VectorBatch]:
        """Start the child again; where that has not helped before, find the text that kills it."""
        self._note_crash(death)
        suspects = feeder.pause()
        again = self._answered < self._trouble_until
        self._trouble_until = self._answered + len(suspects)
        what = f", and the next {len(suspects)} texts go to it one at a time" if again else ""
        log.warning("llama.cpp crashed (%s); it is started again%s", death, what)
        self._restart()
        held: list[VectorBatch] = []
        for record in suspects if again else []:
            held.append(self._embed_alone(feeder, record))
            # Only once another text has a vector is it sure that a crash was the text's own doing,
            # and not that of the model or the machine.
            if not self._crashes:
                yield from held
                held.clear()
        yield from held
        feeder.feed(self._child)

    def _embed_alone(self, feeder: Feeder, record: TextRecord) -> VectorBatch:
        digest = xxhash.xxh3_128_digest(record.text)
        if digest in self._crashing_texts:
            return self._without_vector(feeder, record, "as on one before that is the same")
        try:
            with contextlib.suppress(BrokenPipeError):  # `receive` finds out why
                self._child.send_texts([record])
                self._child.send_end()
            message = self._child.receive()
        except ChildDiedError as death:
            self._note_crash(death)
            self._restart()
            self._crashing_texts.add(digest)
            return self._without_vector(feeder, record, str(death))
        batch = self._batch(feeder, message)
        try:
            self._child.receive()  # done
        except ChildDiedError as death:
            self._note_crash(death)
            self._restart()
        return batch

    def _note_crash(self, death: ChildDiedError) -> None:
        self._check_stopping()
        self._crashes += 1
        if self._crashes > _MOST_CRASHES:
            raise EngineError(f"llama.cpp crashed {self._crashes} times in a row ({death})")

    def _without_vector(self, feeder: Feeder, record: TextRecord, why: str) -> VectorBatch:
        log.warning(
            "%s: llama.cpp crashes on this text (%s); its vector is null",
            self._name_place(record.input_index, record.line),
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
