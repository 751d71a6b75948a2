"""A text that crashes llama.cpp loses its own vector and no other."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from llama_cli.engine.worker.process import WorkerProcess
from llama_cli.errors import EngineError
from llama_cli.records import TextRecord, VectorBatch
from tests.conftest import Embedded, cosines, embed_all, open_embedder
from tests.engine.worker.conftest import ArmCrashes
from tests.engine.worker.crashing_worker import Crash
from tests.engine.worker.engines import Stop, numbered, open_engine, records

KILLER = "the killer"
MANY = 1500

Ends = Literal["SIGSEGV", "SIGABRT", "SIGKILL", "exit"]


def texts_with_killers(*places: int, count: int = MANY) -> list[str]:
    texts = numbered(count)
    for place in places:
        texts[place] = f"{KILLER} {place}"
    return texts


def embed(path: Path, texts: Sequence[str], **options: object) -> Embedded:
    with open_engine(path, **options) as engine:
        return embed_all(engine, texts)  # type: ignore[arg-type]


def assert_null_only(got: Embedded, path: Path, texts: Sequence[str], *places: int) -> None:
    """Rows at these places have no vector; all others have the one that is theirs."""
    with open_embedder(path, threads=2) as embedder:
        healthy = embed_all(embedder, texts)
    assert got.lines == healthy.lines
    assert np.flatnonzero(~got.valid).tolist() == sorted(places)
    assert not got.vectors[~got.valid].any()
    assert [got.lengths[place] for place in places] == [0] * len(places)
    kept = np.flatnonzero(got.valid)
    assert [got.lengths[row] for row in kept] == [healthy.lengths[row] for row in kept]
    assert (cosines(got.vectors[kept], healthy.vectors[kept]) > 0.99999).all()


def lines_warned_about(log: pytest.LogCaptureFixture) -> list[int]:
    found = re.findall(r"line (\d+): llama.cpp crashes on this text", log.text)
    return [int(line) for line in found]


@pytest.mark.parametrize(
    ("of", "at"),
    [
        ("SIGSEGV", "decode"),
        ("SIGKILL", "tokenize"),
        ("exit", "decode"),
    ],
)
def test_only_the_text_itself_loses_its_vector(
    tiny_bert: Path,
    crash: ArmCrashes,
    caplog: pytest.LogCaptureFixture,
    of: Ends,
    at: Literal["tokenize", "decode"],
) -> None:
    crash(Crash("killer", of=of, at=at))
    texts = texts_with_killers(1000)
    assert_null_only(embed(tiny_bert, texts), tiny_bert, texts, 1000)
    assert lines_warned_about(caplog) == [1001]
    assert f"({'exit code 7' if of == 'exit' else of}" in caplog.text


def test_a_bad_line_that_is_there_many_times(
    tiny_bert: Path, crash: ArmCrashes, caplog: pytest.LogCaptureFixture
) -> None:
    crash(Crash("killer"))
    texts = ["water", *[KILLER] * 30, "time"]
    assert_null_only(embed(tiny_bert, texts), tiny_bert, texts, *range(1, 31))
    assert lines_warned_about(caplog) == list(range(2, 32))


@pytest.mark.parametrize("places", [(0, MANY - 1), (5, 700, 701)])
def test_wherever_they_are(
    tiny_bert: Path, crash: ArmCrashes, caplog: pytest.LogCaptureFixture, places: tuple[int, ...]
) -> None:
    crash(Crash("killer"))
    texts = texts_with_killers(*places)
    assert_null_only(embed(tiny_bert, texts), tiny_bert, texts, *places)
    assert lines_warned_about(caplog) == [place + 1 for place in places]


@pytest.mark.parametrize("count", [1, 2])
def test_when_there_is_hardly_another(tiny_bert: Path, crash: ArmCrashes, count: int) -> None:
    crash(Crash("killer"))
    texts = texts_with_killers(0, count=count)
    assert_null_only(embed(tiny_bert, texts), tiny_bert, texts, 0)


def test_a_text_that_comes_again_crashes_again(tiny_bert: Path, crash: ArmCrashes) -> None:
    crash(Crash("killer"))
    texts = numbered(MANY)
    for place in (20, 40, 1400):
        texts[place] = KILLER
    assert_null_only(embed(tiny_bert, texts), tiny_bert, texts, 20, 40, 1400)


def test_a_killer_as_long_as_a_book(tiny_bert: Path, crash: ArmCrashes) -> None:
    crash(Crash("killer"))
    texts = numbered(200)
    texts[100] = "killer water " * 100_000
    assert_null_only(embed(tiny_bert, texts), tiny_bert, texts, 100)


@pytest.mark.parametrize("at", ["tokenize", "decode"])
def test_a_crash_that_does_not_come_again_costs_no_vector(
    tiny_bert: Path,
    tmp_path: Path,
    crash: ArmCrashes,
    workers: list[WorkerProcess],
    caplog: pytest.LogCaptureFixture,
    at: Literal["tokenize", "decode"],
) -> None:
    crash(Crash("killer", at=at, once=str(tmp_path / "crashed")))
    texts = texts_with_killers(1000)
    assert_null_only(embed(tiny_bert, texts), tiny_bert, texts)
    assert len(workers) == 2
    assert lines_warned_about(caplog) == []
    assert re.search(r"llama.cpp crashed \(SIGSEGV.*\); it is started again", caplog.text)


def test_a_crash_only_in_company_costs_no_vector(tiny_bert: Path, crash: ArmCrashes) -> None:
    crash(Crash("killer", company=True))
    texts = texts_with_killers(10, 1000)
    assert_null_only(embed(tiny_bert, texts), tiny_bert, texts)


def test_a_crash_after_the_vector_was_sent_shifts_no_row(
    tiny_bert: Path, crash: ArmCrashes
) -> None:
    """The text is given alone after two crashes, and then is answered before the third."""
    crash(Crash("killer", company=True), Crash("killer", at="sent"))
    texts = texts_with_killers(100, count=200)
    assert_null_only(embed(tiny_bert, texts), tiny_bert, texts)


def test_a_crash_while_it_is_opened_again_costs_no_vector(
    tiny_bert: Path, tmp_path: Path, crash: ArmCrashes
) -> None:
    """Say, for want of memory, which other programs take for a while."""
    first, second = (str(tmp_path / name) for name in ("first", "second"))
    crash(
        Crash("killer", of="SIGKILL", once=first),
        Crash(at="open", of="SIGKILL", after=first, once=second),
    )
    texts = texts_with_killers(1000)
    assert_null_only(embed(tiny_bert, texts), tiny_bert, texts)


def test_texts_for_a_worker_that_has_just_been_replaced(
    tiny_bert: Path,
    tmp_path: Path,
    crash: ArmCrashes,
    workers: list[WorkerProcess],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The thread that sends may be slow to start, and find its worker dead and closed by then."""
    send = WorkerProcess.send_texts

    def send_late(self: WorkerProcess, group: Sequence[TextRecord]) -> None:
        if self is workers[0] and b"late" in group[0].text:
            while self._process.returncode is None:
                time.sleep(0.01)
            time.sleep(0.5)
        send(self, group)

    monkeypatch.setattr(WorkerProcess, "send_texts", send_late)
    crash(Crash("killer", at="tokenize", once=str(tmp_path / "crashed")))
    texts = [*["killer water"] * 64, *["late time"] * 64, *numbered(100)]
    with open_engine(tiny_bert) as engine:
        Stop(engine, 10)
        assert_null_only(embed_all(engine, texts), tiny_bert, texts)  # type: ignore[arg-type]


