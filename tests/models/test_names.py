"""Names of models on the Hub."""

from __future__ import annotations

import pytest

from llama_cli.errors import UsageError
from llama_cli.models.names import HubName, parse_hub_name

COMMIT = "c0ffee00" * 5


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("owner/repo", HubName("owner/repo")),
        ("hf:owner/repo", HubName("owner/repo", forced=True)),
        ("owner/repo:Q8_0", HubName("owner/repo", file="Q8_0")),
        ("owner/repo:a/b c-ü:1.gguf", HubName("owner/repo", file="a/b c-ü:1.gguf")),
        ("o-1/r.e_p-2@v1.0:x.gguf", HubName("o-1/r.e_p-2", "v1.0", "x.gguf")),
        ("owner/repo@refs/pr/3", HubName("owner/repo", "refs/pr/3")),
        (f"owner/repo@{COMMIT}/a/x.gguf", HubName("owner/repo", COMMIT, "a/x.gguf")),
        ("hf:owner/repo.gguf", HubName("owner/repo.gguf", forced=True)),
    ],
)
def test_names(text: str, name: HubName) -> None:
    assert parse_hub_name(text) == name
    assert parse_hub_name(f"hf:{name}") == HubName(name.repo, name.revision, name.file, True)


@pytest.mark.parametrize(
    "text",
    [
        *("repo", "a/b/c", "/a/b", "./a", "../a", "~/a", "a/", "/a", "a/b.gguf", "a/b:", "a b/c"),
        *("a/..", "a/b..c", "a/b--c", "a/-b", "a/b@", "a/b@../x", "a/b@x//y", "a/b@\n", "ä/b", ""),
    ],
)
def test_what_is_no_name(text: str) -> None:
    assert parse_hub_name(text) is None
    if text != "a/b.gguf":
        with pytest.raises(UsageError, match="is not the name of a model"):
            parse_hub_name(f"hf:{text}")
