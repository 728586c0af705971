"""MLLP frames: however the bytes are cut, the same messages come out, and what is held is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.hl7.framing import HEAD, MAX_JUNK, Frame, Framer, NotMllp, framed

PAYLOADS = st.binary(max_size=60).map(lambda b: bytes(c for c in b if c not in (0x0B, 0x1C)))
JUNK = st.binary(max_size=9).map(lambda b: bytes(c for c in b if c not in (0x0B, 0x1C)))


@given(st.lists(st.tuples(JUNK, PAYLOADS, st.sampled_from([b"\r", b"", b"\n", b"\r\n"])), max_size=6), st.data())
@settings(max_examples=150, deadline=None)
def test_the_same_messages_come_out_however_the_stream_is_cut(
    parts: list[tuple[bytes, bytes, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(junk + b"\x0b" + payload + b"\x1c" + end for junk, payload, end in parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    framer, found = Framer(), []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += framer.feed(stream[start:stop])
    assert found == [Frame(payload) for _, payload, _ in parts]
    assert not framer.inside


def test_one_byte_at_a_time() -> None:
    framer = Framer()
    found = [frame for byte in framed(b"MSH|a") + framed(b"MSH|b") for frame in framer.feed(bytes((byte,)))]
    assert [f.payload for f in found] == [b"MSH|a", b"MSH|b"]


def test_a_start_within_a_frame_begins_anew() -> None:
    assert Framer().feed(b"\x0bMSH|cut off\x0bMSH|whole\x1c\r") == [Frame(b"MSH|whole")]


def test_a_frame_that_is_too_large_is_told_at_once_and_not_held() -> None:
    framer = Framer(max_frame=10_000)
    assert framer.feed(b"\x0bMSH|head" + b"x" * 5_000) == []
    (frame,) = framer.feed(b"y" * 6_000)
    assert frame.too_large
    assert frame.payload.startswith(b"MSH|head")
    assert len(frame.payload) == HEAD
    for _ in range(100):
        assert framer.feed(b"z" * 60_000) == []
        assert len(framer._held) == 0
    assert framer.feed(b"\x1c\r" + framed(b"MSH|next")) == [Frame(b"MSH|next")]


def test_a_frame_as_large_as_allowed_is_taken() -> None:
    assert [len(f.payload) for f in Framer(max_frame=1_000).feed(framed(b"x" * 1_000))] == [1_000]
    assert Framer(max_frame=1_000).feed(framed(b"x" * 1_001))[0].too_large


def test_who_never_begins_a_frame_is_cut() -> None:
    framer = Framer()
    framer.feed(b"GET / HTTP/1.1\r\n")
    with pytest.raises(NotMllp):
        framer.feed(b"x" * MAX_JUNK)
