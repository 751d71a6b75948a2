"""`llama-cli embed` from the outside: what it writes, prints and returns."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Command
from tests.conftest import cosines
from tests.tiny_models import write_bert

MODULE = (sys.executable, "-m", "llama_cli")


def test_the_file_has_exactly_the_promised_columns(cli: Command, notes: Path) -> None:
    outcome = cli("embed", notes)
    assert outcome.code == 0
    assert outcome.out == ""
    table = pq.read_table(notes.with_suffix(".parquet"))
    assert table.schema.names == [
        "text",
        "text_hash",
        "embedding",
        "sequence_length",
        "processing_time_ms",
    ]
    assert table.schema.types == [
        pa.string(),
        pa.string(),
        pa.list_(pa.float32(), 384),
        pa.uint32(),
        pa.uint64(),
    ]
    texts = ["hello world", "water and time", "the light of the day"]
    assert table["text"].to_pylist() == texts
    assert table["text_hash"].to_pylist() == [hashlib.md5(t.encode()).hexdigest() for t in texts]
    assert table["sequence_length"].to_pylist() == [4, 5, 7]
    assert sum(column.null_count for column in table.columns) == 0
    vectors = np.stack(table["embedding"].to_numpy())
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)


def test_the_summary_says_what_happened(cli: Command, tmp_path: Path, tiny_bert: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes(b"water\n\n \nb\xffd\n" + b"time " * 100 + b"\n")
    outcome = cli("embed", path, "-m", tiny_bert)
    assert outcome.code == 0
    first, second, third = outcome.err.splitlines()
    assert re.fullmatch(
        r"3 rows, 7\d tokens in \d+\.\d s \([\d,]+ texts/s, [\d,]+ tokens/s\)", first
    )
    assert second == (
        "2 blank lines skipped; 1 text truncated to 64 tokens; 1 line not in UTF-8 (see --encoding)"
    )
    assert re.fullmatch(rf"{re.escape(str(tmp_path))}/in.parquet \(\d+\.\d kB\)", third)


def test_json_on_stdout_and_quiet_on_stderr(cli: Command, notes: Path) -> None:
    outcome = cli("embed", notes, "--json", "--quiet")
    assert outcome.err == ""
    summary = json.loads(outcome.out)
    assert summary["rows"] == 3
    assert summary["skipped"] == 1
    assert summary["tokens"] == 16
    assert summary["output"] == str(notes.with_suffix(".parquet"))
    assert summary["output_bytes"] == notes.with_suffix(".parquet").stat().st_size
    assert summary["dimension"] == 384
    assert set(summary) == {
        *(
            "rows",
            "skipped",
            "bad_rows",
            "truncated",
            "invalid_utf8",
            "duplicates",
            "without_vector",
            "tokens",
            "seconds",
        ),
        *("output", "output_bytes", "dimension", "max_length", "model"),
        *("texts_per_second", "tokens_per_second", "resumed_rows", "resumed_tokens"),
    }


def test_json_carries_the_error(cli: Command, tmp_path: Path) -> None:
    outcome = cli("embed", tmp_path / "absent.txt", "--json")
    assert outcome.code == 2
    failure = json.loads(outcome.out)
    assert failure == {"error": f"{tmp_path}/absent.txt: no such file", "exit_code": 2}


def test_the_footer_tells_where_the_vectors_come_from(
    cli: Command, notes: Path, tiny_bert: Path
) -> None:
    cli("embed", notes, "-m", tiny_bert, "--no-normalize", "--max-length", 10)
    metadata = pq.read_metadata(notes.with_suffix(".parquet"))
    made = json.loads(metadata.metadata[b"llama_cli"])
    assert made["format_version"] == 2
    assert made["model"] == {
        "name": "tiny bert",
        "sha256": hashlib.sha256(tiny_bert.read_bytes()).hexdigest(),
        "architecture": "bert",
        "quantization": "F32",
        "dimension": 32,
        "source": "",
    }
    assert made["input"]["name"] == "notes.txt"
    assert made["input"]["bytes"] == notes.stat().st_size
    assert (made["pooling"], made["normalized"], made["max_length"]) == ("mean", False, 10)
    assert (made["rows"], made["skipped"], made["truncated"], made["invalid_utf8"]) == (3, 1, 0, 0)
    assert made["started_at"] < made["finished_at"]
    assert str(notes.parent) not in json.dumps(made)


def test_line_numbers_match_the_input(cli: Command, notes: Path) -> None:
    cli("embed", notes, "--line-numbers")
    table = pq.read_table(notes.with_suffix(".parquet"))
    assert table.schema.names[-1] == "line"
    assert table.schema.field("line").type == pa.int64()
    assert table["line"].to_pylist() == [1, 3, 4]


def test_an_empty_input_gives_a_valid_file_of_no_rows(cli: Command, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    outcome = cli("embed", tmp_path / "empty.txt")
    assert outcome.code == 0
    table = pq.read_table(tmp_path / "empty.parquet")
    assert table.num_rows == 0
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), 384)


@pytest.mark.parametrize("dimension", [128, 384, 768, 1024])
def test_any_dimension(cli: Command, notes: Path, tmp_path: Path, dimension: int) -> None:
    write_bert(tmp_path / "model.gguf", dim=dimension)
    assert cli("embed", notes, "-m", tmp_path / "model.gguf").code == 0
    schema = pq.read_schema(notes.with_suffix(".parquet"))
    assert schema.field("embedding").type == pa.list_(pa.float32(), dimension)


@pytest.mark.parametrize("batch_size", [1, 7, 32, 1000, 100_000])
def test_batch_size_changes_nothing_in_the_file(
    cli: Command, tmp_path: Path, tiny_bert: Path, batch_size: int
) -> None:
    source = tmp_path / "many.txt"
    source.write_text("".join(f"water {'time ' * (i % 9)}{i}\n" for i in range(1500)), "utf-8")
    outcome = cli("embed", source, "-m", tiny_bert, "--batch-size", batch_size)
    assert outcome.code == 0
    file = pq.ParquetFile(source.with_suffix(".parquet"), page_checksum_verification=True)
    assert file.metadata.num_row_groups == 1
    table = file.read()
    assert table["text"].to_pylist() == source.read_text("utf-8").splitlines()
    once = cli("embed", source, "-m", tiny_bert, "-o", tmp_path / "once.parquet")
    assert once.code == 0
    expected = pq.read_table(tmp_path / "once.parquet")
    for name in ("text", "text_hash", "sequence_length"):
        assert table[name] == expected[name]
    left, right = (np.stack(t["embedding"].to_numpy()) for t in (table, expected))
    assert cosines(left, right).min() > 0.99999


def test_the_model_comes_from_the_environment_and_the_option_wins(
    cli: Command, notes: Path, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMA_CLI_MODEL", str(tiny_bert))
    cli("embed", notes)
    assert pq.read_schema(notes.with_suffix(".parquet")).field("embedding").type.list_size == 32
    write_bert(tmp_path / "wide.gguf", dim=64)
    cli("embed", notes, "-m", tmp_path / "wide.gguf", "--overwrite")
    assert pq.read_schema(notes.with_suffix(".parquet")).field("embedding").type.list_size == 64


def test_a_folder_with_a_filename(cli: Command, notes: Path, tiny_bert: Path) -> None:
    outcome = cli("embed", notes, "-m", tiny_bert.parent, "--filename", tiny_bert.name)
    assert outcome.code == 0


def test_rows_without_a_vector_keep_their_place(cli: Command, notes: Path, tmp_path: Path) -> None:
    from gguf import GGUFReader

    write_bert(tmp_path / "nan.gguf")
    reader = GGUFReader(tmp_path / "nan.gguf", "r+")
    pieces = reader.fields["tokenizer.ggml.tokens"].contents()
    table = next(t for t in reader.tensors if t.name == "token_embd.weight")
    table.data[pieces.index("\u2581water")] = np.nan
    reader.data.flush()
    outcome = cli("embed", notes, "-m", tmp_path / "nan.gguf")
    assert outcome.code == 4
    assert "1 row without a vector" in outcome.err
    assert "warning: 1 row got no vector" in outcome.err
    vectors = pq.read_table(notes.with_suffix(".parquet"))["embedding"]
    assert [vector.is_valid for vector in vectors] == [True, False, True]


def test_repeated_texts_are_counted_and_not_computed(
    cli: Command, tmp_path: Path, tiny_bert: Path
) -> None:
    source = tmp_path / "in.txt"
    source.write_text("water and time\n" * 100, "utf-8")
    once = json.loads(cli("embed", source, "-m", tiny_bert, "--json", "-q").out)
    every = json.loads(
        cli("embed", source, "-m", tiny_bert, "--json", "-q", "--no-dedup", "--overwrite").out
    )
    assert (once["duplicates"], once["tokens"], once["rows"]) == (99, 5, 100)
    assert (every["duplicates"], every["tokens"], every["rows"]) == (0, 500, 100)


def test_debug_shows_the_log_of_llama_cpp(cli: Command, notes: Path, tiny_bert: Path) -> None:
    assert "llama_model_loader" not in cli("embed", notes, "-m", tiny_bert).err
    shown = cli("embed", notes, "-m", tiny_bert, "--overwrite", "--debug", "--threads", 3).err
    assert "llama_model_loader: loaded meta data" in shown
    assert "3 contexts of 1 threads each" in shown


class TestInstalledCommand:
    def test_it_runs_as_a_command_and_as_a_module(
        self, installed_cli: Command, notes: Path
    ) -> None:
        assert installed_cli("embed", notes, "-q").code == 0
        module = subprocess.run(
            [*MODULE, "embed", notes, "-o", notes.parent / "m.parquet"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert module.stdout == ""
        left = pq.read_table(notes.with_suffix(".parquet")).drop(["processing_time_ms"])
        assert left == pq.read_table(notes.parent / "m.parquet").drop(["processing_time_ms"])

    def test_a_shell_pipe_as_input(self, notes: Path) -> None:
        command = Path(sys.executable).parent / "llama-cli"
        output = notes.parent / "piped.parquet"
        subprocess.run(["gzip", notes], check=True)
        line = '"$0" embed <(zcat "$1") -o "$2" -q'
        subprocess.run(["bash", "-c", line, command, f"{notes}.gz", output], check=True)
        assert pq.read_metadata(output).num_rows == 3
        made = json.loads(pq.read_metadata(output).metadata[b"llama_cli"])
        assert made["input"]["name"] == "pipe"

    def test_standard_input(self, installed_cli: Command, tmp_path: Path) -> None:
        outcome = installed_cli("embed", "-", "-o", tmp_path / "x.parquet", input="one\ntwo\n")
        assert outcome.code == 0
        assert pq.read_table(tmp_path / "x.parquet")["text"].to_pylist() == ["one", "two"]

    def test_a_full_stdout_is_1_and_said(self, notes: Path, tiny_bert: Path) -> None:
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [*MODULE, "embed", notes, "-m", tiny_bert, "--json", "-q"],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert done.returncode == 1
        assert done.stderr == (
            "llama-cli: error: cannot write to stdout: No space left on device\n"
        )

    @pytest.mark.parametrize("redirection", ["2> /dev/full", "2>&-", "2>&1 >/dev/null | true"])
    def test_a_run_outlives_whoever_reads_its_log(
        self, tmp_path: Path, tiny_bert: Path, redirection: str
    ) -> None:
        source = tmp_path / "in.txt"
        source.write_bytes(b"\xff broken\n" * 10)
        line = f'"$0" -m llama_cli embed "$1" -m "$2" {redirection}; exit ${{PIPESTATUS[0]}}'
        done = subprocess.run(
            ["bash", "-c", line, sys.executable, source, tiny_bert],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0
        assert done.stdout == b""
        assert pq.read_metadata(source.with_suffix(".parquet")).num_rows == 10

    def test_ctrl_c_while_the_model_loads_is_not_lost(
        self, installed_cli: Command, notes: Path
    ) -> None:
        """At any moment of a short run: it was interrupted and can resume, or it was done."""
        for delay in np.linspace(0, 0.7, 10):
            output = notes.parent / "out.parquet"
            process = subprocess.Popen(
                [*MODULE, "embed", notes, "-o", output], stderr=subprocess.PIPE, text=True
            )
            maps = Path(f"/proc/{process.pid}/maps")
            while "libarrow" not in maps.read_text("utf-8"):
                assert process.poll() is None
            time.sleep(delay)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=20)
            assert "Traceback" not in err
            if output.exists():  # Ctrl-C in the very last moment may still be told
                assert process.returncode in {0, 130}
                assert "nothing was written" not in err
            else:
                assert process.returncode == 130
                assert ("resume" in err) == output.with_name("out.parquet.partial").exists()
            assert installed_cli("embed", notes, "-o", output, "--overwrite").code == 0
            output.unlink()
            assert list(notes.parent.iterdir()) == [notes]

    def test_names_that_are_not_utf8(self, installed_cli: Command, tmp_path: Path) -> None:
        source = tmp_path / "caf\udce9.txt"
        source.write_text("hello\n", "utf-8")
        assert installed_cli("embed", source, "-q").code == 0
        assert installed_cli("inspect", source.with_suffix(".parquet")).code == 0

    def test_ctrl_c_on_a_terminal_also_stops_the_loop_around_it(
        self, tmp_path: Path, tiny_bert: Path
    ) -> None:
        """A shell resumes its loop unless the command died of the signal."""
        fifo = tmp_path / "endless"
        os.mkfifo(fifo)
        control, terminal = pty.openpty()
        process = subprocess.Popen(
            [*MODULE, "embed", fifo, "-m", tiny_bert, "-o", tmp_path / "out.parquet"],
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        with fifo.open("wb", buffering=0) as pipe:
            pipe.write(b"water and time\n" * 1000)
            while not list(tmp_path.glob("*.partial")):
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            shown = os.read(control, 4096)
            while b"interrupted" not in shown:
                shown += os.read(control, 4096)
            assert process.wait(20) == -signal.SIGINT
        os.close(control)
        assert not list(tmp_path.glob("out.parquet*"))

    @pytest.mark.parametrize("delay", [0.0, 0.003, 0.01, 0.03, 0.1])
    def test_ctrl_c_ends_with_130_and_leaves_nothing(
        self, tmp_path: Path, tiny_bert: Path, delay: float
    ) -> None:
        fifo = tmp_path / "endless"
        os.mkfifo(fifo)
        output = tmp_path / "out.parquet"
        output.write_bytes(b"older")
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "llama_cli",
                "embed",
                fifo,
                "-m",
                tiny_bert,
                "-o",
                output,
                "--overwrite",
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        with fifo.open("wb", buffering=0) as pipe:
            pipe.write(b"water and time\n" * 1000)
            while not list(tmp_path.glob("*.partial")):
                assert process.poll() is None
            time.sleep(delay)
            process.send_signal(2)
            _, err = process.communicate(timeout=20)
        assert process.returncode == 130
        assert err.splitlines()[-1] == (
            "llama-cli: error: interrupted; this input cannot be resumed, so nothing was written"
        )
        assert output.read_bytes() == b"older"
        assert list(tmp_path.glob("out.parquet*")) == [output]

    def test_help_does_not_wait_for_heavy_imports(self) -> None:
        code = (
            "import sys; from llama_cli.cli.app import main; main(['embed', '--help']);"
            "heavy = {'numpy', 'pyarrow', 'llama_cpp', 'tokenizers', 'rich'};"
            "sys.exit(sorted(heavy & set(sys.modules)) or 0)"
        )
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)

    def test_version(self, installed_cli: Command) -> None:
        from llama_cli import __version__

        outcome = installed_cli("--version")
        assert (outcome.code, outcome.out) == (0, f"llama-cli-embed {__version__}\n")

    def test_no_network_is_needed(self, installed_cli: Command, notes: Path) -> None:
        """Run in an empty network namespace where that is allowed, else with a dead proxy."""
        isolated = subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False)
        command = [str(Path(sys.executable).parent / "llama-cli"), "embed", str(notes), "-q"]
        prefix = ["unshare", "-rn"] if isolated.returncode == 0 else []
        dead = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
        subprocess.run([*prefix, *command], check=True, env=os.environ | dead)
