"""Which file of a repository is chosen, and the memory of what repositories have."""

from __future__ import annotations

import pytest

from llama_cli.errors import ModelError, UsageError
from llama_cli.models.choice import choose_model, list_models, weights_in_name
from llama_cli.models.hub_cache import recall_listing, remember_listing
from llama_cli.storage.download import rough_size
from llama_cli.storage.hub import Listing, RepoFile
from tests.storage.hub_server import COMMIT


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("all-minilm-l6-v2-f16.gguf", "F16"),
        ("nomic-embed-text-v1.5.Q4_K_M.gguf", "Q4_K_M"),
        ("bge_small_fp16.gguf", "F16"),
        ("model-BF16.gguf", "BF16"),
        ("Qwen3-Embedding-0.6B-Q8_0.gguf", "Q8_0"),
        ("BF16/model-00001-of-00002.gguf", "BF16"),
        ("x-UD-IQ2_XXS.gguf", "IQ2_XXS"),
        ("x-MXFP4.gguf", "MXFP4"),
        ("e5-base-v2.gguf", None),
        ("faq8_0.gguf", None),
    ],
)
def test_types_in_names(name: str, weights: str | None) -> None:
    assert weights_in_name(name) == weights


def listing(*names: str, **sizes: int) -> Listing:
    files = [RepoFile(name, sizes.get(name.partition(".")[0], 100), "") for name in sorted(names)]
    return Listing("o/r", COMMIT, tuple(files))


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["x-Q8_0.gguf", "x-F32.gguf", "x-bf16.gguf", "x-f16.gguf"], "x-f16.gguf"),
        (["x-Q8_0.gguf", "x-F32.gguf", "x-bf16.gguf"], "x-bf16.gguf"),
        (["x-Q8_0.gguf", "x-F32.gguf"], "x-Q8_0.gguf"),
        (["x-F32.gguf", "x-Q6_K.gguf"], "x-F32.gguf"),
        (["x.gguf", "mmproj-x-f16.gguf", "x-f16.imatrix.gguf"], "x.gguf"),
        (["a-F16-00002-of-00002.gguf", "a-F16-00001-of-00002.gguf"], "a-F16-00001-of-00002.gguf"),
    ],
)
def test_the_best_for_embedding_is_chosen(names: list[str], chosen: str) -> None:
    assert choose_model(listing(*names), None).name == chosen


def test_of_the_rest_the_larger() -> None:
    files = listing("a-Q4_0.gguf", "b.gguf", "c-Q6_K.gguf", **{"a-Q4_0": 5, "b": 7, "c-Q6_K": 6})
    assert choose_model(files, None).name == "b.gguf"


class TestNamed:
    FILES = listing("x-Q8_0.gguf", "d/y-Q8_0.gguf", "d/z-F16.gguf", "mmproj-F16.gguf")

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ("x-Q8_0.gguf", "x-Q8_0.gguf"),
            ("X-q8_0.GGUF", "x-Q8_0.gguf"),
            ("y-Q8_0.gguf", "d/y-Q8_0.gguf"),
            ("f16", "d/z-F16.gguf"),
            ("mmproj-F16.gguf", "mmproj-F16.gguf"),
        ],
    )
    def test_by_name_or_type(self, wanted: str, found: str) -> None:
        assert choose_model(self.FILES, wanted).name == found

    def test_several_that_fit_are_listed(self) -> None:
        with pytest.raises(UsageError, match="2 files fit q8_0; name one") as caught:
            choose_model(self.FILES, "q8_0")
        assert caught.value.hint == "there are: d/y-Q8_0.gguf, x-Q8_0.gguf"

    @pytest.mark.parametrize(
        ("wanted", "hint"),
        [
            ("x-Q8.gguf", "did you mean x-Q8_0.gguf?"),
            ("F61", "did you mean F16?"),
            ("nonsense", "there are: d/y-Q8_0.gguf, d/z-F16.gguf, x-Q8_0.gguf"),
        ],
    )
    def test_the_nearest_is_suggested(self, wanted: str, hint: str) -> None:
        with pytest.raises(ModelError, match=f"o/r has no file {wanted}") as caught:
            choose_model(self.FILES, wanted)
        assert caught.value.hint == hint

    def test_a_repository_with_many_files_is_not_listed_whole(self) -> None:
        files = listing(*(f"{number:03}.gguf" for number in range(50)))
        with pytest.raises(ModelError) as caught:
            choose_model(files, "nonsense")
        assert (caught.value.hint or "").endswith("011.gguf and 38 more")

    def test_a_part_that_is_missing_is_named(self) -> None:
        files = listing("x-F16-00001-of-00003.gguf", "x-F16-00003-of-00003.gguf")
        with pytest.raises(ModelError, match="x-F16-00002-of-00003.gguf, a part of the model"):
            choose_model(files, None)

    def test_a_repository_without_models_says_where_to_look(self) -> None:
        with pytest.raises(ModelError, match="has no .gguf file of a model") as caught:
            choose_model(listing("mmproj-F16.gguf"), None)
        assert "-GGUF" in (caught.value.hint or "")
        assert list_models(listing()) == []


class TestListing:
    def test_it_is_remembered(self) -> None:
        files = listing("x.gguf", "ü.gguf")
        assert recall_listing("o/r", COMMIT) is None
        remember_listing(files)
        assert recall_listing("o/r", COMMIT) == files

    @pytest.mark.parametrize(
        "text", ["", "{", "3", '[{"name": "../x", "size": 1, "digest": ""}]', "[1]", '[{"a": 1}]']
    )
    def test_a_damaged_memory_is_none(self, text: str) -> None:
        from llama_cli.storage.cache import cache_folder

        folder = cache_folder()
        assert folder is not None
        path = folder / "hub" / "o--r" / f"{COMMIT}.json"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        assert recall_listing("o/r", COMMIT) is None


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999_600, "1 MB"),
        (46_226_496, "46 MB"),
        (2_345_678_901, "2.3 GB"),
    ],
)
def test_sizes_in_words(size: int, words: str) -> None:
    assert rough_size(size) == words
