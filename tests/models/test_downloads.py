"""Downloads: whole, resumed, checked, and from servers that fail or lie."""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path

import pytest

from llama_cli.errors import ModelError
from llama_cli.models.builtin.file import DEFAULT_MODEL
from llama_cli.storage.download import rough_size
from tests.models.conftest import Resolve
from tests.storage.hub_server import COMMIT, HubServer, digest_of

REPO = "owner/tiny-GGUF"
CONTENT = bytes(range(256)) * 1000


def partials(cache: Path) -> list[Path]:
    return list(cache.rglob("*.incomplete"))


def cached_files(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.rglob("*.gguf"))


def test_a_file_is_downloaded_checked_and_put_into_the_hubs_own_cache(
    hub: HubServer, cache: Path, resolve: Resolve
) -> None:
    repo = hub.add(REPO, {"tiny-f16.gguf": CONTENT, "README.md": b"x"})
    model = resolve(REPO)

    folder = cache / "models--owner--tiny-GGUF"
    assert model.path == folder / "snapshots" / COMMIT / "tiny-f16.gguf"
    assert model.path.read_bytes() == CONTENT
    assert model.path.resolve().name == digest_of(repo, "tiny-f16.gguf") == model.sha256()
    assert (folder / "refs" / "main").read_text() == COMMIT
    assert model.origin == f"hf:{REPO}@{COMMIT}/tiny-f16.gguf"
    assert partials(cache) == []


def test_other_programs_find_it_there(hub: HubServer, cache: Path, resolve: Resolve) -> None:
    from huggingface_hub import hf_hub_download, scan_cache_dir

    hub.add(REPO, {"tiny-f16.gguf": CONTENT})
    model = resolve(REPO)
    assert hf_hub_download(REPO, "tiny-f16.gguf", cache_dir=cache, local_files_only=True) == str(
        model.path
    )
    (found,) = scan_cache_dir(cache).repos
    assert found.repo_id == REPO
    assert found.size_on_disk == len(CONTENT)


def test_one_that_they_downloaded_is_not_downloaded_again(
    hub: HubServer, cache: Path, resolve: Resolve
) -> None:
    from huggingface_hub import hf_hub_download

    hub.add(REPO, {"tiny-f16.gguf": CONTENT})
    path = hf_hub_download(REPO, "tiny-f16.gguf", cache_dir=cache)
    hub.requests.clear()
    assert resolve(REPO).path == Path(path)
    assert hub.asked("/resolve/") == []


def test_a_file_outside_of_large_file_storage_is_checked_as_git_does(
    hub: HubServer, resolve: Resolve
) -> None:
    hub.add(REPO, {"tiny.gguf": CONTENT}, in_git={"tiny.gguf"})
    assert resolve(REPO).path.read_bytes() == CONTENT
    hub.add("owner/liar", {"tiny.gguf": CONTENT}, in_git={"tiny.gguf"})
    hub.repos["owner/liar"].content = {"tiny.gguf": CONTENT[:-1] + b"?"}
    with pytest.raises(ModelError, match="is not the file that the Hub describes"):
        resolve("owner/liar")


def test_a_mirror_that_lists_names_alone_is_asked_for_the_rest(
    hub: HubServer, resolve: Resolve
) -> None:
    hub.add(REPO, {"tiny-f16.gguf": CONTENT}, lists_details=False)
    assert resolve(REPO).path.read_bytes() == CONTENT
    assert hub.asked("/resolve/")[0].method == "HEAD"


def leave_incomplete(cache: Path, digest: str, data: bytes) -> None:
    """What a download that was interrupted has left in the Hub's cache."""
    blobs = cache / "models--owner--tiny-GGUF" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{digest}.incomplete").write_bytes(data)


