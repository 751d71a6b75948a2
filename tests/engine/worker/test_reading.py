"""The texts are read in another thread: how far ahead, and what comes of its failures."""

from __future__ import annotations

import gc
import itertools
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llama_cli.engine.worker.engine import WorkerEngine
from llama_cli.errors import InputError, LlamaCliError
from llama_cli.records import TextRecord, VectorBatch
from tests.conftest import embed_all
from tests.engine.worker.conftest import ArmCrashes
from tests.engine.worker.crashing_worker import Crash
from tests.engine.worker.engines import numbered, open_engine, process_id, records

MB = 1_000_000
HUGE_BYTES = 16 << 20
MOST_AHEAD = 15_000


class Counted:
    """Texts without end, and how many of them were taken."""

    def __init__(self, size: int = 0) -> None:
        self.taken = 0
        self._rest = b" time" * (size // 5)

    def __iter__(self) -> Iterator[TextRecord]:
        for number in itertools.count(1):
            self.taken += 1
            yield TextRecord(b"water %d" % number + self._rest, number, 0)

    def settled(self, most: int) -> int:
        """How many were taken once no more are, or too many."""
        before = -1
        while before < self.taken <= most:
            before = self.taken
            time.sleep(0.5)
        return self.taken


def failing(count: int, error: BaseException) -> Iterator[TextRecord]:
    yield from records(numbered(count))
    raise error


def embed_until_it_fails(
    engine: WorkerEngine, texts: Iterator[TextRecord]
) -> tuple[int, BaseException]:
    """How many vectors came, and then what."""
    got: list[VectorBatch] = []
    with pytest.raises((LlamaCliError, ValueError, KeyboardInterrupt)) as caught:
        got.extend(engine.embed(texts))
    assert all(batch.valid.all() for batch in got)
    return sum(len(batch.records) for batch in got), caught.value


class TestFailures:
    @pytest.mark.parametrize("count", [0, 1, 64, 1000])
    def test_they_come_after_all_vectors_before_them(self, tiny_bert: Path, count: int) -> None:
        error = InputError("line 1001 is over 64 MiB", hint="split it")
        with open_engine(tiny_bert) as engine:
            assert embed_until_it_fails(engine, failing(count, error)) == (count, error)

    @pytest.mark.parametrize("error", [ValueError("odd"), KeyboardInterrupt()])
    def test_of_whatever_type(self, tiny_bert: Path, error: BaseException) -> None:
        with open_engine(tiny_bert) as engine:
            assert embed_until_it_fails(engine, failing(128, error))[1] is error

    def test_a_crash_before_does_not_hide_them(self, tiny_bert: Path, crash: ArmCrashes) -> None:
        crash(Crash("water 100 "))
        with open_engine(tiny_bert) as engine:
            got: list[VectorBatch] = []
            with pytest.raises(ValueError, match="odd"):
                got.extend(engine.embed(failing(640, ValueError("odd"))))
        valid = [valid for batch in got for valid in batch.valid.tolist()]
        assert [row for row, ok in enumerate(valid) if not ok] == [100]
        assert len(valid) == 640

    def test_the_next_run_knows_nothing_of_them(self, tiny_bert: Path) -> None:
        with open_engine(tiny_bert) as engine:
            embed_until_it_fails(engine, failing(100, ValueError("odd")))
            assert len(embed_all(engine, numbered(100)).lines) == 100  # type: ignore[arg-type]


class TestReadingAhead:
    def test_a_slow_consumer_slows_the_reading(self, tiny_bert: Path) -> None:
        texts = Counted()
        with open_engine(tiny_bert) as engine:
            batches = engine.embed(texts)
            rows = len(next(batches).records)
            first = texts.settled(MOST_AHEAD)
            assert first < MOST_AHEAD
            while rows < first:
                rows += len(next(batches).records)
            assert first < texts.settled(first + MOST_AHEAD) < first + MOST_AHEAD

    def test_no_more_than_some_huge_texts_are_held(self, tiny_bert: Path) -> None:
        """Their vectors are small, so that many of those are under way to the consumer."""
        texts = Counted(HUGE_BYTES)
        with open_engine(tiny_bert) as engine:
            batches = engine.embed(texts)
            rows = len(next(batches).records)
            assert texts.settled(20) - rows <= 8

    def test_a_huge_text_is_let_go_with_its_vector(self, tiny_bert: Path) -> None:
        released = threading.Event()

        class Text(bytes):
            def __del__(self) -> None:
                released.set()

        def texts() -> Iterator[TextRecord]:
            yield TextRecord(Text(b"water" * MB), 1, 0)
            for number in itertools.count(2):
                yield TextRecord(b"water" * MB, number, 0)

        with open_engine(tiny_bert) as engine:
            batches = engine.embed(texts())
            for _ in range(8):
                next(batches)
            gc.collect()
            assert released.wait(5)

    @pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux says it in /proc")
    def test_huge_texts_take_little_more_memory_than_themselves(self, tiny_bert: Path) -> None:
        texts = Counted(HUGE_BYTES)
        with open_engine(tiny_bert) as engine:
            status = Path(f"/proc/{process_id(engine)}/status")
            before = peak_bytes(status)
            batches = engine.embed(texts)
            for _ in range(10):
                next(batches)
            assert peak_bytes(status) - before < 12 * HUGE_BYTES


def peak_bytes(status: Path) -> int:
    found = re.search(r"VmHWM:\s+(\d+)", status.read_text())
    assert found
    return 1024 * int(found[1])
