"""Starting the process that computes, talking to it, and telling what it died of."""

from __future__ import annotations

import collections
import contextlib
import fcntl
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from llama_cli.engine.description import ModelDescription
from llama_cli.engine.facts import OpenedModel
from llama_cli.engine.options import EngineOptions
from llama_cli.engine.worker.channel import Channel, Message
from llama_cli.errors import EngineError, ModelError
from llama_cli.records import TextRecord

_START = (
    "import sys; sys.path[:] = {path!r}; "
    "from llama_cli.engine.worker.main import main; main({settings!r})"
)
# Vectors of about a second: the model resumes while rows are encoded and synced.
_ANSWERS_BYTES = 1 << 20
_KEPT_LINES = 50
_PATIENCE_SECONDS = 10.0
_FIRST_FREE = 3
# The folder in which llama.cpp was compiled says nothing to the user.
_BUILD_FOLDER = re.compile(r"^\S*/(?=\S+:\d+: )")


class ChildDiedError(Exception):
    """The process ended by itself; the message says how."""


class Child:
    """One process that computes. `kill` may be called from any thread."""

    def __init__(self, *, debug: bool, said: set[str]) -> None:
        """Start it; it loads its libraries while this process resumes.

        Args:
            debug: pass on all that it logs.
            said: the warnings of children before it, which need not be said again.
        """
        self._said = said
        to_child, from_child = _pipe(), _pipe(_ANSWERS_BYTES)
        settings = json.dumps({"incoming": to_child[0], "outgoing": from_child[1], "debug": debug})
        try:
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-c", _START.format(path=sys.path, settings=settings)],
                stdin=subprocess.PIPE,  # nothing is sent there: see the worker
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(to_child[0], from_child[1]),
                process_group=0,  # so that Ctrl-C is not for it, even before it can ignore that
            )
        except OSError as error:
            for end in (to_child[1], from_child[0]):
                os.close(end)
            raise EngineError(f"cannot start a process: {error.strerror}") from error
        finally:
            os.close(to_child[0])
            os.close(from_child[1])
        self._channel = Channel(from_child[0], to_child[1])
        self._last_words: collections.deque[str] = collections.deque(maxlen=_KEPT_LINES)
        self._listener = threading.Thread(
            target=self._listen, args=(self._process.stderr,), name="child's stderr", daemon=True
        )
        self._listener.start()

    def open(self, options: EngineOptions) -> OpenedModel:
        """Have it load the model.

        Raises:
            ModelError: the model cannot be used, or crashes the process.
            EngineError: the process did not even start.
            LlamaCliError: whatever else the engine says.
        """
        opened: OpenedModel = self._ask("open", options, options.model)
        return opened

    def describe(self, model: Path) -> ModelDescription:
        """Have it read what a model file says of itself.

        Raises:
            ModelError: llama.cpp cannot read it, or crashes on it.
            EngineError: the process did not even start.
        """
        described: ModelDescription = self._ask("describe", model, model)
        return described

    def _ask(self, kind: str, content: object, model: Path) -> Any:
        """The answer to the first thing that is asked.

        Raises:
            ModelError: the model cannot be used, or crashes the process.
            EngineError: the process did not even start.
            LlamaCliError: whatever else the engine says.
        """
        try:
            self.receive()  # hello
        except ChildDiedError as error:
            raise EngineError(f"the process for the model could not start ({error})") from error
        try:
            with contextlib.suppress(BrokenPipeError):  # `receive` finds out why
                self._channel.send(kind, content)
            return self.receive().content
        except ChildDiedError as error:
            killed = self._process.returncode == -signal.SIGKILL
            raise ModelError(
                f"{model}: llama.cpp crashes on this model ({error})",
                hint="free some memory, or use a smaller model"
                if killed
                else "the file is damaged, or this version of llama.cpp cannot run it",
            ) from error

    def send_texts(self, records: Sequence[TextRecord]) -> None:
        """Hand over some texts; waits while it has enough of them.

        Raises:
            OSError: it has ended.
        """
        texts = [record.text for record in records]
        content = ([(r.input_index, r.line) for r in records], [len(text) for text in texts])
        data = texts[0] if len(texts) == 1 else b"".join(texts)
        self._channel.send("texts", content, [data])

    def send_end(self) -> None:
        """Say that it has all texts; it answers ``done`` after their vectors.

        Raises:
            OSError: it has ended.
        """
        self._channel.send("end")

    def receive(self) -> Message:
        """The next message that is not a log record.

        Raises:
            ChildDiedError: it has ended.
            Exception: what it failed of.
        """
        try:
            while (message := self._channel.receive()).kind == "log":
                self._log(*message.content)
        except EOFError as error:
            raise ChildDiedError(self._obituary()) from error
        if message.kind == "error":
            raise message.content
        return message

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def close(self) -> None:
        """End it and free what this process keeps for it."""
        self._process.kill()
        self._process.wait()
        self._listener.join(_PATIENCE_SECONDS)
        self._channel.close()
        for pipe in (self._process.stdin, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _log(self, name: str, level: int, text: str) -> None:
        if level >= logging.WARNING:
            if text in self._said:
                return
            self._said.add(text)
        logging.getLogger(name).log(level, "%s", text)

    def _obituary(self) -> str:
        """The signal or exit code, and the last thing it said."""
        try:
            code = self._process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:  # it closed its pipe and lives on
            self._process.kill()
            code = self._process.wait()
        self._listener.join(_PATIENCE_SECONDS)
        cause = _signal_name(-code) if code < 0 else f"exit code {code}"
        if code == -signal.SIGKILL:
            cause += ", perhaps for want of memory"
        words = [line for line in self._last_words if line.strip()]
        telling = [line for line in words if "GGML_ASSERT" in line] or words[-1:]
        return ": ".join([cause, *(_BUILD_FOLDER.sub("", line) for line in telling[:1])])

    def _listen(self, stderr: IO[bytes]) -> None:
        log = logging.getLogger("llama_cli.llama_cpp")
        with contextlib.suppress(OSError, ValueError):  # closed under our hands
            for line in stderr:
                text = line.decode("utf-8", "replace").rstrip()
                self._last_words.append(text)
                log.debug("%s", text)


def _pipe(size: int | None = None) -> tuple[int, int]:
    read, write = (_above_standard(end) for end in os.pipe())
    if size and hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # over the user's limit
            fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, size)
    return read, write


def _above_standard(descriptor: int) -> int:
    """The same under a number that is not that of stdin, stdout or stderr: they may be closed."""
    if descriptor >= _FIRST_FREE:
        return descriptor
    other = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)
    os.close(descriptor)
    return other


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
