"""Every expected failure: one line on stderr, its exit code, and no output left behind."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.tiny_models import rewrite, write_bert

Words = Callable[[Path], list[object]]


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


USAGE: dict[str, tuple[Words, str]] = {
    "missing input": (lambda d: [d / "absent.txt"], "absent.txt: no such file"),
    "folder without output": (lambda d: [d], "name the output with --output FILE"),
    "pattern without output": (lambda d: [f"{d}/*.txt"], "name the output with --output FILE"),
    "empty folder": (
        lambda d: [(d / "sub").mkdir() or d / "sub", "-o", d / "x.parquet"],
        "sub: there is no file in this folder",
    ),
    "no match": (lambda d: [f"{d}/*.csv", "-o", d / "x.parquet"], "*.csv: no file matches"),
    "standard input twice": (
        lambda d: ["-", "-", "-o", d / "x.parquet"],
        "standard input can be read once only",
    ),
    "no input": (lambda d: [], "Missing argument 'INPUT'"),
    "unknown option": (lambda d: [d / "in.txt", "--bogus"], "No such option: --bogus"),
    "batch size 0": (lambda d: [d / "in.txt", "--batch-size", 0], "'--batch-size'"),
    "batch size not a number": (lambda d: [d / "in.txt", "--batch-size", "x"], "'--batch-size'"),
    "max length 0": (lambda d: [d / "in.txt", "--max-length", 0], "'--max-length'"),
    "max length over the model's": (
        lambda d: [d / "in.txt", "--max-length", 513],
        "--max-length 513: all-MiniLM-L6-v2 was trained on at most 512 tokens",
    ),
    "max length without room": (
        lambda d: [d / "in.txt", "--max-length", 2],
        "--max-length 2: this model needs at least 3",
    ),
    "threads 0": (lambda d: [d / "in.txt", "--threads", 0], "'--threads'"),
    "unknown pooling": (lambda d: [d / "in.txt", "--pooling", "max"], "'--pooling'"),
    "no such GPU": (lambda d: [d / "in.txt", "--device", "cuda7"], "--device cuda7: no GPU"),
    "no GPU for layers": (lambda d: [d / "in.txt", "--gpu-layers", 4], "--gpu-layers 4: no GPU"),
    "GPU layers on the CPU": (
        lambda d: [d / "in.txt", "--device", "cpu", "--gpu-layers", 4],
        "--gpu-layers needs a GPU, but --device is cpu",
    ),
    "filename without folder": (lambda d: [d / "in.txt", "--filename", "x"], "--filename"),
    "output exists": (
        lambda d: [d / "in.txt", "-o", write(d / "old.parquet", b"old")],
        "exists already; replace it with --overwrite",
    ),
    "output is a folder": (lambda d: [d / "in.txt", "-o", d, "--overwrite"], "is a folder"),
    "output is a device": (
        lambda d: [d / "in.txt", "-o", "/dev/null", "--overwrite"],
        "/dev/null is not a regular file",
    ),
    "output is the input": (
        lambda d: [d / "in.txt", "-o", d / "in.txt", "--overwrite"],
        "the output is the input itself",
    ),
    "output links to the input": (
        lambda d: [d / "in.txt", "-o", link(d / "alias.parquet", d / "in.txt"), "--overwrite"],
        "the output is the input itself",
    ),
    "output under a file": (
        lambda d: [d / "in.txt", "-o", d / "in.txt" / "x.parquet"],
        "is not a folder",
    ),
    "pipe without output": (
        lambda d: [fifo(d / "pipe")],
        "say where the output goes with --output",
    ),
    "gzip": (lambda d: [write(d / "x.gz", b"\x1f\x8b\x08\x00")], "x.gz: the gzip data is damaged"),
    "UTF-16": (lambda d: [write(d / "u.txt", b"\xff\xfea\x00")], "u.txt: is UTF-16 text"),
    "GGUF as input": (lambda d: [write(d / "m.gguf", b"GGUF\x03")], "is a GGUF model file"),
    "output named as a folder": (
        lambda d: [d / "in.txt", "-o", f"{d}/new/"],
        "/new/ is a folder; name a file in it",
    ),
    "output with too long a name": (
        lambda d: [d / "in.txt", "-o", d / ("x" * 300)],
        "File name too long",
    ),
    "input with too long a name": (lambda d: [d / ("x" * 300)], "File name too long"),
    "standard input without output": (lambda d: ["-"], "say where the output goes with --output"),
    "too long text": (
        lambda d: [write(d / "long.txt", b"short\n" + b"word " * 600), "--on-long", "error"],
        "line 2: the text has more than 256 tokens",
    ),
    "too long line": (
        lambda d: [write(d / "huge.txt", b"short\n" + b"a" * (1 + (64 << 20)))],
        "huge.txt: line 2 is over 64 MiB",
    ),
}

MODEL: dict[str, tuple[Words, str]] = {
    "missing": (lambda d: ["-m", d / "absent.gguf"], "no such model file"),
    "not GGUF": (lambda d: ["-m", d / "in.txt"], "invalid magic"),
    "truncated": (
        lambda d: ["-m", write(d / "t.gguf", write_bert(d / "b.gguf").read_bytes()[:50_000])],
        "not within the file bounds",
    ),
    "no pooling": (
        lambda d: [
            "-m",
            rewrite(write_bert(d / "b.gguf"), d / "p.gguf", drop=["bert.pooling_type"]),
        ],
        "does not say how to pool its token vectors; choose with --pooling",
    ),
    "reranker": (lambda d: ["-m", write_bert(d / "r.gguf", pooling=4)], "is a reranker"),
    "name too long": (lambda d: ["-m", d / ("x" * 300)], "File name too long"),
    "no such user": (lambda d: ["-m", "~nosuchuser/x.gguf"], "home directory"),
    "unknown token out of range": (
        lambda d: [
            "-m",
            rewrite(
                write_bert(d / "b.gguf"),
                d / "u.gguf",
                changes={"tokenizer.ggml.unknown_token_id": 90_000},
            ),
        ],
        "the vocabulary has no token 90000",
    ),
    "empty folder": (lambda d: ["-m", (d / "models").mkdir() or d / "models"], "no .gguf file"),
}


def link(path: Path, target: Path) -> Path:
    path.symlink_to(target)
    return path


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in.txt").write_text("hello world\n", "utf-8")
    return tmp_path


@pytest.mark.parametrize("case", USAGE)
def test_usage_and_input(cli: Command, folder: Path, case: str) -> None:
    words, message = USAGE[case]
    check(cli, folder, words(folder), message, 2)


@pytest.mark.parametrize("case", MODEL)
def test_model(cli: Command, folder: Path, case: str) -> None:
    words, message = MODEL[case]
    check(cli, folder, [folder / "in.txt", *words(folder)], message, 3)


def check(cli: Command, folder: Path, words: list[object], message: str, code: int) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    outcome = cli("embed", *words)
    assert outcome.code == code
    assert outcome.out == ""
    (line,) = outcome.err.splitlines()
    assert line.startswith("llama-cli: error: ")
    assert message in line
    left = {path: path.stat().st_mtime_ns for path in folder.iterdir() if path.name != "cache"}
    assert left == before


def test_control_characters_of_names_are_not_printed(cli: Command, folder: Path) -> None:
    outcome = cli("embed", folder / "evil\x1b[2J\u202e[red]name.txt")
    assert "\x1b" not in outcome.err
    assert "\u202e" not in outcome.err
    assert "evil\ufffd[2J\ufffd[red]name.txt: no file matches" in outcome.err


def test_names_and_metadata_of_models_are_printed_harmless(
    cli: Command, folder: Path, tiny_bert: Path
) -> None:
    name = "x\x1b]0;title\x07 [bold]y[/bold]"
    rewrite(tiny_bert, folder / "m.gguf", changes={"general.name": name})
    outcome = cli("embed", folder / "in.txt", "-m", folder / "m.gguf", "--max-length", 65)
    assert outcome.code == 2
    assert "x\ufffd]0;title\ufffd [bold]y[/bold] was trained on" in outcome.err


def test_debug_shows_the_traceback(cli: Command, folder: Path) -> None:
    outcome = cli("embed", folder / "absent.txt", "--debug")
    assert outcome.code == 2
    assert "Traceback" in outcome.err
    assert outcome.err.splitlines()[-1].startswith("llama-cli: error: ")


def test_an_unexpected_error_is_one_line_too(
    cli: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("surprise\nin two lines")

    monkeypatch.setattr("llama_cli.run.sink.RowMaker.make", fail)
    outcome = cli("embed", folder / "in.txt")
    assert outcome.code == 1
    assert len(outcome.err.splitlines()) == 1
    assert "unexpected" in outcome.err


def test_a_lock_held_by_another_run_is_1(cli: Command, folder: Path, tiny_bert: Path) -> None:
    from llama_cli.output.writer import ParquetWriter

    with ParquetWriter(folder / "out.parquet", 32):
        outcome = cli("embed", folder / "in.txt", "-m", tiny_bert, "-o", folder / "out.parquet")
    assert outcome.code == 1
    assert "out.parquet" in outcome.err


def test_a_full_disk_is_1_and_leaves_nothing(folder: Path, tiny_bert: Path) -> None:
    source = folder / "many.txt"
    source.write_text("".join(f"water {i} and {i * i}\n" for i in range(20_000)), "utf-8")
    output = folder / "out" / "x.parquet"
    done = subprocess.run(
        [sys.executable, "-m", "llama_cli", "embed", source, "-m", tiny_bert, "-o", output],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "rows" not in line]
    assert "IO error" in line
    assert "x.parquet" in line
    assert list(output.parent.iterdir()) == []


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that another user can reach; pytest's own cannot be."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        (path / "in.txt").write_text("hello world\n", "utf-8")
        yield path


def test_a_folder_that_may_not_be_written(public_folder: Path) -> None:
    locked = public_folder / "locked"
    locked.mkdir(mode=0o555)
    code, err = run_without_privileges(
        "embed", public_folder / "in.txt", "-o", locked / "x.parquet"
    )
    assert code == 2
    assert err == f"llama-cli: error: {locked}: cannot write in this folder\n"


def test_an_input_that_may_not_be_read(public_folder: Path) -> None:
    source = public_folder / "in.txt"
    source.chmod(0)
    code, err = run_without_privileges("embed", source, "-o", public_folder / "x.parquet")
    assert code == 2
    assert err == f"llama-cli: error: {source}: permission denied\n"


WITHOUT_PRIVILEGES = """
import os, sys
from llama_cli.cli.app import main
main(["embed", "/absent"])  # imports everything while this environment can still be read
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
sys.exit(main(sys.argv[1:]))
"""


def run_without_privileges(*words: object) -> tuple[int, str]:
    """The command in a process that is not root, for whom no permission counts."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PRIVILEGES, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr.splitlines(keepends=True)[-1]
