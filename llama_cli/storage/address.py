"""URLs as the user writes them, and as they may be shown and stored."""

from __future__ import annotations

import re
from collections.abc import Iterable

BUCKETS = ("s3", "gs")
WEB = ("http", "https")
HUB = "hf"
_SCHEMES = (*BUCKETS, *WEB, HUB)
_MARK = "://"
_ANY_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
# A host with its port: a name, or an address of version 6 in brackets.
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]*\]|[^:\[\]]*)(:\d*)?")
# The branch that is meant where the URL names no revision.
_MAIN = re.compile(r"^((?:(?:datasets|models|spaces)/)?[^/@]+/[^/@]+)@main(?=/|$)")


def is_remote(word: str) -> bool:
    """Whether a word of the command line is the URL of a file that can be read from here."""
    return scheme_of(word) in _SCHEMES


def scheme_of(word: str) -> str:
    """What comes before ``://``, in small letters; empty where there is none."""
    scheme, mark, _ = word.partition(_MARK)
    return scheme.lower() if mark else ""


def rest_of(url: str) -> str:
    """What comes after ``://``."""
    return url.partition(_MARK)[2]


def unknown_scheme(word: str) -> str | None:
    """What to say of a URL of a kind that is not known here; None of everything else."""
    if _ANY_SCHEME.match(word) is None or is_remote(word):
        return None
    known = ", ".join(f"{scheme}{_MARK}" for scheme in _SCHEMES)
    return f"{scheme_of(word)}{_MARK} is not known here; URLs begin with {known}"


def normalized(url: str) -> str:
    """The URL in the spelling by which it is compared with others."""
    scheme, rest = scheme_of(url), rest_of(url)
    return f"{scheme}{_MARK}{_MAIN.sub(lambda found: found[1], rest) if scheme == HUB else rest}"


def has_credentials(url: str) -> bool:
    """Whether there is a user or a password before the host, or the bucket."""
    # A repository of the Hub has its revision behind such a mark, but never in its first part. A
    # key may have a slash, so that it is not all before the first one; no bucket has a colon.
    first = rest_of(url).partition("/")[0]
    return "@" in first or (scheme_of(url) in BUCKETS and ":" in first)


def shown(url: str) -> str:
    """The URL without what may be secret: a password, and on the web all behind the ``?``.

    Presigned URLs have their signature there. Names in buckets may have a ``?`` of their own. Of a
    URL in which part of a password may stand where a host is expected, only the scheme is shown.
    """
    scheme, rest = scheme_of(url), rest_of(url)
    if scheme in WEB:
        rest = rest.partition("#")[0].partition("?")[0]
    host, slash, path = rest.partition("/")
    host = host.rpartition("@")[2]
    is_no_host = scheme in WEB and _HOST.fullmatch(host) is None
    if is_no_host or (scheme in BUCKETS and ":" in host):
        return f"{scheme}{_MARK}…"
    return f"{scheme}{_MARK}{host}{slash}{path}"


def words_shown(words: Iterable[str]) -> list[str]:
    """A command line whose URLs are as they may be shown."""
    return [shown(word) if is_remote(word) else word for word in words]