class TestAGpuThatFails:
    """Which text is under way then says nothing of that text."""

    def test_it_costs_no_vector(self, tiny_bert: Path, tmp_path: Path, crash: ArmCrashes) -> None:
        said = [
            Crash("killer", of="SIGABRT", says="CUDA error", once=str(tmp_path / n)) for n in "ab"
        ]
        crash(*said)
        texts = texts_with_killers(100, 101, count=300)
        assert_null_only(embed(tiny_bert, texts), tiny_bert, texts)

    def test_one_that_goes_on_failing_ends_the_run(
        self, tiny_bert: Path, crash: ArmCrashes
    ) -> None:
        crash(Crash("killer", of="SIGABRT", says="CUDA error: out of memory"))
        texts = texts_with_killers(150, count=300)
        with open_engine(tiny_bert) as engine:
            got: list[VectorBatch] = []
            with pytest.raises(
                EngineError, match=r"the GPU failed 4 times \(SIGABRT: CUDA"
            ) as caught:
                got.extend(engine.embed(records(texts)))
        assert caught.value.exit_code == 1
        assert all(batch.valid.all() for batch in got)


class TestABuildForAnotherCpu:
    """No text and no file is blamed for an instruction that this CPU does not have."""

    def test_it_ends_the_run(self, tiny_bert: Path, crash: ArmCrashes) -> None:
        crash(Crash("killer", of="SIGILL", says="it was built with AVX512_VNNI"))
        got: list[VectorBatch] = []
        said = r"built for another CPU than this one \(SIGILL: it was built with AVX512_VNNI\)"
        with open_engine(tiny_bert) as engine, pytest.raises(EngineError, match=said) as caught:
            got.extend(engine.embed(records(texts_with_killers(150, count=300))))
        assert caught.value.exit_code == 1
        assert all(batch.valid.all() for batch in got)

    def test_it_is_said_before_there_is_a_run(self, tiny_bert: Path, crash: ArmCrashes) -> None:
        crash(Crash(of="SIGILL", at="open"))
        said = r"another CPU than this one \(SIGILL\)"
        with pytest.raises(EngineError, match=said), open_engine(tiny_bert):
            pass


class TestOneAfterAnother:
    def test_any_number_is_survived_where_there_are_vectors_between(
        self, tiny_bert: Path, crash: ArmCrashes
    ) -> None:
        crash(Crash("killer"))
        places = range(100, 124, 2)
        texts = texts_with_killers(*places, count=200)
        assert_null_only(embed(tiny_bert, texts), tiny_bert, texts, *places)

    def test_twelve_are_the_fault_of_the_model(self, tiny_bert: Path, crash: ArmCrashes) -> None:
        """The vectors before them come first, so that they can be kept."""
        crash(Crash("killer", of="SIGABRT"))
        texts = texts_with_killers(*range(150, 162), count=300)
        started = time.monotonic()
        with open_engine(tiny_bert) as engine:
            got: list[VectorBatch] = []
            with pytest.raises(EngineError, match=r"crashed 11 times in a row \(SIGABRT") as caught:
                got.extend(engine.embed(records(texts)))
        assert caught.value.exit_code == 1
        assert sum(int(batch.valid.sum()) for batch in got) == 150
        assert time.monotonic() - started < 20
