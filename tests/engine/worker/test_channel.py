"""Messages arrive whole, in order, or not at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from llama_cli.engine.worker.channel import Channel
from llama_cli.errors import TextTooLongError

MB = 1_000_000


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    """Two channels that talk to each other."""
    (left_in, right_out), (right_in, left_out) = os.pipe(), os.pipe()
    left, right = Channel(left_in, left_out), Channel(right_in, right_out)
    yield left, right
    left.close()
    right.close()


@pytest.fixture
def torn() -> Iterator[tuple[int, Channel]]:
    """The descriptor to write to, and the channel that reads it."""
    read, write = os.pipe()
    channel = Channel(read, os.open(os.devnull, os.O_WRONLY))
    yield write, channel
    channel.close()


def as_bytes(*parts: bytes) -> bytes:
    read, write = os.pipe()
    channel = Channel(os.open(os.devnull, os.O_RDONLY), write)
    channel.send("texts", [1, 2], parts)
    channel.close()
    with os.fdopen(read, "rb") as file:
        return file.read()


def test_kind_content_and_parts_arrive(ends: tuple[Channel, Channel]) -> None:
    left, right = ends
    left.send("texts", ([1, 2], {"a": None}), [b"one", b"", memoryview(b"three")])
    left.send("end")
    assert right.receive() == ("texts", ([1, 2], {"a": None}), [b"one", b"", b"three"])
    assert right.receive() == ("end", None, [])


def test_both_directions_at_once(ends: tuple[Channel, Channel]) -> None:
    left, right = ends
    left.send("ping")
    right.send("pong")
    assert (left.receive().kind, right.receive().kind) == ("pong", "ping")


def test_a_matrix_arrives_as_its_bytes(ends: tuple[Channel, Channel]) -> None:
    left, right = ends
    matrix = np.arange(12, dtype=np.float32).reshape(3, 4)
    left.send("vectors", matrix.shape, [memoryview(matrix)])
    message = right.receive()
    assert np.array_equal(np.frombuffer(message.parts[0], np.float32).reshape(3, 4), matrix)


def test_parts_far_larger_than_the_pipe(ends: tuple[Channel, Channel]) -> None:
    left, right = ends
    parts = [bytes([number]) * (8 * MB + number) for number in range(4)]
    sender = threading.Thread(target=left.send, args=("texts", None, parts))
    sender.start()
    assert right.receive().parts == parts
    sender.join()


def test_messages_of_several_threads_are_not_mixed(ends: tuple[Channel, Channel]) -> None:
    left, right = ends

    def send_many(letter: bytes) -> None:
        for _ in range(50):
            left.send("part", letter, [letter * 100_000])

    senders = [threading.Thread(target=send_many, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for sender in senders:
        sender.start()
    messages = [right.receive() for _ in range(150)]
    for sender in senders:
        sender.join()
    assert all(message.parts == [message.content * 100_000] for message in messages)
    assert (
        sorted(message.content for message in messages) == [b"a"] * 50 + [b"b"] * 50 + [b"c"] * 50
    )


def test_an_error_keeps_its_type_message_and_hint(ends: tuple[Channel, Channel]) -> None:
    left, right = ends
    left.send("error", TextTooLongError(1, 3, 64))
    error = right.receive().content
    assert type(error) is TextTooLongError
    assert str(error) == "line 3: the text has more than 64 tokens"
    assert (error.source, error.line) == (1, 3)
    assert str(error.at("b.txt, line 3")) == "b.txt, line 3: the text has more than 64 tokens"
    assert error.hint == "shorten it, or leave out `on_long=error` to truncate it"
    assert error.hint == error.at("here").hint


def test_the_end_is_an_eof_error(torn: tuple[int, Channel]) -> None:
    write, channel = torn
    os.close(write)
    with pytest.raises(EOFError):
        channel.receive()


def test_the_end_in_the_middle_of_a_message_is_an_eof_error() -> None:
    """At each byte: in the size, in the head, in the first part and in the second."""
    whole = as_bytes(b"first", b"second")
    for length in range(len(whole)):
        read, write = os.pipe()
        os.write(write, whole[:length])
        os.close(write)
        channel = Channel(read, os.open(os.devnull, os.O_WRONLY))
        with pytest.raises(EOFError):
            channel.receive()
        channel.close()


def test_a_message_that_comes_byte_by_byte_is_whole(torn: tuple[int, Channel]) -> None:
    write, channel = torn
    for byte in as_bytes(b"first", b"second"):
        os.write(write, bytes([byte]))
    os.close(write)
    assert channel.receive() == ("texts", [1, 2], [b"first", b"second"])


def test_sending_to_nobody_is_an_os_error(ends: tuple[Channel, Channel]) -> None:
    left, right = ends
    right.close()
    with pytest.raises(BrokenPipeError):
        left.send("texts", None, [b"x" * MB])


def test_sending_on_a_closed_channel_is_an_os_error(ends: tuple[Channel, Channel]) -> None:
    left, _ = ends
    left.close()
    with pytest.raises(OSError):  # noqa: PT011 - as its description says, of whatever number
        left.send("end")


def test_closing_twice_does_no_harm(ends: tuple[Channel, Channel]) -> None:
    left, right = ends
    left.close()
    left.close()
    with pytest.raises(EOFError):
        right.receive()
