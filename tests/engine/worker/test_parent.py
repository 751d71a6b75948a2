"""What happens to the parent, and to the terminal that both have."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.worker.engines import has_ended, is_running

SOON_SECONDS = 2.0

# Says which process its worker is, and has it do what the test is about.
BUSY = """
import sys
from pathlib import Path
from tests.engine.worker.engines import VERY_LONG, open_engine, process_id, records
with open_engine(Path(sys.argv[1])) as engine:
    print(process_id(engine), flush=True)
    list(engine.embed(records([VERY_LONG])))
"""
IDLE = """
import time
from llama_cli.engine.worker.engine import WorkerEngine
from tests.engine.worker.engines import process_id
engine = WorkerEngine()
engine.start()
print(process_id(engine), flush=True)
time.sleep(60)
"""
# As when Ctrl-C is pressed: the signal goes to all processes of the terminal, new ones as well.
INTERRUPTED = """
import os, signal, sys, time
from pathlib import Path
from llama_cli.engine.worker.engine import WorkerEngine
from tests.conftest import embed_all
from tests.engine.worker.engines import engine_options
heard = []
signal.signal(signal.SIGINT, lambda *_: heard.append(1))
with WorkerEngine() as engine:
    engine.start()
    time.sleep(float(sys.argv[2]))
    os.killpg(0, signal.SIGINT)
    engine.open(engine_options(Path(sys.argv[1])))
    assert embed_all(engine, ["water"]).valid.all() and heard
"""


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Programs to be ended whatever becomes of the test."""
    programs: list[subprocess.Popen[str]] = []
    yield programs
    for program in programs:
        program.kill()
        program.communicate()


def start(programs: list[subprocess.Popen[str]], *words: object) -> tuple[int, int]:
    """The process ids of a program and of its worker."""
    command = [sys.executable, "-c", *map(str, words)]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    programs.append(program)
    assert program.stdout is not None
    return program.pid, int(program.stdout.readline())


def test_the_worker_ends_with_it_in_the_middle_of_a_decode(
    slow_model: Path, started: list[subprocess.Popen[str]]
) -> None:
    _, worker = start(started, BUSY, slow_model)
    time.sleep(1.5)
    assert is_running(worker)
    started[0].kill()
    assert has_ended(worker, SOON_SECONDS)


@pytest.mark.parametrize("delay", [0, 0.1, 1])
def test_the_worker_ends_with_it_before_it_has_a_model(
    started: list[subprocess.Popen[str]], delay: float
) -> None:
    _, worker = start(started, IDLE)
    time.sleep(delay)
    assert is_running(worker)
    started[0].kill()
    assert has_ended(worker, SOON_SECONDS)


@pytest.mark.parametrize("delay", [0, 0.02, 0.1, 0.5])
def test_ctrl_c_is_the_parents_alone_even_while_the_worker_starts(
    tiny_bert: Path, delay: float
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, tiny_bert, str(delay)],
        start_new_session=True,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
