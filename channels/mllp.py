"""HL7 v2 over MLLP: one message to one system, and an honest answer about how it ended.

Source: HL7 transport specification MLLP release 1; HL7 v2.5.1, 2.9 (acknowledgement codes), tables 0008 and 0357.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import suppress

from pydantic import BaseModel, ConfigDict

from channels.mail import Sent

START = 0x0B
END = 0x1C
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 15.0
LARGEST_ANSWER = 64_000
"""Bytes. An acknowledgement has a few hundred."""

TAKEN = frozenset({"AA", "CA"})
REFUSED = frozenset({"AE", "AR", "CE", "CR"})
PASSING = frozenset({"206", "207"})
"""Table 0357: record locked, internal error. The same message may be taken later."""
_SEGMENT = re.compile(r"[\r\n]+")


def framed(payload: bytes) -> bytes:
    """A message as it goes over the wire."""
    return bytes((START,)) + payload + bytes((END, 0x0D))


class Peer(BaseModel):
    """Where messages for one system go."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    connect_seconds: float = CONNECT_SECONDS
    answer_seconds: float = ANSWER_SECONDS


async def send(peer: Peer, message: bytes, control_id: str) -> Sent:
    """One attempt. Never raises for what the other system can do; the reason carries its codes, not its words.

    `control_id` is the message's MSH-10. `uncertain`: the message was handed over and no fitting acknowledgement came;
    sent once more under the same id, a system that keeps to the rules takes it once.
    """
    try:
        async with asyncio.timeout(peer.connect_seconds):
            reader, writer = await asyncio.open_connection(peer.host, peer.port, ssl=peer.tls, limit=LARGEST_ANSWER)
    except (OSError, TimeoutError) as error:
        return Sent(outcome="later", reason=f"no connection ({type(error).__name__})", reached=False)
    try:
        async with asyncio.timeout(peer.answer_seconds):
            writer.write(framed(message))
            await writer.drain()
            answer = await reader.readuntil(bytes((END,)))
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        return Sent(outcome="uncertain", reason=f"no acknowledgement ({type(error).__name__})")
    finally:
        writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                await writer.wait_closed()
    return outcome_of(answer, control_id)


def outcome_of(answer: bytes, control_id: str) -> Sent:
    """What an acknowledgement says of the message of that id."""
    segments = _SEGMENT.split(answer.strip(bytes((START, END, 0x0D, 0x0A))).decode("latin-1"))
    separator = segments[0][3:4]
    if not segments[0].startswith("MSH") or not separator:
        return Sent(outcome="uncertain", reason="what came back is no HL7 message")
    fields = [segment.split(separator) for segment in segments]
    msa = next((f for f in fields if f[0] == "MSA"), [])
    code, about = [*msa[1:3], "", ""][:2]
    if about != control_id:
        return Sent(outcome="uncertain", reason="the acknowledgement is about another message")
    if code in TAKEN:
        return Sent(outcome="sent")
    if code not in REFUSED:
        return Sent(outcome="uncertain", reason="the acknowledgement has no code of table 0008")
    err = next((f for f in fields if f[0] == "ERR"), [])
    condition = next(iter(re.findall(r"(?<!\d)(?:10[0-3]|20[0-7])(?!\d)", " ".join([*err[3:4], *err[1:2]]))), None)
    words = f"{code}, {condition}" if condition else code
    return Sent(outcome="later" if condition in PASSING else "failed", reason=f"refused ({words})")
