"""Which file of which commit is used, and whom it takes to know."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants

from llama_cli.errors import ModelError, UsageError
from tests.models.conftest import Resolve
from tests.storage.hub_server import COMMIT, HubServer, describe

REPO = "owner/tiny-GGUF"
CONTENT = b"weights"
LATER = "beefbeef" * 5


def files(*names: str) -> dict[str, bytes]:
    return {name: CONTENT + name.encode() for name in names}


class TestRevision:
    def test_a_branch_is_followed(self, hub: HubServer, resolve: Resolve) -> None:
        hub.add(REPO, files("x-f16.gguf"))
        assert COMMIT in str(resolve(REPO).path)
        hub.add(REPO, {"x-f16.gguf": b"newer"}, commit=LATER)
        assert resolve(REPO).path.read_bytes() == b"newer"
        assert resolve(f"{REPO}@{COMMIT}").path.read_bytes() == CONTENT + b"x-f16.gguf"

    @pytest.mark.parametrize("revision", ["v1.0", "refs/pr/7", COMMIT])
    def test_another_can_be_named(self, hub: HubServer, resolve: Resolve, revision: str) -> None:
        hub.add(REPO, files("x-f16.gguf"))
        origin = resolve(f"{REPO}@{revision}:x-f16.gguf").origin
        assert origin == f"hf:{REPO}@{COMMIT}/x-f16.gguf"

    def test_what_a_footer_says_can_be_given_back(self, hub: HubServer, resolve: Resolve) -> None:
        hub.add(REPO, files("folder/x-f16.gguf", "y-f16.gguf"))
        model = resolve(f"{REPO}:folder/x-f16.gguf")
        assert resolve(model.origin) == model

    def test_one_that_is_not_there_is_said(self, hub: HubServer, resolve: Resolve) -> None:
        hub.add(REPO, files("x-f16.gguf"))
        with pytest.raises(ModelError, match="has no revision nightly"):
            resolve(f"{REPO}@nightly")


class TestWithoutTheHub:
    """``down`` makes the Hub unreachable in one of several ways."""

    @pytest.fixture(params=["offline", "refused", "error"])
    def down(
        self, hub: HubServer, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[[], None]:
        def call() -> None:
            if request.param == "offline":
                monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
            elif request.param == "refused":
                monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
            else:
                hub.repos[REPO].refuse = (503, {})

        return call

    @pytest.mark.parametrize("named", ["", ":x-q8_0.gguf", ":Q8_0", "@main", f"@{COMMIT}"])
    def test_what_is_cached_is_used(
        self, hub: HubServer, resolve: Resolve, down: Callable[[], None], named: str
    ) -> None:
        hub.add(REPO, files("x-q8_0.gguf", "x-q4_0.gguf"))
        model = resolve(REPO + named)
        hub.requests.clear()
        down()
        assert resolve(REPO + named) == model
        assert len(hub.requests) <= 1

    def test_only_the_choice_of_all_files_is_used(
        self, hub: HubServer, resolve: Resolve, down: Callable[[], None]
    ) -> None:
        hub.add(REPO, files("x-f16.gguf", "x-q8_0.gguf"))
        resolve(f"{REPO}:Q8_0")
        down()
        with pytest.raises(ModelError) as caught:
            resolve(REPO, pauses=())
        if "HF_HUB_OFFLINE" in str(caught.value):
            assert caught.value.hint == f"in the cache of that repository: {REPO}:x-q8_0.gguf"

    def test_it_is_said(
        self, hub: HubServer, resolve: Resolve, caplog: pytest.LogCaptureFixture
    ) -> None:
        hub.add(REPO, files("x-f16.gguf"))
        resolve(REPO)
        hub.repos[REPO].refuse = (500, {})
        with caplog.at_level(logging.INFO, "llama_cli"):
            resolve(REPO)
        assert f"{REPO}: HTTP 500 Internal Server Error; using the copy in the cache" in caplog.text

    def test_a_commit_is_never_asked_for_again(self, hub: HubServer, resolve: Resolve) -> None:
        hub.add(REPO, files("x-f16.gguf", "x-q8_0.gguf"))
        resolve(REPO)
        hub.requests.clear()
        resolve(f"{REPO}@{COMMIT}")
        resolve(f"{REPO}@{COMMIT}:x-f16.gguf")
        assert hub.requests == []

    def test_offline_nothing_is_asked(
        self, hub: HubServer, resolve: Resolve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(ModelError, match="is not in the cache, and HF_HUB_OFFLINE forbids"):
            resolve(REPO)
        assert hub.requests == []

    def test_a_refusal_is_no_outage(self, hub: HubServer, resolve: Resolve) -> None:
        hub.add(REPO, files("x-f16.gguf"))
        resolve(REPO)
        hub.repos[REPO].refuse = (403, {"X-Error-Code": "GatedRepo"})
        with pytest.raises(ModelError, match="is gated") as caught:
            resolve(REPO)
        assert "HF_HUB_OFFLINE=1 uses the copy in the cache" in (caught.value.hint or "")


class TestDamage:
    def test_a_damaged_copy_is_downloaded_again(
        self, hub: HubServer, resolve: Resolve, caplog: pytest.LogCaptureFixture
    ) -> None:
        hub.add(REPO, files("x-f16.gguf"))
        path = resolve(REPO).path
        path.write_bytes(b"damaged!")
        assert resolve(f"{REPO}@{COMMIT}").path.read_bytes() == CONTENT + b"x-f16.gguf"
        assert f"{path} is damaged, and is removed from the cache" in caplog.text

    def test_offline_it_is_not_used(
        self, hub: HubServer, resolve: Resolve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hub.add(REPO, files("x-f16.gguf"))
        path = resolve(REPO).path
        path.write_bytes(b"damaged!")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(ModelError, match="is not in the cache"):
            resolve(REPO)
        assert not path.exists()


class TestChoice:
    def test_it_is_stated(
        self, hub: HubServer, resolve: Resolve, caplog: pytest.LogCaptureFixture
    ) -> None:
        hub.add(REPO, files("x-q4_0.gguf", "x-f16.gguf", "mmproj-f16.gguf", "y.imatrix.gguf"))
        with caplog.at_level(logging.INFO, "llama_cli"):
            resolve(REPO)
        assert (
            f"{REPO}: using x-f16.gguf (F16, 17 B), one of 2; name another with {REPO}:FILE"
            in caplog.messages
        )

    def test_filename_chooses_as_well(self, hub: HubServer, resolve: Resolve) -> None:
        hub.add(REPO, files("x-q4_0.gguf", "x-f16.gguf"))
        assert resolve(REPO, "x-q4_0.gguf") == resolve(f"{REPO}:Q4_0")
        with pytest.raises(UsageError, match="names the file Q4_0 already"):
            resolve(f"{REPO}:Q4_0", "x-f16.gguf")

    @pytest.mark.parametrize("name", ["Ünï cödé-f16.gguf", "a/b (1)/x#?%41-f16.gguf", "模型.gguf"])
    def test_odd_names_work(self, hub: HubServer, resolve: Resolve, name: str) -> None:
        repo = hub.add(REPO, files(name))
        assert describe(repo, name)["rfilename"] == name
        model = resolve(f"{REPO}:{name}")
        assert model.path.read_bytes() == CONTENT + name.encode()
        assert str(model.path).endswith(name)


class TestLocalFirst:
    def test_a_path_that_exists_is_a_path(
        self, hub: HubServer, resolve: Resolve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hub.add("owner/model", files("x-f16.gguf"))
        (tmp_path / "owner" / "model").mkdir(parents=True)
        (tmp_path / "owner" / "model" / "local.gguf").write_bytes(b"x")
        monkeypatch.chdir(tmp_path)
        assert resolve("owner/model").path == Path("owner/model/local.gguf")
        assert resolve("hf:owner/model").origin

    def test_a_name_that_is_neither_says_so(self, hub: HubServer, resolve: Resolve) -> None:
        with pytest.raises(ModelError) as caught:
            resolve("models/foo")
        assert str(caught.value) == (
            "models/foo: is not on the Hub (HTTP 404), "
            "and there is no such local file as models/foo"
        )
        with pytest.raises(ModelError) as caught:
            resolve("hf:models/foo")
        assert str(caught.value) == "models/foo: is not on the Hub (HTTP 404)"

    @pytest.mark.parametrize("path", ["./a/b", "/a/b", "~/a", "a/b/c", "x.gguf", "a/x.gguf", "a"])
    def test_what_looks_like_a_path_asks_nobody(
        self, hub: HubServer, resolve: Resolve, path: str
    ) -> None:
        with pytest.raises(ModelError, match="no such model file"):
            resolve(path)
        assert hub.requests == []
