"""URLs as the user writes them, and as they may be shown and stored."""

from __future__ import annotations

from collections.abc import Iterable

BUCKETS = ("s3", "gs")
WEB = ("http", "https")
HUB = "hf"
_SCHEMES = (*BUCKETS, *WEB, HUB)
_MARK = "://"


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


def has_credentials(url: str) -> bool:
    """Whether there is a user or a password before the host, or the bucket."""
    # A repository of the Hub has its revision behind such a mark, but never in its first part.
    return "@" in rest_of(url).partition("/")[0]


def shown(url: str) -> str:
    """The URL without what may be secret: a password, and on the web all behind the ``?``.

    Presigned URLs have their signature there. Names in buckets may have a ``?`` of their own.
    """
    scheme, rest = scheme_of(url), rest_of(url)
    if scheme in WEB:
        rest = rest.partition("#")[0].partition("?")[0]
    host, slash, path = rest.partition("/")
    return f"{scheme}{_MARK}{host.rpartition('@')[2]}{slash}{path}"


def words_shown(words: Iterable[str]) -> list[str]:
    """A command line whose URLs are as they may be shown."""
    return [shown(word) if is_remote(word) else word for word in words]
