"""Errors: their tree is documented, they know their option, and only the command line has flags."""

from __future__ import annotations

import ast
import inspect
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from llama_cli import errors
from llama_cli.cli.options import FLAGS
from llama_cli.errors import LlamaCliError, OutputRefusedError, TextTooLongError, UsageError

PACKAGE = Path(errors.__file__).parent
# Programs of their own, with flags of their own.
PROGRAMS = {"build.py"}
MODULES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if PACKAGE / "cli" not in path.parents and path.name not in PROGRAMS
]
FLAG = re.compile(
    rf"(?<![\w-])({'|'.join(map(re.escape, FLAGS.values()))})(?![\w-])|(?<!\w)-o FILE"
)
NAMED = re.compile(r"`(\w+)(?:=[^`]*)?`")


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def strings(path: Path) -> Iterator[str]:
    """Every literal text of a module, documentation included; what is filled in is left out."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(p.value if isinstance(p, ast.Constant) else "" for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def raised(path: Path) -> Iterator[ast.Call]:
    """Every call of a module that names the option an error is about."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and any(word.arg == "option" for word in node.keywords):
            yield node


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_command_line_knows_flags(path: Path) -> None:
    assert [text for text in strings(path) if FLAG.search(text)] == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_options_that_errors_are_about_exist(path: Path) -> None:
    for call in raised(path):
        (option,) = [word.value for word in call.keywords if word.arg == "option"]
        if isinstance(option, ast.Constant):
            assert option.value in FLAGS
        named = {
            name
            for part in ast.walk(call)
            if isinstance(part, ast.Constant) and isinstance(part.value, str)
            for name in NAMED.findall(part.value)
        }
        assert named <= set(FLAGS)


def every_error(kind: type[LlamaCliError] = LlamaCliError) -> Iterator[type[LlamaCliError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from every_error(below)


def test_the_tree_in_the_documentation_is_complete() -> None:
    """Each error stands in it, below the one that it is a kind of, with its exit code."""
    drawn = re.findall(
        r"^    ([│├└─ ]*)(\w+Error) +(.*)$", inspect.getdoc(errors) or "", re.MULTILINE
    )
    assert {name for _, name, _ in drawn} == {kind.__name__ for kind in every_error()}
    above: list[str] = []
    for bars, name, words in drawn:
        kind = getattr(errors, name)
        depth = len(bars) // 4
        assert depth == 0 or kind.__base__.__name__ == above[depth - 1]
        above[depth:] = [name]
        if code := re.match(r"exit (\d+)", words):
            assert kind.exit_code == int(code[1])


@pytest.mark.parametrize("kind", list(every_error()), ids=lambda kind: kind.__name__)
def test_an_option_of_a_kind_of_error_exists(kind: type[LlamaCliError]) -> None:
    assert kind.option is None or kind.option in FLAGS


def test_errors_keep_what_they_know_between_processes() -> None:
    error = UsageError("no", hint="leave out `dims`", option="dims")
    error.committed_rows = 7
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), vars(copy)) == (str(error), vars(error))
    long = pickle.loads(pickle.dumps(TextTooLongError(0, 2, 512)))
    assert (long.option, long.hint) == ("on_long", TextTooLongError(0, 2, 512).hint)


def test_kinds_know_their_option() -> None:
    assert OutputRefusedError("there").option == "output"
    assert UsageError("no", option="task").option == "task"
    assert UsageError("no").option is None
