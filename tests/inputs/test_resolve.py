"""Which files are read, in what order, and what they are called."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from llama_cli.errors import InputError
from llama_cli.inputs.resolve import find_inputs
from llama_cli.output.durable.status import is_work_file
from tests.inputs.reading import Reading

FILES = [
    *("b.txt", "a.txt", "B.txt", "10.txt", "9.txt", "é.txt", ".hidden.txt", "a-b.txt"),
    *("sub/c.txt", "sub/.hidden", "sub/deep/d.txt", ".hidden/e.txt", "a/z.txt", "notes.md"),
]
# Part by part: what is in a folder comes where the folder's name does.
SORTED = [
    *("10.txt", "9.txt", "B.txt", "a/z.txt", "a-b.txt", "a.txt", "b.txt", "notes.md"),
    *("sub/c.txt", "sub/deep/d.txt", "é.txt"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files that hold their own names; tests are in it."""
    folder = tmp_path / "folder"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name, "utf-8")
    monkeypatch.chdir(folder)
    return folder


def names(*words: str, **options: Any) -> list[str]:
    return [file.name for file in find_inputs(words, **options)]


@pytest.mark.parametrize("word", [".", "./", "../folder/../folder/."])
def test_a_folder_is_read_with_all_below_it_in_order(word: str) -> None:
    paths = [file.path.resolve().relative_to(Path.cwd()) for file in find_inputs([word])]
    assert [str(path) for path in paths] == SORTED


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["*.txt"], [n for n in SORTED if n.endswith(".txt") and "/" not in n]),
        (["**/*.txt"], [n for n in SORTED if n.endswith(".txt")]),
        (["**"], SORTED),
        (["sub/*"], ["c.txt"]),
        (["[ab].txt"], ["a.txt", "b.txt"]),
        (["?.txt"], ["9.txt", "B.txt", "a.txt", "b.txt", "é.txt"]),
        (["sub/deep", "b.txt", "a*.txt"], ["sub/deep/d.txt", "b.txt", "a-b.txt", "a.txt"]),
        (["b.txt", "a.txt"], ["b.txt", "a.txt"]),
        (["b.txt", "sub/../b.txt"], ["b.txt", "sub/../b.txt"]),
        ([".hidden"], ["e.txt"]),
        ([".hidden.txt", "sub"], [".hidden.txt", "sub/c.txt", "sub/deep/d.txt"]),
    ],
)
def test_words_give_files_in_their_order(words: list[str], found: list[str]) -> None:
    assert names(*words) == found


def test_the_same_one_twice_is_read_twice() -> None:
    reading = Reading("a.txt", "b.txt", "a.txt")
    assert reading.texts == ["a.txt", "b.txt", "a.txt"]
    assert [record.input_index for record in reading.records] == [0, 1, 2]


def test_what_is_left_out_is_found_by_any_of_its_names(folder: Path) -> None:
    Path("link.txt").symlink_to("sub/c.txt")
    left = names(".", exclude=[folder / "a.txt", Path("./sub/../b.txt"), Path("link.txt")])
    assert left == [n for n in SORTED if n not in {"a.txt", "b.txt", "sub/c.txt"}]
    assert "a.txt" not in names("*.txt", exclude=[Path("a.txt")])
    assert names("a.txt", exclude=[Path("a.txt")]) == ["a.txt"]


def test_the_files_of_an_unfinished_run_are_no_inputs() -> None:
    begun = b'0123456789abcdef {"journal": 1, "run": "x"}\n'
    Path("sub/out.parquet.journal").write_bytes(begun)
    Path("sub/out.parquet.partial").write_bytes(b"PAR1")
    Path("sub/my.journal").write_text("Monday", "utf-8")
    found = names("sub", is_no_input=is_work_file)
    assert found == ["sub/c.txt", "sub/deep/d.txt", "sub/my.journal"]
    assert names("sub/*", is_no_input=is_work_file) == ["sub/c.txt", "sub/my.journal"]
    assert names("sub/out.parquet.partial", is_no_input=is_work_file) == ["out.parquet.partial"]


@pytest.mark.parametrize("word", ["ftp://host/a.txt", "s3a://bucket/a.txt"])
def test_a_url_of_an_unknown_kind_is_no_file(word: str) -> None:
    with pytest.raises(InputError, match=f"{word[:3]}.*:// is not known here"):
        names(word)


def test_a_folder_with_nothing_but_what_is_left_out() -> None:
    with pytest.raises(InputError, match="sub/deep: there is no file in this folder"):
        names("sub/deep", exclude=[Path("sub/deep/d.txt")])
    with pytest.raises(InputError, match=r"sub/deep/\*: no file matches"):
        names("sub/deep/*", exclude=[Path("sub/deep/d.txt")])


