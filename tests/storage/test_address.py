"""URLs as they are recognized and shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from llama_cli.storage.address import is_remote, shown, words_shown


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:pass@host:8080/a/b.txt?X-Amz-Signature=1#part", "https://host:8080/a/b.txt"),
        ("HTTPS://host/a", "https://host/a"),
        ("https://host?secret", "https://host"),
        ("https://host/a@b.txt", "https://host/a@b.txt"),
        ("s3://bucket/what?.txt", "s3://bucket/what?.txt"),
        ("s3://key:secret@bucket/a", "s3://bucket/a"),
        ("hf://datasets/o/n@main/a.txt", "hf://datasets/o/n@main/a.txt"),
    ],
)
def test_what_is_shown(url: str, expected: str) -> None:
    assert is_remote(url)
    assert shown(url) == expected


@pytest.mark.parametrize("word", ["notes.txt", "s3:/a", "/a://b", "ftp://host/a", "-", "", "://"])
def test_what_is_a_path(word: str) -> None:
    assert not is_remote(word)


def test_a_command_line() -> None:
    words = ["embed", "https://h/a?k=1", "-o", "out.parquet", "s3://b/a?"]
    assert words_shown(words) == ["embed", "https://h/a", "-o", "out.parquet", "s3://b/a?"]


_LOCAL = """
import sys
from llama_cli.cli.app import main
code = main(sys.argv[1:])
loaded = {name.partition(".")[0] for name in sys.modules} & {"httpx2", "huggingface_hub", "tqdm"}
sys.exit(code or str(loaded or "") or 0)
"""


def test_a_local_run_loads_no_library_for_servers(notes: Path, tiny_bert: Path) -> None:
    words = ["embed", str(notes), "-m", str(tiny_bert)]
    done = subprocess.run(
        [sys.executable, "-c", _LOCAL, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


_MISSING = """
import sys
for name in {hidden!r}:
    sys.modules[name] = None
from llama_cli.cli.app import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("url", "hidden"),
    [
        ("s3://bucket/a.txt", ["pyarrow._s3fs"]),
        ("gs://bucket/a.txt", ["pyarrow._gcsfs"]),
        ("https://host/a.txt", ["httpx2"]),
        ("hf://datasets/o/n/a.txt", ["huggingface_hub.hf_api"]),
    ],
)
def test_a_missing_library_is_named(url: str, hidden: list[str], tmp_path: Path) -> None:
    program = _MISSING.format(hidden=hidden)
    for words in ([url, "-o", "out.parquet"], ["in.txt", "-o", url]):
        if words[-1].startswith("https"):
            continue
        (tmp_path / "in.txt").write_text("one\n", "utf-8")
        done = subprocess.run(
            [sys.executable, "-c", program, "embed", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2, done.stderr
        assert "pip install 'llama-cli-embed[remote]'" in done.stderr
        assert done.stderr.count("\n") == 1
