"""Threads that decode side by side, each with a context of its own.

Not an executor of the standard library: those lose track of a thread when Ctrl-C arrives while
they start it, and a thread that decodes on freed weights takes the process down.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from llama_cli.engine.context import Context

T = TypeVar("T")


class DecodePool(Generic[T]):
    """Runs tasks on contexts, in the order in which they come, as many at a time as contexts."""

    def __init__(self, contexts: list[Context]) -> None:
        """Start a thread for each context. The contexts are freed by `close`."""
        self._contexts = contexts
        self._tasks: queue.SimpleQueue[tuple[Callable[[Context], T], Future[T]] | None]
        self._tasks = queue.SimpleQueue()
        self._closing = False
        # Daemons: a decode that cannot be waited for must not keep the process from ending.
        self._threads = [
            threading.Thread(target=self._work, args=(context,), name="decode", daemon=True)
            for context in contexts
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Callable[[Context], T]) -> Future[T]:
        """Run a task on the next free context."""
        future: Future[T] = Future()
        self._tasks.put((task, future))
        return future

    def close(self) -> None:
        """Drop the tasks that wait, wait for those that run, and free the contexts."""
        self._closing = True
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()
        while self._contexts:
            self._contexts.pop().close()

    def _work(self, context: Context) -> None:
        while (entry := self._tasks.get()) is not None:
            task, future = entry
            if self._closing:
                future.cancel()
            else:
                _run(task, context, future)
            del entry, task, future  # results may be large, and the next task far away


def _run(task: Callable[[Context], T], context: Context, future: Future[T]) -> None:
    try:
        future.set_result(task(context))
    except BaseException as error:  # noqa: BLE001 - it is raised again where the result is asked for
        future.set_exception(error)