def test_links_to_files_are_read_and_links_to_folders_only_by_name(folder: Path) -> None:
    Path("sub/link.txt").symlink_to("../a.txt")
    Path("sub/loop").symlink_to("..")
    Path("sub/broken.txt").symlink_to("nowhere")
    Path("way").symlink_to("sub")
    found = ["c.txt", "deep/d.txt", "link.txt"]
    assert names("sub") == [f"sub/{name}" for name in found]
    assert names("way") == [f"way/{name}" for name in found]
    assert Reading("sub").texts == ["sub/c.txt", "sub/deep/d.txt", "a.txt"]
    with pytest.raises(InputError, match="sub/broken.txt: no such file"):
        names("sub/broken.txt")


def test_no_pipe_or_socket_in_a_folder_is_waited_for() -> None:
    os.mkfifo("sub/fifo")
    assert names("sub") == ["sub/c.txt", "sub/deep/d.txt"]
    assert names("sub/*") == ["c.txt"]


def test_a_file_whose_name_looks_like_a_pattern() -> None:
    for name in ("[a].txt", "what?.txt", "*"):
        Path(name).write_text(name, "utf-8")
        assert Reading(name).texts == [name]


def test_names_that_are_not_utf8() -> None:
    name = os.fsdecode(b"sub/caf\xe9.txt")
    Path(name).write_text("coffee", "utf-8")
    assert names("sub") == ["sub/c.txt", name, "sub/deep/d.txt"]
    assert Reading("sub").texts == ["sub/c.txt", "coffee", "sub/deep/d.txt"]
    Path("sub/deep/d.txt").write_text("[", "utf-8")
    Path(name).rename(os.fsdecode(b"caf\xe9.parquet"))
    with pytest.raises(InputError, match="not a Parquet file"):
        Reading(os.fsdecode(b"caf\xe9.parquet"))


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["qqqq"], "qqqq: no such file", None),
        (["notes.m"], "notes.m: no such file", "did you mean notes.md?"),
        (["*.csv"], "*.csv: no file matches", None),
        ([".*/nothing"], ".*/nothing: no file matches", None),
        (["a.txt/x"], "a.txt/x: no such file", None),
        (["-", "a.txt", "-"], "standard input can be read once only", None),
        (["-", "/dev/stdin"], "standard input can be read once only", None),
    ],
)
def test_what_cannot_be_found(words: list[str], message: str, hint: str | None) -> None:
    with pytest.raises(InputError) as caught:
        names(*words)
    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_each_input_has_a_format_of_its_own() -> None:
    Path("sub/d.jsonl").write_text('{"text": "json"}\n', "utf-8")
    Path("sub/e.csv").write_text("text,n\ncsv,1\n", "utf-8")
    assert Reading("sub", "a.txt").texts == [
        *("sub/c.txt", "json", "sub/deep/d.txt", "csv", "a.txt"),
    ]


def test_one_format_for_all() -> None:
    Path("sub/c.txt").write_text("text,n\none,1\n", "utf-8")
    Path("sub/deep/d.txt").write_text("n\ttext\n1\ttwo\n", "utf-8")
    assert Reading("sub", format="csv").texts == ["one", "two"]


def test_an_error_in_a_later_input_names_it_before_anything_is_read() -> None:
    Path("sub/deep/d.jsonl").write_text('{"title": "one", "body": "two"}', "utf-8")
    with pytest.raises(InputError, match=r"^sub/deep/d.jsonl: which column holds the texts"):
        Reading("sub")


def test_pipes_among_files() -> None:
    os.mkfifo("fifo")
    writer = threading.Thread(target=lambda: Path("fifo").write_text("piped\n", "utf-8"))
    writer.start()
    reading = Reading("a.txt", "fifo", "b.txt")
    writer.join()
    assert reading.texts == ["a.txt", "piped", "b.txt"]


def test_an_empty_name_is_not_the_current_folder() -> None:
    """As that of a variable which is not set."""
    with pytest.raises(InputError, match="the name of an input is empty"):
        find_inputs([""])


def test_missing_inputs(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="absent: no such file"):
        find_inputs([str(tmp_path / "absent")])
    with pytest.raises(InputError, match="there is no file in this folder"):
        find_inputs([str(tmp_path / "empty")])


def test_a_pattern_does_not_follow_links_round_and_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two such links in one folder take for ever."""
    folder = tmp_path / "links"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("one\n", "ascii")
    (folder / "sub" / "loop").symlink_to("..")
    monkeypatch.chdir(folder)
    assert [file.name for file in find_inputs(["**/*.txt"])] == ["a.txt"]
