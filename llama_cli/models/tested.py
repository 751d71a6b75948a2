"""Which models this project's tests cover, and how."""

from __future__ import annotations

from llama_cli.models.builtin.file import DEFAULT_SHA256

# Architectures of which tests load tiny models with random weights: that tokens are framed, cut
# and pooled as they should be is checked there, and nothing about any real model's vectors.
_TINY = frozenset(
    ["bert", "jina-bert-v2", "llama", "qwen2", "qwen3", "gemma-embedding", "t5encoder"]
)


def describe_tests(sha256: str, architecture: str) -> str:
    """How far a model is tested."""
    if sha256 == DEFAULT_SHA256:
        return "yes: its vectors are checked against those of sentence-transformers"
    if architecture in _TINY:
        return f"in part: tests cover the architecture {architecture} on tiny models, not this one"
    return f"no: no test covers the architecture {architecture}"
