"""A model that cannot be opened is an error of the model, whatever it does to the process."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from llama_cli.engine.worker.process import WorkerProcess
from llama_cli.errors import EngineError, LlamaCliError, ModelError, TextTooLongError, UsageError
from tests.conftest import embed_all
from tests.engine.worker.conftest import ArmCrashes
from tests.engine.worker.crashing_worker import Crash
from tests.engine.worker.engines import numbered, open_engine
from tests.tiny_models import write_bert, write_t5

UNSAID = "does not say whether its vocabulary is lower-cased"

# Opens a model and embeds a text, and says so with its exit code alone.
WITHOUT_DESCRIPTORS = """
import os, sys
for descriptor in map(int, sys.argv[2:]):
    os.close(descriptor)
from pathlib import Path
from tests.conftest import embed_all
from tests.engine.worker.engines import open_engine
with open_engine(Path(sys.argv[1])) as engine:
    os._exit(0 if embed_all(engine, ["water"]).valid.all() else 1)
"""


class TestCrashes:
    @pytest.mark.parametrize(
        ("of", "reason"),
        [
            ("SIGSEGV", "SIGSEGV"),
            ("SIGABRT", "SIGABRT"),
            ("SIGKILL", "SIGKILL, perhaps for want of memory"),
            ("exit", "exit code 7"),
        ],
    )
    def test_one_while_opening_names_the_file_and_the_reason(
        self,
        tiny_bert: Path,
        crash: ArmCrashes,
        of: Literal["SIGSEGV", "SIGABRT", "SIGKILL", "exit"],
        reason: str,
    ) -> None:
        crash(Crash(of=of, at="open"))
        with pytest.raises(ModelError) as caught, open_engine(tiny_bert):
            pass
        assert str(caught.value).startswith(f"{tiny_bert}: llama.cpp crashes on this model (")
        assert reason in str(caught.value)
        assert caught.value.hint
        assert caught.value.exit_code == 3

    @pytest.mark.parametrize("at", ["tokenize", "decode"])
    def test_one_at_the_first_decode_is_found_before_there_are_texts(
        self, tiny_bert: Path, crash: ArmCrashes, at: Literal["tokenize", "decode"]
    ) -> None:
        crash(Crash("", at=at))  # each text has an empty word
        crashes = pytest.raises(ModelError, match="crashes on this model .SIGSEGV")
        with crashes, open_engine(tiny_bert):
            pass

    @pytest.mark.parametrize(
        ("says", "kind", "said", "hint"),
        [
            (
                "CUDA error: out of memory",
                ModelError,
                "SIGABRT: CUDA error: out of memory",
                "free some memory",
            ),
            (
                "ggml-cuda.cu:109: CUDA error",
                EngineError,
                "the GPU failed as it got the model",
                "free memory on it",
            ),
        ],
    )
    def test_one_of_the_gpu_is_not_put_down_to_the_file(
        self,
        tiny_bert: Path,
        crash: ArmCrashes,
        says: str,
        kind: type[LlamaCliError],
        said: str,
        hint: str,
    ) -> None:
        crash(Crash(of="SIGABRT", at="open", says=says))
        with pytest.raises(kind, match=said) as caught:
            open_engine(tiny_bert).__enter__()
        assert caught.value.hint
        assert caught.value.hint.startswith(hint)

    @pytest.mark.parametrize(
        ("of", "hint"), [("SIGKILL", "free some memory"), ("SIGSEGV", "the file is damaged")]
    )
    def test_a_kill_is_put_down_to_want_of_memory(
        self, tiny_bert: Path, crash: ArmCrashes, of: Literal["SIGKILL", "SIGSEGV"], hint: str
    ) -> None:
        crash(Crash(of=of, at="open"))
        with pytest.raises(ModelError) as caught, open_engine(tiny_bert):
            pass
        assert caught.value.hint
        assert caught.value.hint.startswith(hint)

    def test_the_last_words_are_in_the_message(
        self, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without the folder in which llama.cpp was compiled, and all on one line."""
        said = "/build/llama.cpp/../ggml.c:7: GGML_ASSERT(n > 0) failed\\nsomething else\\n"
        start = f"import os; os.write(2, b'{said}'); os.abort()"
        monkeypatch.setattr("llama_cli.engine.worker.process._START", start)
        with pytest.raises(EngineError) as caught, open_engine(tiny_bert):
            pass
        assert str(caught.value).endswith("(SIGABRT: ggml.c:7: GGML_ASSERT(n > 0) failed)")

    def test_no_core_file_is_left(
        self,
        tiny_bert: Path,
        tmp_path: Path,
        crash: ArmCrashes,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        import resource

        before = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
        monkeypatch.chdir(tmp_path)
        crash(Crash(at="open"))
        with pytest.raises(ModelError), open_engine(tiny_bert):
            pass
        resource.setrlimit(resource.RLIMIT_CORE, before)
        assert not list(tmp_path.glob("*core*"))


class TestErrors:
    def test_those_of_the_engine_come_as_they_are(self, tiny_bert: Path, tmp_path: Path) -> None:
        write_t5(tmp_path / "t5.gguf", arch="t5")
        with pytest.raises(ModelError, match="encoder-decoder"), open_engine(tmp_path / "t5.gguf"):
            pass
        with pytest.raises(ModelError, match="cannot read"), open_engine(tmp_path / "none.gguf"):
            pass
        refused = pytest.raises(UsageError, match="`max_length=65`: .* at most 64 tokens")
        with refused, open_engine(tiny_bert, max_length=65):
            pass

    def test_a_text_that_is_too_long_keeps_its_type_message_and_hint(self, tiny_bert: Path) -> None:
        texts = [*numbered(100), "water " * 100]
        with (
            open_engine(tiny_bert, on_long="error") as engine,
            pytest.raises(TextTooLongError) as caught,
        ):
            embed_all(engine, texts)  # type: ignore[arg-type]
        assert type(caught.value) is TextTooLongError
        assert str(caught.value) == "line 101: the text has more than 64 tokens"
        assert caught.value.hint == "shorten it, or leave out `on_long=error` to truncate it"
        assert caught.value.exit_code == 2

    def test_an_error_ends_the_run_once_only(
        self, tiny_bert: Path, workers: list[WorkerProcess]
    ) -> None:
        """It is no crash, so nothing is tried again."""
        with open_engine(tiny_bert, on_long="error") as engine:
            with pytest.raises(TextTooLongError):
                embed_all(engine, ["water " * 100])  # type: ignore[arg-type]
            assert len(workers) == 1


class TestLog:
    def test_a_warning_comes_once_however_often_it_starts(
        self,
        tmp_path: Path,
        crash: ArmCrashes,
        workers: list[WorkerProcess],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        crash(Crash("killer"))
        path = write_bert(tmp_path / "unsaid.gguf", lowercase=None)
        with open_engine(path) as engine:
            embed_all(engine, ["water", "killer", "time"])  # type: ignore[arg-type]
        assert len(workers) == 4
        said = [record for record in caplog.records if UNSAID in record.getMessage()]
        assert [(one.levelname, one.name) for one in said] == [
            ("WARNING", "llama_cli.engine.wordpiece")
        ]

    def test_another_engine_says_it_again(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = write_bert(tmp_path / "unsaid.gguf", lowercase=None)
        for _ in range(2):
            with open_engine(path):
                pass
        assert caplog.text.count(UNSAID) == 2

    @pytest.mark.parametrize("level", [logging.DEBUG, logging.WARNING])
    def test_details_are_passed_on_where_they_are_wanted(
        self, tiny_bert: Path, caplog: pytest.LogCaptureFixture, level: int
    ) -> None:
        with caplog.at_level(level, logger="llama_cli"), open_engine(tiny_bert):
            pass
        wanted = level == logging.DEBUG
        assert ("tokens a batch" in caplog.text) is wanted
        names = {record.name for record in caplog.records}
        assert ("llama_cli.llama_cpp" in names) is wanted


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_a_parent_without_the_usual_descriptors(tiny_bert: Path, closed: tuple[int, ...]) -> None:
    """As ``<&-`` and its like leave it: the pipes get these numbers then."""
    command = [sys.executable, "-c", WITHOUT_DESCRIPTORS, tiny_bert, *map(str, closed)]
    assert subprocess.run(command, timeout=5, check=False).returncode == 0
