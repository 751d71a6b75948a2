"""A damaged model gives vectors or a clean error, and never takes this process with it.

`LLAMA_CLI_TORTURE=1` flips a thousand bytes in place of some; the figures are printed (``-s``).
"""

from __future__ import annotations

import collections
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader

from llama_cli.engine.worker.process import WorkerProcess
from llama_cli.errors import LlamaCliError, RunInterruptedError
from tests.conftest import embed_all
from tests.engine.worker.engines import Stop, open_engine
from tests.torture import TORTURE

FLIPS = 500 if TORTURE else 12
CUTS = 50 if TORTURE else 8
LIMIT_SECONDS = 30.0

TEXTS = [
    "water and time",
    "",
    "naïve 時間 🙂 \x00",
    "light of the day " * 3,
    "water time " * 300,
    "é",
]


class HangError(Exception):
    """It was still at it when the time was up."""


class Counts:
    """Tries one damaged file after another, and counts what came of them."""

    def __init__(self, path: Path, workers: list[WorkerProcess]) -> None:
        self.outcomes: collections.Counter[str] = collections.Counter()
        self.deaths: collections.Counter[str] = collections.Counter()
        self.unexpected: list[str] = []
        self._path = path
        self._workers = workers

    def add(self, data: bytes, what: str) -> None:
        self._path.write_bytes(data)
        started = time.monotonic()
        try:
            self.outcomes[outcome(self._path)] += 1
        except Exception as error:  # noqa: BLE001 - that there is none is what is tested
            seconds = time.monotonic() - started
            self.unexpected.append(f"{what}: {type(error).__name__}: {error} ({seconds:.1f} s)")
        self.deaths.update(map(death, self._workers))
        self._workers.clear()

    def check(self, count: int) -> None:
        print(count, dict(self.outcomes), dict(self.deaths), *self.unexpected, sep="\n")
        assert self.unexpected == []
        assert self.outcomes.total() == count


def outcome(path: Path) -> str:
    """What came of a model: ``vectors``, ``nulls``, or the type of a clean error."""
    try:
        with open_engine(path) as engine:
            stop = Stop(engine, LIMIT_SECONDS)
            result = embed_all(engine, TEXTS)  # type: ignore[arg-type]
            stop.cancel()
    except RunInterruptedError as error:
        raise HangError(f"stopped {stop.seconds:.1f} s ago") from error
    except LlamaCliError as error:
        if "\n" in f"{error}{error.hint}":
            raise ValueError(f"not on one line: {error!r}") from error
        return f"{type(error).__name__}{', of a crash' if 'crash' in str(error) else ''}"
    assert result.lines == list(range(1, len(TEXTS) + 1))
    assert np.isfinite(result.vectors).all()
    assert not result.vectors[~result.valid].any()
    return "vectors" if result.valid.all() else "nulls"


def death(worker: WorkerProcess) -> str:
    """How a worker has ended; those that live on are killed when they are not needed any more."""
    code = worker._process.returncode
    if code == -signal.SIGKILL:
        return "closed"
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def flipped(data: bytes, metadata: int, random: np.random.Generator) -> tuple[bytes, str]:
    """A bit or a byte is another, half of the times where the metadata is."""
    place = int(random.integers(metadata if random.random() < 0.5 else len(data)))
    wrong = data[place] ^ int(random.choice([1, 2, 4, 8, 16, 32, 64, 128, 255]))
    what = f"byte {place} is {wrong:#04x}, not {data[place]:#04x}"
    return data[:place] + bytes([wrong]) + data[place + 1 :], what


@pytest.mark.torture
class TestDamage:
    @pytest.fixture(params=["tiny_bert", "tiny_causal"])
    def model(self, request: pytest.FixtureRequest) -> Path:
        path: Path = request.getfixturevalue(request.param)
        return path

    def test_flipped_bytes(self, model: Path, tmp_path: Path, workers: list[WorkerProcess]) -> None:
        data, metadata = model.read_bytes(), GGUFReader(model).data_offset
        random = np.random.default_rng(1)
        counts = Counts(tmp_path / "damaged.gguf", workers)
        for _ in range(FLIPS):
            counts.add(*flipped(data, metadata, random))
        counts.check(FLIPS)

    def test_files_cut_short(
        self, model: Path, tmp_path: Path, workers: list[WorkerProcess]
    ) -> None:
        data, metadata = model.read_bytes(), GGUFReader(model).data_offset
        counts = Counts(tmp_path / "damaged.gguf", workers)
        lengths = np.unique(np.geomspace(1, metadata + 1, CUTS // 2, dtype=int) - 1)
        lengths = [*lengths, *np.linspace(metadata + 1, len(data) - 1, CUTS // 2, dtype=int)]
        for length in lengths:
            counts.add(data[:length], f"{length} of {len(data)} bytes")
        counts.check(len(lengths))
        assert set(counts.outcomes) == {"ModelError"}


def test_a_whole_model_gives_vectors(tiny_bert: Path, tiny_causal: Path) -> None:
    """Else nothing above would mean anything."""
    assert (outcome(tiny_bert), outcome(tiny_causal)) == ("vectors", "vectors")
