"""JSON that is not lines: a list of objects, alone or in an object, or objects over lines."""

from __future__ import annotations

import codecs
import dataclasses
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llama_cli.errors import InputError
from llama_cli.inputs.carried import ParsedRow, attach_carried
from llama_cli.inputs.columns import TEXT_COLUMN, ColumnChoice, Columns
from llama_cli.inputs.readers.base import Candidate
from llama_cli.inputs.readers.json_objects import (
    JsonRow,
    NotAnObjectError,
    choose_text,
    find_columns,
    parse_object,
    parse_row,
)
from llama_cli.inputs.readers.text import (
    MAX_LINE_BYTES,
    LineReader,
    TextFormat,
    replace_invalid_utf8,
)
from llama_cli.inputs.skips import InputSkips
from llama_cli.inputs.stream import CHUNK, ByteStream
from llama_cli.records import TextRecord

_BOM = "\ufeff"
_SPACE = re.compile(r"[ \t\n\r]*")
# The longest word that JSON's parser points at where it ends too early: "-Infinity".
_WORD = 9


@dataclass(frozen=True)
class JsonDocument(TextFormat):
    """Objects in one list, or one after the other; each of their keys is a column.

    Attributes:
        is_list: whether the objects are in a list.
        within: the key whose list it is, of the one object that the input then is; None where the
            list stands alone.
    """

    name = "json"
    suffixes = ()
    unit = "row"
    by_lines = False
    documented_rows = "an object in a list, alone or in an object, or an object over several lines"
    documented_columns = "the keys; types of the whole file"

    columns: Columns
    is_list: bool
    within: str | None = None

    @classmethod
    def detect(cls, candidate: Candidate) -> JsonDocument:
        """Find the list or the objects, the columns in the first, and the types in all."""
        stream, choice = candidate.stream, candidate.choice
        if not candidate.file.is_regular:
            stream.spool()
        found = cls(Columns(""), is_list=_scan(stream).peek() == "[")
        if not found.is_list:
            stream.rewind(again=True)
            found = found._find_list(stream, choice)
        stream.rewind(again=True)
        text = choose_text(stream.name, found._sample(stream), choice)
        if isinstance(candidate.known, cls):
            columns = dataclasses.replace(candidate.known.columns, text=text)
        else:
            stream.rewind(again=True)
            objects = (row.values for row in found._rows(_scan(stream)) if row)
            columns = find_columns(stream.name, objects, text, choice, candidate.limit)
        stream.rewind()
        return dataclasses.replace(found, columns=columns)

    def read(self, lines: LineReader, skips: InputSkips, most: int | None) -> Iterator[TextRecord]:
        rows = self._parse_rows(lines, skips)
        return attach_carried(rows, self.columns.schema, skips, most)

    def _parse_rows(self, lines: LineReader, skips: InputSkips) -> Iterator[ParsedRow]:
        scanner = _Scanner(lines.chunks(), lines.name, lines.offset)
        for row in self._rows(scanner, lines.line):
            lines.line += 1
            if row is None:
                skips.add_bad(lines.line, "not a JSON object")
            elif parsed := parse_row(row, self.columns, skips):
                lines.note_end(row.end)
                yield parsed

    def _rows(self, scanner: _Scanner, before: int = 0) -> Iterator[JsonRow | None]:
        """The objects, None for other values, behind as many as were read before.

        Raises:
            InputError: the JSON is broken, so that nobody knows where the next object begins.
        """
        if not self.is_list:
            while scanner.peek():
                before += 1
                yield scanner.row(before)
            return
        if not before:
            if self.within is not None:
                _enter(scanner, self.within)
            scanner.take("[")
        for number in scanner.elements(before, "]"):
            yield scanner.row(number)
        if self.within is not None:
            for _ in scanner.elements(1, "}"):
                scanner.key()
                scanner.value()
        if scanner.peek():
            raise scanner.error("there is more behind its end")

    def _sample(self, stream: ByteStream) -> list[dict[str, Any]]:
        """The objects in the first megabyte of them, and the first whatever its size."""
        sample: list[dict[str, Any]] = []
        first = 0
        for row in self._rows(_scan(stream)):
            if row is None:
                continue
            first = first or row.end
            if sample and row.end - first > CHUNK:
                break
            sample.append(row.values)
        return sample

    def _find_list(self, stream: ByteStream, choice: ColumnChoice) -> JsonDocument:
        """Whether the input is one object with one list of objects.

        Raises:
            InputError: it has several such lists, and it is not clear which is meant.
        """
        scanner = _scan(stream)
        keys, lists = set(), []
        scanner.take("{")
        for _ in scanner.elements(0, "}"):
            key = scanner.key()
            keys.add(key)
            if scanner.peek() != "[":
                scanner.value()
            elif _holds_objects(scanner):
                lists.append(key)
        if not lists or (choice.text or TEXT_COLUMN) in keys or scanner.peek():
            return self
        if len(lists) > 1:
            raise InputError(
                f"{stream.name}: has several lists of objects: {', '.join(lists)}",
                hint=f"choose one: jq -c '.[\"{lists[0]}\"][]' FILE",
            )
        return dataclasses.replace(self, is_list=True, within=lists[0])


