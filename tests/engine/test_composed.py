"""Characters are composed (NFC) for the models whose own tokenizers do that, and for no others."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from gguf import GGUFReader
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Original

from llama_cli.engine.model import Model
from llama_cli.engine.tokenizer import Tokenizer
from tests.conftest import CPU, embed_all, open_embedder
from tests.tiny_models import write_bpe

DECOMPOSED = unicodedata.normalize("NFD", "été ở đây, 한국어, Ångström")


def original(path: Path) -> Original:
    """A tokenizer with the same vocabulary, as the library of the models' authors has it."""
    fields = GGUFReader(path).fields
    pieces = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"].contents()]
    made = Original(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges))
    made.normalizer = normalizers.NFC()
    digits = pre_tokenizers.Split(Regex(r"\p{N}"), "isolated")
    bytes_of = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([digits, bytes_of])
    return made


# Letters and marks that compose, some that only look so, and whatever else this Python knows of.
LETTERS = st.sampled_from([*DECOMPOSED, *"\u0344\u0958\u212b\u1100\u1161\u11a8\ufb1d\U0001d15e"])
KNOWN = st.characters(exclude_categories=("Cs", "Cn", "Co"))


def test_tokens_are_those_of_the_original(tmp_path: Path) -> None:
    path = write_bpe(tmp_path / "x.gguf", pre="qwen2")
    theirs = original(path)
    with Model(path, CPU) as model:
        ours = Tokenizer(model, max_length=64)

        @settings(max_examples=500, deadline=None)
        @given(text=st.text(LETTERS | KNOWN, max_size=12))
        def check(text: str) -> None:
            ids = ours.tokenize(text.encode()).ids[1:-1].tolist()
            assert ids == theirs.encode(text).ids

        check()


@pytest.mark.parametrize(("pre", "composes"), [("qwen2", True), ("llama-bpe", False)])
def test_the_text_stays_the_users(tmp_path: Path, pre: str, composes: bool) -> None:
    path = write_bpe(tmp_path / "x.gguf", pre=pre)
    composed = unicodedata.normalize("NFC", DECOMPOSED)
    with open_embedder(path) as embedder:
        got = embed_all(embedder, [DECOMPOSED, composed])
    assert (got.lengths[0] == got.lengths[1]) == composes
