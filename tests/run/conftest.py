from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader

from tests.run.corpus import POISON, plain_lines
from tests.run.deaths import AFTER_TWO_COMMITS, die
from tests.run.programs import LOUD
from tests.run.runs import Job, started
from tests.tiny_models import write_bert, write_causal

# Four decodes of 256 texts, and a few texts more.
_LINES = 1100


@pytest.fixture(autouse=True)
def _leave_no_process() -> Iterator[None]:
    yield
    while started:
        process = started.pop()
        process.kill()
        process.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for nothing but inputs and outputs."""
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture(scope="session")
def slow_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slow enough to be caught at work; it has no finite vector for a text with one letter."""
    path = write_bert(
        tmp_path_factory.mktemp("models") / "slow.gguf", dim=128, layers=3, heads=4, ff=512
    )
    reader = GGUFReader(path, "r+")
    pieces = reader.fields["tokenizer.ggml.tokens"].contents()
    table = next(t for t in reader.tensors if t.name == "token_embd.weight")
    for piece in (POISON, f"\u2581{POISON}"):
        table.data[pieces.index(piece)] = np.nan
    reader.data.flush()
    return path


@pytest.fixture(scope="session")
def _prepared(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "work").mkdir()
    job = Job(folder / "work", tiny_bert)
    job.source.write_text(f"\n{plain_lines(_LINES)}", "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        job.finish()
        job.output.rename(folder / "expected.parquet")
        die(job, AFTER_TWO_COMMITS)
    return folder


@pytest.fixture
def unfinished(_prepared: Path, tiny_bert: Path, tmp_path: Path) -> Job:
    """A run over lines that are all different, but for a blank one, killed after two commits."""
    shutil.copytree(_prepared / "work", tmp_path / "work")
    return Job(tmp_path / "work", tiny_bert)


@pytest.fixture
def expected(_prepared: Path) -> Path:
    """What the run in `unfinished` is to make."""
    return _prepared / "expected.parquet"


@pytest.fixture
def plain(folder: Path, tiny_bert: Path) -> Job:
    """The run in `unfinished` before it begins."""
    job = Job(folder, tiny_bert)
    job.source.write_text(f"\n{plain_lines(_LINES)}", "utf-8")
    return job


@pytest.fixture
def long_text(folder: Path, tmp_path: Path) -> Job:
    """After two rows comes one that takes most of a minute, in a single decode."""
    model = write_causal(tmp_path / "long.gguf", dim=256, layers=4, heads=4, ff=512, n_ctx=32768)
    job = Job(folder, model, program=LOUD)
    job.source.write_text("one\ntwo\n" + "water and time " * 20_000 + "\nfour\n", "utf-8")
    return job
