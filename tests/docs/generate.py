"""What the documents take from the code: ``make docs`` writes it, and a test compares it.

In a Markdown file it stands between two lines, where NAME is one of `PARTS`:

    <!-- generated: NAME -->
    <!-- end -->
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import typer
from typer.core import TyperGroup, TyperOption

from llama_cli.cli.app import app
from llama_cli.engine.known_models import KNOWN_MODELS
from llama_cli.inputs.formats import FORMATS
from llama_cli.inputs.stream import COMPRESSIONS
from tests.engine.kernels.test_models import MODELS, NOT_IN_TRANSFORMERS
from tests.engine.real.weights import REAL_MODELS
from tests.tiny_models.more import MORE_ARCHITECTURES

ROOT = Path(__file__).parents[2]
# At this width, whatever the terminal; nothing is complained of that is missing.
_SETTINGS = {"terminal_width": 80, "resilient_parsing": True}
_PART = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def documents() -> list[Path]:
    """All that may have generated parts."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def generate(text: str) -> str:
    """A document with its generated parts as they should be."""
    return _PART.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n\n{found[3]}", text)


def commands() -> list[typer.Context]:
    """Every command there is, as it would be asked for its help."""
    return list(_below(typer.main.get_command(app).make_context("llama-cli", [], **_SETTINGS)))


def _below(context: typer.Context) -> Iterator[typer.Context]:
    yield context
    command = context.command
    if isinstance(command, TyperGroup):
        for name in command.list_commands(context):
            below = command.commands[name]
            if not below.hidden:
                yield from _below(below.make_context(name, [], parent=context, **_SETTINGS))


def _reference() -> str:
    """The help of every command."""
    parts = [
        f"## {context.command_path}\n\n```text\n{context.get_help()}\n```" for context in commands()
    ]
    return "\n\n".join(parts)


def _variables() -> str:
    """The variable of every option that has one."""
    rows = [
        f"| `{option.envvar}` | `{option.opts[-1]}` |"
        for context in commands()
        for option in context.command.params
        if isinstance(option, TyperOption) and option.envvar
    ]
    return "\n".join(["| variable | option |", "|---|---|", *rows])


def _formats() -> str:
    """The formats of inputs, from the table that the command itself goes by."""
    rows = [
        f"| {' '.join(f'`{suffix}`' for suffix in kind.suffixes)} | `{kind.name}` | "
        f"{kind.documented_rows} | {kind.documented_columns or 'none'} | "
        f"{'yes' if kind.streamed else 'no'} |"
        for kind in FORMATS
    ]
    compressed = ", ".join(f"{kind.name} (`{kind.suffix}`)" for kind in COMPRESSIONS)
    head = "| suffix | `--format` | one text is in | columns | compressed, piped |"
    return "\n".join([head, "|---|---|---|---|---|", *rows, "", f"Compressed: {compressed}."])


def _known_models() -> str:
    """The table of known models, with their sources."""
    options = [f"`--{name}`" for name in ("task document", "task query", "dims", "max-length")]
    names = ("model", *options, "sources")
    head = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    rows = [
        f"| {model.name} | {_code(model.document)} | {_code(model.query)} | "
        f"{model.matryoshka or ''} | {model.max_length or ''} | {_links(model.sources)} |"
        for model in KNOWN_MODELS
    ]
    return "\n".join([*head, *rows])


def _architectures() -> str:
    """How each architecture is tested, by what the tests go through."""
    real = ", ".join(["all-MiniLM-L6-v2", *(model.name for model in REAL_MODELS.values())])
    how = {"bert": f"real weights ({real}) against the originals"}
    kernels = "random weights: our kernels against llama.cpp's"
    for name in MODELS | MORE_ARCHITECTURES:
        if " " not in name:
            alone = name in NOT_IN_TRANSFORMERS
            how.setdefault(name, kernels if alone else f"{kernels}, and both against transformers")
    rows = [f"| {' '.join(f'`{name}`' for name in names)} | {words} |" for words, names in _by(how)]
    return "\n".join(["| architecture | tested with |", "|---|---|", *rows, "| others | never |"])


def _by(values: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """The keys of each value, in order."""
    found: dict[str, list[str]] = {}
    for key, value in values.items():
        found.setdefault(value, []).append(key)
    return [*found.items()]


def _code(prompt: str) -> str:
    """A prompt as it stands in a table."""
    escaped = prompt.replace("\n", "\\n").replace("|", "\\|")
    return f"`{escaped}`" if prompt else "none"


def _links(urls: Iterable[str]) -> str:
    return ", ".join(f"[{number}]({url})" for number, url in enumerate(urls, start=1))


PARTS: dict[str, Callable[[], str]] = {
    "commands": _reference,
    "formats": _formats,
    "known-models": _known_models,
    "architectures": _architectures,
    "variables": _variables,
}


def main() -> int:
    """Write them; returns the exit code."""
    for path in documents():
        before = path.read_text("utf-8")
        after = generate(before)
        if after != before:
            path.write_text(after, "utf-8")
            print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
