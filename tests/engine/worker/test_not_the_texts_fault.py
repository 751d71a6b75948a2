"""What goes wrong beside the texts must cost no row its vector, and no run its end."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from llama_cli.engine.worker.process import WorkerProcess
from llama_cli.errors import EngineError, ModelError
from llama_cli.records import TextRecord, VectorBatch
from tests.engine.worker.conftest import ArmCrashes
from tests.engine.worker.crashing_worker import Crash
from tests.engine.worker.engines import numbered, open_engine, process_id, records
from tests.tiny_models import write_bert


def test_a_model_that_crashes_on_and_on_leaves_no_texts_without_vectors(
    tiny_bert: Path, crash: ArmCrashes
) -> None:
    """The last crashes before it is given up were not the texts' doing."""
    crash(Crash("broken"))
    texts = [*numbered(100), *(f"broken {number}" for number in range(100))]
    got: list[VectorBatch] = []
    with open_engine(tiny_bert) as engine, pytest.raises(EngineError, match="times in a row"):
        got.extend(engine.embed(records(texts)))
    assert sum(len(batch.records) for batch in got) <= 100
    assert all(batch.valid.all() for batch in got)


def test_another_model_under_the_same_name_is_noticed(tiny_bert: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(tiny_bert, tmp_path / "model.gguf"))
    with open_engine(path) as engine:
        texts = engine.embed(records(numbered(3000)))
        next(texts)
        write_bert(tmp_path / "other.gguf").rename(path)
        WorkerProcess.kill(engine._worker)
        with pytest.raises(ModelError, match=r"model.gguf was replaced while the run used it"):
            list(texts)


@pytest.mark.parametrize("error", [MemoryError(), ValueError("closed")])
def test_a_thread_that_ends_is_no_hang(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    send_texts, sent = WorkerProcess.send_texts, []

    def fail_later(worker: WorkerProcess, group: list[TextRecord]) -> None:
        sent.append(group)
        if len(sent) == 3:
            raise error
        send_texts(worker, group)

    monkeypatch.setattr(WorkerProcess, "send_texts", fail_later)
    with open_engine(tiny_bert) as engine, pytest.raises(type(error)):
        list(engine.embed(records(numbered(1000))))


def test_the_worker_has_no_descriptor_to_pass_on(tiny_bert: Path) -> None:
    with open_engine(tiny_bert) as engine:
        infos = Path(f"/proc/{process_id(engine)}/fdinfo").iterdir()
        flags = [int(info.read_text("ascii").split()[3], 8) for info in infos if int(info.name) > 2]
    assert len(flags) >= 2
    assert all(flag & os.O_CLOEXEC for flag in flags)
