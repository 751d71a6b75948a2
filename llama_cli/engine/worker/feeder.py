"""Reading texts and handing them to the worker process, in a thread beside its answers."""

from __future__ import annotations

import collections
import threading
from collections.abc import Iterable, Iterator
from itertools import islice

from llama_cli.engine.worker.process import WorkerProcess
from llama_cli.records import TextRecord

# One message carries so many texts, or so many bytes of them; a longer text is alone in one.
_GROUP_TEXTS = 64
_GROUP_BYTES = 1 << 16
# Unanswered texts after which none is read. The worker may want as much as eight MiB before it
# answers: a batch in the making and another on its way, of four each.
_MOST_BYTES = 12 << 20
_PATIENCE_SECONDS = 1.0


class Feeder:
    """Keeps every text until its vector is there, so that another worker can be asked again.

    How far it reads ahead is up to the worker: the pipe to it fills up.
    """

    def __init__(self, records: Iterable[TextRecord]) -> None:
        """Start the thread; it waits for `feed`."""
        self._records = iter(records)
        self._unanswered: collections.deque[TextRecord] = collections.deque()
        self._worker: WorkerProcess | None = None
        self._unanswered_bytes = 0
        # Of the unanswered ones, to this worker. Below 0 for a moment where an answer comes before
        # `_note_sent`.
        self._sent = 0
        self._exhausted = False
        self._sending = False
        self._ended = False  # this worker was told that there are no more
        self._failure: BaseException | None = None
        self._breakdown: BaseException | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="feeder", daemon=True)
        self._thread.start()

    def feed(self, worker: WorkerProcess) -> None:
        """Send to this worker from now on, the unanswered texts again before all others."""
        with self._changed:
            self._worker, self._sent, self._ended = worker, 0, False
            self._changed.notify_all()

    def pause(self) -> list[TextRecord]:
        """Send nothing until the next `feed`; returns the texts that have no answer yet."""
        with self._changed:
            self._worker = None
            # The worker is dead, so this is soon; its descriptors may be closed then.
            self._changed.wait_for(lambda: not self._sending)
            return list(self._unanswered)

    def take_answered(self, count: int) -> list[TextRecord]:
        """The texts that the worker has answered next; from now on they are the caller's alone."""
        with self._changed:
            self._sent -= count
            answered = [self._unanswered.popleft() for _ in range(count)]
            self._unanswered_bytes -= _size(answered)
            self._changed.notify_all()
            return answered

    def raise_failure(self) -> None:
        """Raise what reading the texts raised, if anything."""
        if self._failure is not None:
            raise self._failure

    def raise_breakdown(self) -> None:
        """Raise what ended the thread itself, if anything."""
        if self._breakdown is not None:
            raise self._breakdown

    def close(self) -> None:
        """Send nothing more. A thread that waits for input is left to itself."""
        with self._changed:
            self._closed = True
            self._worker = None
            self._changed.notify_all()
        self._thread.join(_PATIENCE_SECONDS)

    def _run(self) -> None:
        # Not even a bug may end this thread unseen: somebody waits for answers.
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - raised again by `raise_breakdown`
            with self._changed:
                self._breakdown, worker, self._worker = error, self._worker, None
                self._changed.notify_all()
            if worker is not None:
                worker.kill()  # wakes whoever waits

    def _work(self) -> None:
        while (worker := self._wait_for_worker()) is not None:
            with self._changed:
                if self._worker is not worker:
                    continue
                group = list(_group(islice(self._unanswered, max(0, self._sent), None)))
                self._sending = bool(group) or self._exhausted
            try:
                if group:
                    worker.send_texts(group)
                elif self._exhausted:
                    worker.send_end()
            except OSError:  # it has ended; another one will be there
                with self._changed:
                    if self._worker is worker:
                        self._worker = None
                continue
            finally:
                with self._changed:
                    self._sending = False
                    self._changed.notify_all()
            if group or self._exhausted:
                self._note_sent(worker, len(group))
            else:
                self._read()

    def _wait_for_worker(self) -> WorkerProcess | None:
        """The worker to send to, once there is something to do for it; None to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._is_wanted())
            return None if self._closed else self._worker

    def _is_wanted(self) -> bool:
        """Whether there is something to send, or to read."""
        if self._worker is None or self._ended:
            return False
        all_sent = self._sent >= len(self._unanswered)
        return not all_sent or self._exhausted or self._unanswered_bytes < _MOST_BYTES

    def _note_sent(self, worker: WorkerProcess, count: int) -> None:
        with self._changed:
            if self._worker is worker:
                self._sent += count
                self._ended = not count

    def _read(self) -> None:
        """Read the next texts; whoever waits for the vectors is told of a failure."""
        group: list[TextRecord] = []
        try:
            group.extend(_group(self._records))
        except BaseException as error:  # noqa: BLE001 - raised again by `raise_failure`
            self._failure = error
        with self._changed:
            self._unanswered += group
            self._unanswered_bytes += _size(group)
            self._exhausted = not group or self._failure is not None


def _size(records: Iterable[TextRecord]) -> int:
    return sum(len(record.text) for record in records)


def _group(records: Iterable[TextRecord]) -> Iterator[TextRecord]:
    """As many of the texts as one message shall carry, at least one if there is one."""
    size = 0
    for count, record in enumerate(records, start=1):
        yield record
        size += len(record.text)
        if count == _GROUP_TEXTS or size >= _GROUP_BYTES:
            return
