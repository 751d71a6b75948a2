"""Web servers that refuse, stumble, or say something else than before."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llama_cli.errors import InputError, InputReadError
from llama_cli.inputs.resolve import find_inputs
from tests.cli.conftest import Command
from tests.inputs.reading import read_all
from tests.storage.web_server import WebServer

LINES = b"".join(b"%d %s\n" % (number, b"time " * 2000) for number in range(500))
TABLE = io.BytesIO()
pq.write_table(pa.table({"text": ["one", "two"]}), TABLE)


def texts_at(url: str) -> bytes:
    records, _ = read_all(*find_inputs([url]))
    return b"".join(record.text + b"\n" for record in records)


@pytest.mark.usefixtures("short_pauses")
class TestWhatPasses:
    @pytest.mark.parametrize("has_ranges", [True, False])
    def test_broken_connections(self, web: WebServer, has_ranges: bool) -> None:
        # Two are for looking at it; the others break in the middle of what is read.
        drops = [1 << 20, 70_000, 1, 300_000, 700_001, 0, 2_000_000]
        web.add("/in.txt", LINES, has_ranges=has_ranges, drop_after=drops)
        assert texts_at(f"{web.url}/in.txt") == LINES
        assert web.pages["/in.txt"].drop_after == []

    def test_errors_of_the_server(self, web: WebServer) -> None:
        web.add("/in.txt", LINES, refuse=[500, 503, 200, 429, 200, 408, 502, 500, 504, 200])
        assert texts_at(f"{web.url}/in.txt") == LINES

    def test_a_redirect(self, web: WebServer) -> None:
        web.add("/in.txt", LINES)
        web.add("/moved", b"", redirect=f"{web.url}/in.txt?signature=SECRET")
        (found,) = find_inputs([f"{web.url}/moved"])
        assert found.name == f"{web.url}/moved"
        assert texts_at(f"{web.url}/moved") == LINES

    def test_content_that_is_sent_compressed(self, web: WebServer) -> None:
        compressed = gzip.compress(LINES)
        web.add("/in.txt", compressed, headers={"Content-Encoding": "gzip"})
        assert texts_at(f"{web.url}/in.txt") == LINES

    def test_only_a_time_of_last_change(self, web: WebServer) -> None:
        changed = "Mon, 02 Nov 2026 10:00:00 GMT"
        web.add("/in.txt", LINES, etag="", changed=changed)
        (found,) = find_inputs([f"{web.url}/in.txt"])
        assert found.version == f"{changed}, {len(LINES)} bytes"
        assert texts_at(f"{web.url}/in.txt") == LINES

    def test_a_weak_etag(self, web: WebServer) -> None:
        web.add("/in.txt", LINES, etag='W/"weak"')
        (found,) = find_inputs([f"{web.url}/in.txt"])
        assert (found.version, found.seekable) == ("weak", True)
        assert texts_at(f"{web.url}/in.txt") == LINES


@pytest.mark.usefixtures("short_pauses")
class TestWhatIsAnotherVersion:
    @pytest.mark.parametrize("has_ranges", [True, False])
    def test_it_is_never_mixed(self, web: WebServer, has_ranges: bool) -> None:
        page = web.add("/in.txt", LINES, has_ranges=has_ranges, drop_after=[1 << 20] * 4)
        read: list[bytes] = []
        (found,) = find_inputs([f"{web.url}/in.txt"])
        with found.open() as file:
            read.append(file.read(1 << 20))
            page.etag, page.content = '"two"', LINES.replace(b"time", b"TIME")
            with pytest.raises(InputReadError, match="changed while it was read"):
                read.extend(iter(lambda: file.read(1 << 20), b""))
        assert LINES.startswith(b"".join(read))

    def test_a_table(self, web: WebServer) -> None:
        page = web.add("/in.parquet", TABLE.getvalue())
        (found,) = find_inputs([f"{web.url}/in.parquet"])
        page.etag = '"two"'
        with pytest.raises(InputReadError, match="changed while it was read"):
            read_all(found)

    def test_without_a_version_nothing_is_taken_up_again(self, web: WebServer) -> None:
        web.add("/in.txt", LINES, etag="", has_ranges=False, drop_after=[1 << 20, 3 << 20, 3 << 20])
        with pytest.raises(InputReadError, match="cannot resume where it stopped"):
            texts_at(f"{web.url}/in.txt")


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            (404, "no such file (HTTP 404 Not Found)"),
            (410, "no such file (HTTP 410 Gone)"),
            (403, "HTTP 403 Forbidden; the address may have expired, or want a login"),
            (401, "HTTP 401 Unauthorized; the address may have expired, or want a login"),
            (418, "HTTP 418 I'm a Teapot"),
        ],
    )
    def test_by_the_server(self, web: WebServer, cli: Command, status: int, reason: str) -> None:
        web.add("/in.txt", LINES, refuse=[status])
        outcome = cli("embed", f"{web.url}/in.txt?key=SECRET", "-o", "out.parquet")
        assert outcome.code == 2
        assert outcome.err == f"llama-cli: error: {web.url}/in.txt: {reason}\n"
        assert len(web.requests) == 1

    @pytest.mark.usefixtures("short_pauses")
    def test_after_some_tries(self, web: WebServer, cli: Command) -> None:
        web.add("/in.txt", LINES, refuse=[503])
        outcome = cli("embed", f"{web.url}/in.txt", "-o", "out.parquet", "--quiet")
        assert outcome.code == 1
        reason = "cannot read: HTTP 503 Service Unavailable; tried 3 times"
        assert outcome.err == f"llama-cli: error: {web.url}/in.txt: {reason}\n"

    @pytest.mark.usefixtures("short_pauses")
    def test_where_nobody_listens(self, cli: Command) -> None:
        outcome = cli("embed", "http://user:SECRET@127.0.0.1:9/a.txt?SECRET", "-o", "x.parquet")
        assert outcome.code == 1
        assert "http://127.0.0.1:9/a.txt: cannot read: cannot reach the server: " in outcome.err
        assert "SECRET" not in outcome.err
        assert "Traceback" not in outcome.err

    @pytest.mark.usefixtures("short_pauses")
    @pytest.mark.parametrize("url", ["http://", "http://[", "https://a b/", "http://x:port/"])
    def test_what_is_no_address(self, cli: Command, url: str) -> None:
        outcome = cli("embed", url, "-o", "x.parquet", "--quiet")
        assert outcome.code in (1, 2)
        assert outcome.err.count("\n") == 1
        assert "unexpected" not in outcome.err

    @pytest.mark.parametrize("options", [{"has_ranges": False}, {"etag": ""}])
    def test_tables_without_parts_of_a_version(
        self, web: WebServer, cli: Command, options: dict[str, object]
    ) -> None:
        web.add("/in.parquet", TABLE.getvalue(), **options)
        outcome = cli("embed", f"{web.url}/in.parquet", "-o", "out.parquet")
        assert outcome.code == 2
        assert "download it first" in outcome.err

    def test_no_output_beside_it(self, cli: Command) -> None:
        outcome = cli("embed", "https://example.org/in.txt")
        assert outcome.code == 2
        assert "say where it goes with --output FILE" in outcome.err


@pytest.mark.usefixtures("short_pauses")
def test_rows_are_kept_when_it_ends_in_the_middle(
    web: WebServer, cli: Command, tmp_path: Path, tiny_bert: Path
) -> None:
    # Enough for some texts to be computed before others can be read.
    page = web.add("/in.txt", LINES * 6, refuse=[*[200] * 6, 500])
    words = ("embed", f"{web.url}/in.txt", "-o", tmp_path / "out.parquet", "-m", tiny_bert)
    outcome = cli(*words, "--max-length", 16)
    assert outcome.code == 1
    assert "HTTP 500 Internal Server Error; tried 5 times" in outcome.err
    assert "rows are kept for the next run" in outcome.err
    page.refuse = []
    again = cli(*words, "--max-length", 16)
    assert again.code == 0, again.err
    assert "resuming at row" in again.err
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 3000


def test_an_error_before_anything_is_read_is_of_the_input(web: WebServer) -> None:
    with pytest.raises(InputError, match="no such file"):
        find_inputs([f"{web.url}/none.txt"])


class TestOtherAnswers:
    """What is not the file is not embedded as if it were."""

    @pytest.mark.parametrize("status", [203, 204, 300, 304])
    def test_pages_about_it(self, web: WebServer, status: int) -> None:
        web.add("/in.txt", LINES, refuse=[status])
        with pytest.raises(InputError, match=f"HTTP {status}"):
            find_inputs([f"{web.url}/in.txt"])

    def test_an_encoding_that_was_not_asked_for(self, web: WebServer) -> None:
        web.add("/in.txt", b"compressed", headers={"Content-Encoding": "br"})
        with pytest.raises(InputError, match="the server compresses it with br"):
            find_inputs([f"{web.url}/in.txt"])

    def test_a_range_refused_of_a_file_that_is_not_empty(self, web: WebServer) -> None:
        web.add("/in.txt", b"water", refuse=[416, 200], has_ranges=False)
        (file,) = find_inputs([f"{web.url}/in.txt"])
        assert (file.size, file.seekable) == (5, False)

    def test_one_without_a_version_that_grows(self, web: WebServer) -> None:
        web.add("/in.txt", b"one\ntwo\n", etag="")
        (file,) = find_inputs([f"{web.url}/in.txt"])
        web.add("/in.txt", b"one longer\ntwo longer\n", etag="")
        with file.open() as opened, pytest.raises(InputReadError, match="changed while it was"):
            opened.read(100)


@pytest.mark.parametrize(
    "url",
    ["http://user:SE/CRET@host/x", "http://user:SE?CRET@host/x", "s3://user:SE/CRET@bucket/x"],
)
def test_no_part_of_a_password_is_shown(cli: Command, url: str) -> None:
    outcome = cli("embed", url, "-o", "out.parquet")
    assert outcome.code == 2
    assert "SE" not in outcome.err
    assert "CRET" not in outcome.err
