"""The worker, made to end by real signals on chosen texts. Its `main` replaces the worker's own."""

from __future__ import annotations

import ctypes
import logging
import mmap
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from llama_cli.engine.context import Context
from llama_cli.engine.tokenizer import Tokenizer, Tokens
from llama_cli.engine.worker import main as worker
from llama_cli.engine.worker.channel import Channel
from llama_cli.records import FloatMatrix, TextRecord, TokenIds, VectorBatch

NULL = 0
EXIT_CODE = 7
_NO_INSTRUCTION = b"\x0f\x0b\0\0"  # on x86; on ARM this is no instruction either


@dataclass(frozen=True)
class Crash:
    """When the process ends, and of what.

    Attributes:
        word: texts with this word end it, while they are tokenized or decoded.
        of: the signal's name; or ``exit``, or ``hang`` for not going on.
        at: where it ends; ``open`` is before the model is loaded, ``sent`` is once the vector of
            the text, which was given alone, is on its way.
        company: only where the batch holds other texts, too.
        once: a file that is made by the crash; where it is there, nothing happens.
        after: a file; where it is not there, nothing happens.
        says: an error that llama.cpp logs before.
    """

    word: str = ""
    of: Literal["SIGSEGV", "SIGABRT", "SIGILL", "SIGKILL", "exit", "hang"] = "SIGSEGV"
    at: Literal["open", "tokenize", "decode", "sent"] = "decode"
    company: bool = False
    once: str | None = None
    after: str | None = None
    says: str | None = None

    def is_in(self, text: bytes) -> bool:
        return self.word.encode() in text

    def strike(self) -> None:
        if self.after is not None and not Path(self.after).exists():
            return
        if self.once is not None:
            try:
                Path(self.once).touch(exist_ok=False)
            except FileExistsError:
                return
        if self.says is not None:
            logging.getLogger("llama_cli.llama_cpp").error(self.says)
        _end(self.of)


def start_with(*crashes: Crash) -> str:
    """What replaces ``_START`` of the parent's side: a format with ``path`` and ``settings``."""
    listed = repr(list(crashes)).replace("{", "{{").replace("}", "}}")
    return (
        "import sys; sys.path[:] = {path!r}; "
        "from tests.engine.worker.crashing_worker import Crash, main; "
        "main({settings!r}, " + listed + ")"
    )


def main(settings: str, crashes: Sequence[Crash]) -> None:
    arm = {
        "open": _arm_open,
        "tokenize": _arm_tokenize,
        "decode": _arm_decode,
        "sent": _arm_sent,
    }
    for crash in crashes:
        arm[crash.at](crash)
    worker.main(settings)


def _end(how: str) -> None:
    if how == "exit":
        os._exit(EXIT_CODE)
    if how == "SIGSEGV":
        ctypes.string_at(NULL)
    if how == "SIGABRT":
        os.abort()
    if how == "SIGILL":
        code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        code.write(_NO_INSTRUCTION)
        ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
    if how == "SIGKILL":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(600)


def _arm_open(crash: Crash) -> None:
    opening = worker.open_replicas

    def crashing(*arguments: Any) -> Any:
        crash.strike()
        return opening(*arguments)

    worker.open_replicas = crashing


def _arm_tokenize(crash: Crash) -> None:
    tokenize = Tokenizer.tokenize

    def crashing(self: Tokenizer, text: bytes) -> Tokens:
        if crash.is_in(text):
            crash.strike()
        return tokenize(self, text)

    Tokenizer.tokenize = crashing  # type: ignore[method-assign]


def _arm_decode(crash: Crash) -> None:
    """In one of the threads that decode, with other texts on their way."""
    tokenize, decode = Tokenizer.tokenize, Context.decode
    fatal: set[bytes] = set()

    def noting(self: Tokenizer, text: bytes) -> Tokens:
        tokens = tokenize(self, text)
        if crash.is_in(text):
            fatal.add(tokens.ids.tobytes())
        return tokens

    def crashing(self: Context, texts: Sequence[TokenIds]) -> FloatMatrix:
        has_company = len(texts) > 1
        if (has_company or not crash.company) and any(ids.tobytes() in fatal for ids in texts):
            crash.strike()
        return decode(self, texts)

    Tokenizer.tokenize = noting  # type: ignore[method-assign]
    Context.decode = crashing  # type: ignore[method-assign]


def _arm_sent(crash: Crash) -> None:
    """As memory that was spoilt earlier would do it, when it is freed."""
    receive, send = worker._receive_texts, worker._send_vectors
    last: list[bytes] = []

    def noting(channel: Channel) -> Iterator[TextRecord]:
        for record in receive(channel):
            last[:] = [record.text]
            yield record

    def crashing(channel: Channel, batch: VectorBatch) -> None:
        send(channel, batch)
        if len(batch.valid) == 1 and last and crash.is_in(last[0]):
            crash.strike()

    worker._receive_texts = noting
    worker._send_vectors = crashing
