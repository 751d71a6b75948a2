"""What a Hub that refuses or fails leads to: at once, or after some tries."""

from __future__ import annotations

import logging

import pytest
from huggingface_hub import constants

from llama_cli.errors import ModelError
from llama_cli.storage import retry
from tests.models.conftest import Resolve
from tests.storage.http_server import Headers, send
from tests.storage.hub_server import HubServer

REPO = "owner/tiny-GGUF"
FILES = {"x-f16.gguf": b"weights"}
GATED = {"X-Error-Code": "GatedRepo"}
EXPIRED = {"X-Error-Message": "Invalid credentials in Authorization header"}


@pytest.mark.parametrize(
    ("status", "headers", "words", "hint"),
    [
        (401, {}, "is not on the Hub, or not for everybody (HTTP 401)", "set HF_TOKEN"),
        (401, EXPIRED, "is not on the Hub, or not for everybody (HTTP 401)", "valid token"),
        (401, GATED, "is gated", "accept them at"),
        (403, GATED, "is gated", "/owner/tiny-GGUF and set HF_TOKEN"),
        (403, {}, "the Hub refuses: HTTP 403 Forbidden", "check HF_TOKEN"),
        (404, {}, "is not on the Hub (HTTP 404)", "check the name"),
        (400, {}, "the Hub refuses: HTTP 400 Bad Request", None),
        (451, {}, "the Hub refuses: HTTP 451", None),
    ],
)
def test_refusals_end_it_at_once(
    hub: HubServer, resolve: Resolve, status: int, headers: Headers, words: str, hint: str | None
) -> None:
    hub.add(REPO, FILES, refuse=(status, headers))
    with pytest.raises(ModelError) as caught:
        resolve(REPO)
    assert words in str(caught.value)
    assert (hint or "") in (caught.value.hint or "")
    assert "\n" not in str(caught.value)
    assert len(hub.requests) == 1


def test_a_refusal_of_the_file_alone_says_as_much(hub: HubServer, resolve: Resolve) -> None:
    hub.add(REPO, FILES, fail_files=[(403, dict(GATED))])
    with pytest.raises(ModelError, match="is gated") as caught:
        resolve(REPO)
    assert "set HF_TOKEN" in (caught.value.hint or "")
    assert len([r for r in hub.asked("/resolve/") if r.host == "storage"]) == 1


@pytest.mark.parametrize("status", [0, 408, 429, 500, 502, 503, 504])
def test_failures_are_tried_again(hub: HubServer, resolve: Resolve, status: int) -> None:
    hub.add(REPO, FILES, fail=[(status, {})] * 2, fail_files=[(status, {})] * 2)
    assert resolve(REPO).path.read_bytes() == b"weights"
    assert len(hub.asked("/api/")) == 3
    assert len([r for r in hub.asked("/resolve/") if r.host == "storage"]) == 3


@pytest.mark.parametrize("status", [0, 503])
def test_not_for_ever(hub: HubServer, resolve: Resolve, status: int) -> None:
    hub.add(REPO, FILES, refuse=(status, {}))
    with pytest.raises(ModelError, match="; tried 5 times"):
        resolve(REPO)
    assert len(hub.requests) == 5


def test_a_hub_that_does_not_answer_is_tried_again(
    hub: HubServer, resolve: Resolve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.2)
    hub.add(REPO, FILES, delay=0.6)
    with pytest.raises(ModelError, match="no answer from the Hub in time; tried 2 times"):
        resolve(REPO, pauses=(0,))


def test_pauses_grow_and_heed_the_server(
    hub: HubServer,
    resolve: Resolve,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", slept.append)
    hub.add(REPO, FILES, fail=[(503, {}), (429, {"Retry-After": "30"}), (0, {}), (502, {})])
    with caplog.at_level(logging.INFO, "llama_cli"):
        resolve(REPO, pauses=(1, 2, 4, 8))
    assert slept == [1, 30, 4, 8]
    assert f"{REPO}: HTTP 429 Too Many Requests; trying again in 30 s" in caplog.messages


@pytest.mark.parametrize("body", [b"<html>log in</html>", b"[]", b"{}", b'{"siblings": 3}', b""])
def test_what_is_no_hub_is_said(
    hub: HubServer, resolve: Resolve, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    hub.add(REPO, FILES)
    monkeypatch.setattr(HubServer, "_api", lambda _, handler, *__: send(handler, 200, body))
    with pytest.raises(ModelError, match="does not answer as the Hugging Face Hub|no commit"):
        resolve(REPO)


@pytest.mark.parametrize("body", ["[]", "3", '{"errors": [1]}', "<html></html>", "{"])
def test_what_it_says_may_be_anything(hub: HubServer, resolve: Resolve, body: str) -> None:
    hub.add(REPO, FILES, fail_files=[(503, {"body": body})])
    assert resolve(REPO).path.read_bytes() == b"weights"


def test_a_name_that_cannot_be_asked_for_may_be_a_path(
    hub: HubServer, resolve: Resolve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="tried 2 times, and there is no such local file as a/b"):
        resolve("a/b", pauses=(0,))


def test_a_server_that_says_much_gets_one_line(hub: HubServer, resolve: Resolve) -> None:
    hub.add(REPO, FILES, refuse=(403, {"X-Error-Message": "no " * 1000}))
    with pytest.raises(ModelError) as caught:
        resolve(REPO)
    assert len(str(caught.value)) < 300