def begins_document(stream: ByteStream) -> bool:
    """Whether the first line that is not blank does not hold an object, but begins a document.

    An object over several lines does, and a line with an object that has nothing but one list of
    objects, if no other line follows. A broken line is one of JSON Lines.
    """
    lines = _non_blank(stream.peek(_LineFinder(1)))
    if not lines:
        return False
    first = replace_invalid_utf8(lines[0])[0].decode().removeprefix(_BOM).strip()
    if first.startswith("["):
        return True
    try:
        value = json.loads(first)
    except json.JSONDecodeError as error:
        is_open = first.startswith("{") and error.pos == len(first)
        return is_open and not _is_object(_non_blank(stream.peek(_LineFinder(2)))[-1])
    except (ValueError, RecursionError):
        return False
    may_wrap = isinstance(value, dict) and _may_be_wrapper(value)
    return may_wrap and len(_non_blank(stream.peek(_LineFinder(2)))) == 1


def _non_blank(lines: bytes) -> list[bytes]:
    return [line for line in lines.split(b"\n") if line.strip()]


def _is_object(line: bytes) -> bool:
    try:
        parse_object(replace_invalid_utf8(line)[0])
    except NotAnObjectError:
        return False
    return True


def _may_be_wrapper(value: dict[str, Any]) -> bool:
    lists = [item for item in value.values() if isinstance(item, list)]
    return TEXT_COLUMN not in value and any(item and isinstance(item[0], dict) for item in lists)


class _LineFinder:
    """Finds the end of so many lines that are not blank at a stream's beginning."""

    def __init__(self, missing: int) -> None:
        self._missing = missing
        self._end = 0

    def __call__(self, ahead: bytes) -> int | None:
        while self._missing:
            end = ahead.find(b"\n", self._end) + 1
            if not end:
                return MAX_LINE_BYTES if len(ahead) >= MAX_LINE_BYTES else None
            self._missing -= bool(ahead[self._end : end].strip())
            self._end = end
        return self._end


def _enter(scanner: _Scanner, wanted: str) -> None:
    """Go to the value of a key of an object."""
    scanner.take("{")
    for _ in scanner.elements(0, "}"):
        if scanner.key() == wanted and scanner.peek() == "[":
            return
        scanner.value()
    raise scanner.error(f"the list {wanted} is not there any more")


def _holds_objects(scanner: _Scanner) -> bool:
    """Step over a list; whether it begins with an object."""
    scanner.take("[")
    holds = scanner.peek() == "{"
    for _ in scanner.elements(0, "]"):
        scanner.value()
    return holds


def _scan(stream: ByteStream) -> _Scanner:
    return _Scanner(iter(stream.read, b""), stream.name, 0)


class _Scanner:
    """JSON in bytes that come in chunks, a value at a time."""

    def __init__(self, chunks: Iterator[bytes], name: str, offset: int) -> None:
        self._chunks = chunks
        self._name = name
        self._offset = offset  # in bytes, of what is at `_at`
        # Each byte that is not UTF-8 becomes a character, so that bytes can be counted.
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._decode = json.JSONDecoder().raw_decode
        self._text = ""
        self._at = 0
        if not offset and self.peek() == _BOM:
            self._step(self._at + 1)

    def peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._step(space.end() if space else self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def take(self, character: str) -> None:
        """Step over a character that has to come next."""
        if self.peek() != character:
            raise self.error(f"Expecting '{character}'")
        self._step(self._at + 1)

    def key(self) -> str:
        """A key of an object, with the colon behind it."""
        if self.peek() != '"':
            raise self.error("Expecting property name enclosed in double quotes")
        key = self.value()
        self.take(":")
        return str(key)

    def elements(self, before: int, close: str) -> Iterator[int]:
        """Numbers of a list's or object's elements, each of which must be taken before the next.

        Args:
            before: how many have been taken.
            close: the bracket behind the last.
        """
        while (character := self.peek()) != close:
            if before:
                if character != ",":
                    raise self.error("Expecting ',' delimiter")
                self.take(",")
            before += 1
            yield before
        self.take(close)

    def row(self, number: int) -> JsonRow | None:
        """The next value if it is an object."""
        self.peek()
        value, text = self._value()
        if not isinstance(value, dict):
            return None
        invalid_utf8 = not text.isascii() and _has_escaped(text)
        if invalid_utf8 or "\\ud" in text or "\\uD" in text:
            value = parse_object(replace_invalid_utf8(text.encode("utf-8", "surrogateescape"))[0])
        return JsonRow(value, number, self._offset, invalid_utf8)

    def value(self) -> Any:
        """The next value."""
        self.peek()
        return self._value()[0]

    def _value(self) -> tuple[Any, str]:
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._may_be_cut(error) or not self._read_on():
                    raise self.error(error.msg) from error
                if len(self._text) > MAX_LINE_BYTES:
                    raise self.error(f"a value is over {MAX_LINE_BYTES >> 20} MiB") from error
                continue
            except RecursionError as error:
                raise self.error("nested too deeply") from error
            except ValueError as error:  # a number of thousands of digits
                raise self.error(str(error)) from error
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if is_number and end == len(self._text) and self._read_on():
                continue  # it may have more digits
            text = self._text[self._at : end]
            self._step(end)
            return value, text

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        return "Unterminated" in error.msg or error.pos >= len(self._text) - _WORD

    def _step(self, end: int) -> None:
        passed = self._text[self._at : end]
        size = len(passed) if passed.isascii() else len(passed.encode("utf-8", "surrogateescape"))
        self._offset += size
        self._at = end

    def _read_on(self) -> bool:
        """Whether there was more to read."""
        chunk = next(self._chunks, b"")
        text = self._decoder.decode(chunk, final=not chunk)
        self._text, self._at = self._text[self._at :] + text, 0
        return bool(chunk or text)

    def error(self, reason: str) -> InputError:
        """The JSON is broken here."""
        return InputError(f"{self._name}: broken JSON behind byte {self._offset:,}: {reason}")


def _has_escaped(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
