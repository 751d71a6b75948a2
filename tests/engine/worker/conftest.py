from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llama_cli.engine.worker import engine, process
from tests.engine.worker.crashing_worker import Crash, start_with
from tests.tiny_models import write_causal

_LIMIT_SECONDS = 60.0

ArmCrashes = Callable[..., None]


@pytest.fixture(autouse=True)
def _time_limit(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that waits for a process for ever must fail, not hang."""

    def expire(*_: object) -> None:
        pytest.fail("still not done")

    if request.node.get_closest_marker("torture"):  # has limits of its own
        yield
        return
    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, _LIMIT_SECONDS)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[process.WorkerProcess]]:
    """All worker processes that the test started; none may be left."""
    started: list[process.WorkerProcess] = []

    class Counted(process.WorkerProcess):
        def __init__(self, *, warned: set[str]) -> None:
            super().__init__(warned=warned)
            started.append(self)

    monkeypatch.setattr(engine, "WorkerProcess", Counted)
    yield started
    left = [worker for worker in started if worker._process.poll() is None]
    for worker in left:
        worker.close()
    assert not left


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch) -> ArmCrashes:
    """Call it to have each worker started from then on end as told."""

    def arm(*crashes: Crash) -> None:
        monkeypatch.setattr(process, "_START", start_with(*crashes))

    return arm


@pytest.fixture(scope="session")
def slow_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Takes half a minute for `VERY_LONG`, all of it in one call of llama.cpp."""
    path = tmp_path_factory.mktemp("models") / "slow.gguf"
    return write_causal(path, n_ctx=32768, dim=128, layers=4, heads=4, ff=256)
