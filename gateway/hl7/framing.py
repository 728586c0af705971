"""MLLP: messages from a stream of bytes, however the stream is cut.

    <SB> message <EB><CR>        SB = 0x0B, EB = 0x1C, CR = 0x0D

Source: HL7 Implementation Guide, appendix C.4 (Minimal Lower Layer Protocol), and the HL7 transport specification MLLP
release 1. Taken more liberally than written: the last CR may be missing, and what stands between frames is skipped.
"""

from __future__ import annotations

from dataclasses import dataclass

from channels.mllp import END, START
from channels.mllp import framed as framed

MAX_FRAME = 1_000_000
"""Bytes. Enforced while they come, before anybody looks inside."""
MAX_JUNK = 64_000
"""Bytes between two frames: whoever sends more does not speak MLLP."""
HEAD = 4_096
"""Bytes kept of a frame that is too large: its MSH, so that the refusal can name the message."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What stood between SB and EB. Of one that is too large, only the beginning."""

    payload: bytes
    too_large: bool = False


class NotMllp(Exception):  # noqa: N818
    """Nothing that comes over this connection looks like a frame."""


class Framer:
    """Frames out of chunks. Holds at most `max_frame` bytes and one chunk."""

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._max = max_frame
        self._held = bytearray()
        self._inside = False
        self._skipping = False
        self._junk = 0

    @property
    def inside(self) -> bool:
        """Whether a frame has begun and its end has not come."""
        return self._inside

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that end in this chunk, and one too large as soon as it is. Raises NotMllp.

        A second SB before the EB: the sender began anew, and what came before is not a message.
        """
        frames: list[Frame] = []
        at = 0
        while at < len(chunk):
            if not self._inside:
                start = chunk.find(START, at)
                self._between((start if start >= 0 else len(chunk)) - at)
                if start < 0:
                    break
                self._begin()
                at = start + 1
                continue
            end = chunk.find(END, at)
            stop = end if end >= 0 else len(chunk)
            anew = chunk.rfind(START, at, stop)
            if anew >= 0:
                self._begin()
                at = anew + 1
            if self._skipping:
                pass
            elif len(self._held) + stop - at > self._max:
                kept = bytes(self._held[:HEAD]) + chunk[at : at + HEAD]
                frames.append(Frame(kept[:HEAD], too_large=True))
                self._held.clear()
                self._skipping = True
            else:
                self._held += memoryview(chunk)[at:stop]
            if end >= 0:
                if not self._skipping:
                    frames.append(Frame(bytes(self._held)))
                self._finish()
            at = stop + 1
        return frames

    def _between(self, skipped: int) -> None:
        self._junk += skipped
        if self._junk > MAX_JUNK:
            raise NotMllp("no frame begins: MLLP begins a message with the byte 0x0B")

    def _begin(self) -> None:
        self._held.clear()
        self._inside, self._skipping, self._junk = True, False, 0

    def _finish(self) -> None:
        self._held.clear()
        self._inside = self._skipping = False