class TestResuming:
    def test_a_dropped_connection_resumes_where_it_ended(
        self, hub: HubServer, resolve: Resolve
    ) -> None:
        hub.add(REPO, {"tiny-f16.gguf": CONTENT}, drop_after=[100_000, 50_000])
        assert resolve(REPO).path.read_bytes() == CONTENT
        asked = [r.headers.get("range") for r in hub.asked("/resolve/") if r.host == "storage"]
        assert asked == [None, "bytes=100000-", "bytes=150000-"]

    def test_the_next_run_resumes_as_well(
        self, hub: HubServer, cache: Path, resolve: Resolve
    ) -> None:
        hub.add(REPO, {"tiny-f16.gguf": CONTENT}, drop_after=[100_000])
        with pytest.raises(ModelError, match="the connection ended early; tried 1 times"):
            resolve(REPO, pauses=())
        (partial,) = partials(cache)
        assert partial.stat().st_size == 100_000
        assert cached_files(cache) == []

        progress: list[tuple[int, int]] = []
        model = resolve(REPO, on_progress=lambda *seen: progress.append(seen))
        assert model.path.read_bytes() == CONTENT
        assert hub.requests[-1].headers["range"] == "bytes=100000-"
        assert progress[0][0] > 100_000
        assert progress[-1] == (len(CONTENT), len(CONTENT))

    def test_a_server_without_ranges_starts_over(self, hub: HubServer, resolve: Resolve) -> None:
        hub.add(REPO, {"tiny-f16.gguf": CONTENT}, drop_after=[100_000], ignores_ranges=True)
        assert resolve(REPO).path.read_bytes() == CONTENT

    def test_more_than_the_file_is_not_resumed(
        self, hub: HubServer, cache: Path, resolve: Resolve
    ) -> None:
        repo = hub.add(REPO, {"tiny-f16.gguf": CONTENT})
        leave_incomplete(cache, digest_of(repo, "tiny-f16.gguf"), CONTENT + b"more")
        assert resolve(REPO).path.read_bytes() == CONTENT

    def test_a_damaged_beginning_is_noticed(
        self, hub: HubServer, cache: Path, resolve: Resolve
    ) -> None:
        repo = hub.add(REPO, {"tiny-f16.gguf": CONTENT})
        leave_incomplete(cache, digest_of(repo, "tiny-f16.gguf"), b"?" * 1000)
        with pytest.raises(ModelError, match="it was deleted"):
            resolve(REPO)
        assert resolve(REPO).path.read_bytes() == CONTENT


class TestLies:
    def test_other_content_is_refused_and_not_kept(
        self, hub: HubServer, cache: Path, resolve: Resolve
    ) -> None:
        hub.add(REPO, {"tiny-f16.gguf": CONTENT}, content={"tiny-f16.gguf": CONTENT[::-1]})
        with pytest.raises(ModelError, match="is not the file that the Hub describes") as caught:
            resolve(REPO)
        assert caught.value.exit_code == 3
        assert partials(cache) == []
        assert cached_files(cache) == []
        assert list(cache.rglob("blobs/*")) == []

    def test_a_login_page_is_refused_at_once(
        self, hub: HubServer, cache: Path, resolve: Resolve
    ) -> None:
        page = b"<html>Please log in</html>"
        hub.add(REPO, {"tiny-f16.gguf": CONTENT}, content={"tiny-f16.gguf": page})
        hub.repos[REPO].kind = "text/html; charset=utf-8"
        with pytest.raises(ModelError, match="a web page instead of the file"):
            resolve(REPO)
        assert len(hub.asked("/resolve/")) == 2  # the Hub and its storage, once each
        assert cached_files(cache) == []

    @pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x"])
    def test_another_size_is_refused_at_once(
        self, hub: HubServer, resolve: Resolve, content: bytes
    ) -> None:
        hub.add(REPO, {"tiny-f16.gguf": CONTENT}, content={"tiny-f16.gguf": content})
        with pytest.raises(ModelError, match="and the Hub lists 256 kB"):
            resolve(REPO)
        assert len(hub.asked("/resolve/")) == 2

    @pytest.mark.parametrize(
        "name", ["../../x-f16.gguf", "/x-f16.gguf", "a/../x.gguf", "a//x.gguf", "..\\x.gguf"]
    )
    def test_a_name_outside_of_the_cache_is_refused(
        self, hub: HubServer, cache: Path, resolve: Resolve, name: str
    ) -> None:
        hub.add(REPO, {name: CONTENT})
        with pytest.raises(ModelError, match="lists a file with the name"):
            resolve(REPO)
        assert list(cache.rglob("*")) == []

    def test_a_commit_that_is_none_is_refused(self, hub: HubServer, resolve: Resolve) -> None:
        hub.add(REPO, {"tiny-f16.gguf": CONTENT}, commit="../../../main")
        with pytest.raises(ModelError, match="names no commit"):
            resolve(REPO)


