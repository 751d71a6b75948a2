"""Who may import whom; see docs/architecture.md."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "llama_cli"

# Rooms, and loose modules at the top, with the rooms that each may know. Everybody may know
# `records` and `errors`, which know nobody, and `closing` and `splits` likewise.
KNOWN_TO_ALL = {"records", "errors", "closing", "splits"}
MAY_KNOW = {
    "__init__": {"output"},
    "__main__": {"cli"},
    "cli": {
        "",
        "run",
        "inputs",
        "models",
        "engine",
        "engine.worker",
        "output",
        "progress",
        "storage",
    },
    "run": {"", "inputs", "models", "engine", "engine.worker", "output", "storage"},
    "inputs": {"storage"},
    "models": {"storage"},
    "engine": set(),
    "engine.worker": {"engine"},
    "output": {"storage"},
    "storage": set(),
    "progress": set(),
}
MOST_LOOSE_MODULES = 6
# Rooms that other rooms see from inside their parent's, under rules of their own.
INNER_ROOMS = ("engine.worker",)
PRINTING = {"typer", "rich"}
PRINTERS = {"cli", "progress"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(module: str) -> str:
    """The room of a module, which is given by its name within the package."""
    for inner in INNER_ROOMS:
        if module == inner or module.startswith(f"{inner}."):
            return inner
    return module.partition(".")[0]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> list[str]:
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.append(node.module or "")
    return found


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_go_one_way(path: Path) -> None:
    room = room_of(name_of(path))
    for name in imports(path):
        head, _, rest = name.partition(".")
        if head == "llama_cli":
            other = room_of(rest)
            allowed = {room} | MAY_KNOW.get(room, set())
            allowed |= KNOWN_TO_ALL - ({room} if room in KNOWN_TO_ALL else set())
            assert other in allowed, f"{room} must not know {other}"
        if head in PRINTING:
            assert room in PRINTERS
        if head == "llama_cpp":
            assert room == "engine"


def test_few_modules_are_loose() -> None:
    loose = sorted(path.name for path in PACKAGE.glob("*.py"))
    assert len(loose) <= MOST_LOOSE_MODULES, loose


def test_no_circles() -> None:
    """No module is imported, by way of others, by what it imports itself."""
    graph = {
        name_of(path): {
            name.partition(".")[2]
            for name in imports_when_loaded(path)
            if name.partition(".")[0] == "llama_cli"
        }
        for path in modules()
    }
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join((*above, module))
        if module not in done:
            for other in graph.get(module, ()):
                visit(other, (*above, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def imports_when_loaded(path: Path) -> list[str]:
    """What a module imports, wherever in it: a circle that is closed later is one as well.

    Imports for the type checker alone are left out.
    """
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
    return found
