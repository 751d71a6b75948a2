"""The lines that are embedded: short ones, long ones, and ones that fill the model's context.

The short ones are definitions from WordNet (tests/reference); the others are docstrings of Python's
standard library, as it is installed here.
"""

from __future__ import annotations

import ast
import random
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from llama_cli.engine.devices import Placement
from llama_cli.engine.model import Model
from llama_cli.engine.tokenizer import Tokenizer
from llama_cli.models.builtin.file import DEFAULT_MODEL

REFERENCE = Path(__file__).parent.parent / "reference"
CONTEXT = 512
LONG_TOKENS = range(70, 200)
FULL_TOKENS = range(480, CONTEXT + 1)


def write_corpora(folder: Path) -> dict[str, Path]:
    """Text files by name, each line another text that fits the context."""
    docstrings = list(_docstrings())
    random.Random(0).shuffle(docstrings)
    with Model(DEFAULT_MODEL, Placement((), 0)) as model:
        tokenizer = Tokenizer(model, CONTEXT)
        lines = {
            "short": (REFERENCE / "english.txt").read_text("utf-8").splitlines(),
            "long": list(_of_length(docstrings, tokenizer, LONG_TOKENS))[:250],
            "full": list(_of_length(_joined(docstrings), tokenizer, FULL_TOKENS))[:50],
        }
    paths = {}
    for name, texts in lines.items():
        paths[name] = folder / f"{name}.txt"
        paths[name].write_text("\n".join(texts) + "\n", "utf-8")
    return paths


def count_tokens(path: Path) -> tuple[int, int]:
    """Lines of a file, and tokens in all."""
    texts = path.read_bytes().removesuffix(b"\n").split(b"\n")
    with Model(DEFAULT_MODEL, Placement((), 0)) as model:
        tokenizer = Tokenizer(model, CONTEXT)
        return len(texts), sum(len(tokenizer.tokenize(text).ids) for text in texts)


def _docstrings() -> Iterator[str]:
    seen = set()
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if "site-packages" in path.parts or "test" in str(path):
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = " ".join((ast.get_docstring(node) or "").split())
                if text.isascii() and len(text) > 80 and text not in seen:
                    seen.add(text)
                    yield text


def _joined(texts: list[str]) -> Iterator[str]:
    """Texts of about 300 to 400 words, made of shorter ones."""
    words: list[str] = []
    for text in texts:
        words += text.split()
        if len(words) > 300:
            yield " ".join(words[:400])
            words = []


def _of_length(
    texts: Iterator[str] | list[str], tokenizer: Tokenizer, wanted: range
) -> Iterator[str]:
    """Texts shortened, by whole words, until they have a wanted number of tokens."""
    for text in texts:
        words = text.split()
        while words:
            tokens = tokenizer.tokenize(" ".join(words).encode())
            if not tokens.truncated and len(tokens.ids) in wanted:
                yield " ".join(words)
            if not tokens.truncated and len(tokens.ids) < wanted.stop:
                break
            words = words[: -max(1, len(words) // 50)]