class TestToken:
    def test_it_goes_to_the_hub_and_not_to_its_storage(
        self, hub: HubServer, resolve: Resolve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        hub.add(REPO, {"tiny-f16.gguf": CONTENT})
        resolve(REPO)
        sent = {request.host: request.headers.get("authorization") for request in hub.requests}
        assert sent == {"hub": "Bearer hf_secret", "storage": None}

    def test_one_that_was_stored_is_used(
        self, hub: HubServer, cache: Path, resolve: Resolve
    ) -> None:
        (cache.parent / "token").parent.mkdir(parents=True)
        (cache.parent / "token").write_text("hf_stored")
        hub.add(REPO, {"tiny-f16.gguf": CONTENT})
        resolve(REPO)
        assert hub.requests[0].headers["authorization"] == "Bearer hf_stored"


def pull(repo: str, paths: multiprocessing.Queue[str]) -> None:
    from llama_cli.models.resolve import resolve_model

    paths.put(str(resolve_model(repo, None).path))


def test_two_processes_download_a_file_once(hub: HubServer, cache: Path) -> None:
    hub.add(REPO, {"tiny-f16.gguf": CONTENT}, pause=0.1)
    apart = multiprocessing.get_context("spawn")
    paths: multiprocessing.Queue[str] = apart.Queue()
    both = [apart.Process(target=pull, args=(REPO, paths)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(30)
        assert process.exitcode == 0
    assert paths.get() == paths.get()
    assert len([r for r in hub.requests if r.host == "storage"]) == 1
    assert cached_files(cache) == ["tiny-f16.gguf"]


class TestRoom:
    def test_too_little_is_said_before_anything_is_asked(
        self, hub: HubServer, resolve: Resolve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        usage = shutil.disk_usage("/")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10_000))
        hub.add(REPO, {"tiny-f16.gguf": CONTENT})
        with pytest.raises(ModelError, match="256 kB are to be downloaded, and 10 kB are free"):
            resolve(REPO)
        assert hub.asked("/resolve/") == []

    def test_a_cache_that_cannot_be_written_is_one_line(
        self, hub: HubServer, cache: Path, resolve: Resolve
    ) -> None:
        cache.parent.mkdir(parents=True)
        cache.write_text("a file")
        hub.add(REPO, {"tiny-f16.gguf": CONTENT})
        with pytest.raises(ModelError, match="Not a directory") as caught:
            resolve(REPO)
        assert "HF_HOME" in (caught.value.hint or "")


def test_slow_servers_are_followed(hub: HubServer, resolve: Resolve) -> None:
    hub.add(REPO, {"model-f16.gguf": CONTENT}, pause=0.05)
    progress: list[tuple[int, int]] = []
    resolve(REPO, on_progress=lambda *seen: progress.append(seen))
    assert len(progress) >= 3
    assert progress == sorted(progress)


def test_a_real_model_comes_through_whole(hub: HubServer, resolve: Resolve) -> None:
    hub.add("sentence-transformers/MiniLM", {"mini.gguf": DEFAULT_MODEL.read_bytes()})
    model = resolve("sentence-transformers/MiniLM")
    assert model.path.stat().st_size == DEFAULT_MODEL.stat().st_size
    assert rough_size(model.path.stat().st_size) == "46 MB"
