"""The worker process as its parent sees it: starting it, talking to it, telling what it died of."""

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
from typing import IO, Any, Literal

from llama_cli.closing import Closing
from llama_cli.engine.description import ModelDescription
from llama_cli.engine.errors import failure
from llama_cli.engine.facts import OpenedModel
from llama_cli.engine.options import EngineOptions
from llama_cli.engine.worker.channel import Channel, Message
from llama_cli.errors import EngineError
from llama_cli.records import TextRecord

_START = (
    "import sys; sys.path[:] = {path!r}; "
    "from llama_cli.engine.worker.main import main; main({settings!r})"
)
# Vectors of about a second: the model computes on while rows are encoded and synced.
_ANSWERS_BYTES = 1 << 20
_STDERR_LINES = 50
_PATIENCE_SECONDS = 10.0
_FIRST_FREE = 3
# What CUDA says before llama.cpp gives up; Metal and Vulkan have not been tried. Its last words are
# only "CUDA error": why is in a log that may not have come through.
_NO_MEMORY = re.compile("out of memory")
_DEVICE = re.compile("out of memory|CUDA error|ROCm error|DeviceLost|OutOfDeviceMemory")
# The folder in which llama.cpp was compiled says nothing to the user.
_BUILD_FOLDER = re.compile(r"^\S*/(?=\S+:\d+: )")


Culprit = Literal["text", "device", "build"]


class WorkerDiedError(Exception):
    """The worker process ended by itself; the message says how.

    Attributes:
        culprit: the GPU, llama.cpp's build, or else perhaps the text.
    """

    def __init__(self, cause: str, *, culprit: Culprit) -> None:
        super().__init__(cause)
        self.culprit = culprit


class WorkerProcess(Closing):
    """One worker process. `kill` may be called from any thread."""

    def __init__(self, *, warned: set[str]) -> None:
        """Start it; it loads its libraries while this process does other work.

        Args:
            warned: the warnings of workers before it, which are not repeated.
        """
        self._warned = warned
        debug = logging.getLogger("llama_cli").isEnabledFor(logging.DEBUG)
        to_worker, from_worker = _pipe(), _pipe(_ANSWERS_BYTES)
        settings = json.dumps(
            {"incoming": to_worker[0], "outgoing": from_worker[1], "debug": debug}
        )
        try:
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-c", _START.format(path=sys.path, settings=settings)],
                stdin=subprocess.PIPE,  # nothing is sent there: see the worker
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(to_worker[0], from_worker[1]),
                process_group=0,  # so that Ctrl-C is not for it, even before it can ignore that
            )
        except OSError as error:
            for end in (to_worker[1], from_worker[0]):
                os.close(end)
            raise EngineError(f"cannot start a process: {error.strerror}") from error
        finally:
            os.close(to_worker[0])
            os.close(from_worker[1])
        self._channel = Channel(from_worker[0], to_worker[1])
        self._stderr_lines: collections.deque[str] = collections.deque(maxlen=_STDERR_LINES)
        self._listener = threading.Thread(
            target=self._listen, args=(self._process.stderr,), name="worker's stderr", daemon=True
        )
        self._listener.start()

    def open(self, options: EngineOptions) -> OpenedModel:
        """Have it load the model.

        Raises:
            ModelError: the model cannot be used, or crashes the process.
            EngineError: the process did not even start, llama.cpp does not fit this CPU, or the GPU
                fails.
            LlamaCliError: whatever else the engine says.
        """
        opened: OpenedModel = self._ask("open", options, options.model)
        return opened

    def describe(self, model: Path) -> ModelDescription:
        """Have it read what a model file says of itself.

        Raises:
            ModelError: llama.cpp cannot read it, or crashes on it.
            EngineError: the process did not even start, or llama.cpp does not fit this CPU.
        """
        described: ModelDescription = self._ask("describe", model, model)
        return described

    def _ask(self, kind: str, content: object, model: Path) -> Any:
        """The answer to the first thing that is asked."""
        try:
            self.receive()  # hello
        except WorkerDiedError as error:
            raise failure("no start", reason=error) from error
        try:
            with contextlib.suppress(BrokenPipeError):  # `receive` finds out why
                self._channel.send(kind, content)
            return self.receive().content
        except WorkerDiedError as error:
            if error.culprit == "build":
                raise failure("build", reason=error) from error
            killed = self._process.returncode == -signal.SIGKILL
            if killed or _NO_MEMORY.search(str(error)):
                raise failure("killed", model, error) from error
            if error.culprit == "device":
                raise failure("device", "as it got the model", error) from error
            raise failure("crash", model, error) from error

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
            WorkerDiedError: it has ended.
            Exception: what it failed of.
        """
        try:
            while (message := self._channel.receive()).kind == "log":
                self._log(*message.content)
        except EOFError as error:
            cause = self._cause_of_death()
            raise WorkerDiedError(cause, culprit=self._culprit()) from error
        if message.kind == "error":
            raise message.content
        return message

    def kill(self) -> None:
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
            if text in self._warned:
                return
            self._warned.add(text)
        logging.getLogger(name).log(level, "%s", text)

    def _cause_of_death(self) -> str:
        """The signal or exit code, and the most telling line that it wrote."""
        try:
            code = self._process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:  # it closed its pipe and lives on
            self._process.kill()
            code = self._process.wait()
        self._listener.join(_PATIENCE_SECONDS)
        cause = _signal_name(-code) if code < 0 else f"exit code {code}"
        if code == -signal.SIGKILL:
            cause += ", perhaps for want of memory"
        lines = [line for line in self._stderr_lines if line.strip()]
        telling = [line for line in lines if _NO_MEMORY.search(line)]
        telling = telling or [line for line in lines if "GGML_ASSERT" in line] or lines[-1:]
        return ": ".join([cause, *(_BUILD_FOLDER.sub("", line) for line in telling[:1])])

    def _culprit(self) -> Culprit:
        """What is to blame for the death of the process, which has ended."""
        if self._process.returncode == -signal.SIGILL:
            return "build"
        return "device" if any(map(_DEVICE.search, self._stderr_lines)) else "text"

    def _listen(self, stderr: IO[bytes]) -> None:
        log = logging.getLogger("llama_cli.llama_cpp")
        with contextlib.suppress(OSError, ValueError):  # closed under our hands
            for line in stderr:
                text = line.decode("utf-8", "replace").rstrip()
                self._stderr_lines.append(text)
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
