"""`stop` is heard soon, wherever the engine is, and leaves nothing behind."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llama_cli.engine.worker.engine import WorkerEngine
from llama_cli.engine.worker.process import WorkerProcess
from llama_cli.errors import RunInterruptedError
from llama_cli.records import TextRecord
from tests.conftest import embed_all
from tests.engine.worker.conftest import ArmCrashes
from tests.engine.worker.crashing_worker import Crash
from tests.engine.worker.engines import (
    VERY_LONG,
    Stop,
    engine_options,
    is_running,
    numbered,
    open_engine,
    process_id,
    records,
)

SOON_SECONDS = 2.0

# Reads texts from its standard input, which stays open, and is stopped after a second.
STOPPED = """
import sys, threading
from pathlib import Path
from llama_cli.errors import RunInterruptedError
from llama_cli.inputs.resolve import find_inputs
from llama_cli.inputs.sequence import ReadOptions
from llama_cli.inputs.sequence import InputSequence
from tests.engine.worker.engines import open_engine
source = InputSequence(find_inputs(["-"]), ReadOptions())
source.detect_formats([])
with source, open_engine(Path(sys.argv[1])) as engine:
    threading.Timer(1, engine.stop).start()
    try:
        list(engine.embed(source))
    except RunInterruptedError:
        print("stopped")
"""


def assert_stops(engine: WorkerEngine, texts: Iterator[TextRecord], delay: float = 1.0) -> None:
    stop = Stop(engine, delay)
    pid = process_id(engine)
    with pytest.raises(RunInterruptedError):
        list(engine.embed(texts))
    assert 0 <= stop.seconds < SOON_SECONDS
    assert not is_running(pid)


def count_descriptors() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


class TestStop:
    def test_in_a_decode_of_half_a_minute(self, slow_model: Path) -> None:
        with open_engine(slow_model) as engine:
            assert_stops(engine, records([VERY_LONG]))

    def test_among_endless_texts(self, tiny_bert: Path) -> None:
        with open_engine(tiny_bert) as engine:
            assert_stops(engine, records(f"water {number}" for number in itertools.count()))

    def test_while_the_input_blocks(self, tiny_bert: Path) -> None:
        unblocked = threading.Event()

        def blocking() -> Iterator[TextRecord]:
            yield from records(numbered(100))
            unblocked.wait()

        with open_engine(tiny_bert) as engine:
            assert_stops(engine, blocking())
        unblocked.set()

    def test_while_a_huge_text_is_on_its_way(self, tiny_bert: Path) -> None:
        """The thread that sends waits in the middle of a message."""
        with open_engine(tiny_bert) as engine:
            os.kill(process_id(engine), signal.SIGSTOP)
            assert_stops(engine, records(["x" * (16 << 20)] * 3))

    def test_while_a_model_is_opened(self, tiny_bert: Path, crash: ArmCrashes) -> None:
        crash(Crash(of="hang", at="open"))
        with WorkerEngine() as engine:
            stop = Stop(engine, 1)
            with pytest.raises(RunInterruptedError):
                engine.open(engine_options(tiny_bert))
            assert 0 <= stop.seconds < SOON_SECONDS

    def test_while_it_is_opened_again(
        self, tiny_bert: Path, tmp_path: Path, crash: ArmCrashes
    ) -> None:
        crashed = str(tmp_path / "crashed")
        crash(Crash("killer", once=crashed), Crash(of="hang", at="open", after=crashed))
        with open_engine(tiny_bert) as engine:
            assert_stops(engine, records(["water", "killer"]))

    @pytest.mark.parametrize("delay", [0.1, 0.4, 0.7])
    def test_at_any_moment_between_crashes(
        self, tiny_bert: Path, crash: ArmCrashes, delay: float
    ) -> None:
        crash(Crash("killer"))
        with open_engine(tiny_bert) as engine:
            stop = Stop(engine, delay)
            texts = [text for n in range(50) for text in (f"killer {n}", "water")]
            with pytest.raises(RunInterruptedError):
                list(engine.embed(records(texts)))
            assert 0 <= stop.seconds < SOON_SECONDS

    def test_before_anything_else(self, tiny_bert: Path) -> None:
        with WorkerEngine() as engine:
            engine.stop()
            with pytest.raises(RunInterruptedError):
                engine.open(engine_options(tiny_bert))

    def test_between_open_and_embed(self, tiny_bert: Path) -> None:
        with open_engine(tiny_bert) as engine:
            engine.stop()
            engine.stop()
            with pytest.raises(RunInterruptedError):
                embed_all(engine, ["water"])  # type: ignore[arg-type]

    def test_after_the_end_it_changes_nothing(self, tiny_bert: Path) -> None:
        with open_engine(tiny_bert) as engine:
            assert embed_all(engine, ["water"]).valid.all()  # type: ignore[arg-type]
            engine.stop()
        engine.stop()

    def test_no_thread_keeps_the_program_from_ending(self, tiny_bert: Path) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", STOPPED, tiny_bert],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as program:
            assert program.stdin is not None
            program.stdin.write(b"water and light and time\n")
            program.stdin.flush()
            assert program.wait(10) == 0
            out, err = program.communicate()
        assert (out, err) == (b"stopped\n", b"")


class TestClose:
    def test_a_worker_that_was_never_used_ends(self) -> None:
        engine = WorkerEngine()
        engine.start()
        pid = process_id(engine)
        engine.close()
        assert not is_running(pid)

    def test_a_run_that_nobody_wants_any_more_ends(self, tiny_bert: Path) -> None:
        texts = (f"water {number}" for number in itertools.count())
        started = time.monotonic()
        with open_engine(tiny_bert) as engine:
            pid = process_id(engine)
            next(engine.embed(records(texts)))
        assert not is_running(pid)
        assert time.monotonic() - started < 5

    def test_no_thread_and_no_descriptor_is_left(self, tiny_bert: Path) -> None:
        with open_engine(tiny_bert) as engine:  # what is opened once and for all is open then
            embed_all(engine, ["water"])  # type: ignore[arg-type]
        threads, descriptors = threading.active_count(), count_descriptors()
        for _ in range(3):
            with open_engine(tiny_bert) as engine:
                embed_all(engine, numbered(100))  # type: ignore[arg-type]
        assert threading.active_count() == threads
        assert count_descriptors() == descriptors


class TestSignalsToTheWorker:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_those_for_the_parent_change_nothing(
        self, tiny_bert: Path, workers: list[WorkerProcess], number: signal.Signals
    ) -> None:
        with open_engine(tiny_bert) as engine:
            batches = engine.embed(records(numbered(2000)))
            rows = len(next(batches).records)
            os.kill(process_id(engine), number)
            rows += sum(len(batch.records) for batch in batches)
        assert rows == 2000
        assert len(workers) == 1
